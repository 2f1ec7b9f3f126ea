"""What the screen must say of the replies it shows, derived from the file by code of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import fmean

from logit_amp_chat.core.records import Finish, Message, Name, Record, Reply, Step
from tests.tui.chat_driver import Chat


def nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


@dataclass
class File:
    """The records of one chat by what they are about."""

    messages: dict[str, Message] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    steps: defaultdict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    finishes: dict[str, Finish] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(records: list[Record]) -> File:
        file = File()
        for record in records:
            match record:
                case Message():
                    file.messages[record.id] = record
                case Reply():
                    file.replies[record.id] = record
                case Step():
                    file.steps[record.reply].append(record)
                case Finish():
                    file.finishes[record.reply] = record
                case Name():
                    file.names[record.reply] = record.text
        return file

    def siblings(self, reply: Reply) -> list[str]:
        """The replies of the same lane to the same message."""
        own = reply.parent, reply.lane
        return [r.id for r in self.replies.values() if (r.parent, r.lane) == own]

    def place(self, message: Message) -> str | None:
        """What a message follows, whatever the system prompt."""
        parent = message.parent
        while parent in self.messages and self.messages[parent].role == "system":
            parent = self.messages[parent].parent
        return parent

    def versions(self, message: Message) -> list[str]:
        """What the user said at the same place."""
        said = [m for m in self.messages.values() if m.role == "user"]
        return [m.id for m in said if self.place(m) == self.place(message)]

    def sampled(self, reply: str) -> list[Step]:
        return self.steps[reply][self.replies[reply].forced :]


def which(one: str, of: list[str]) -> str:
    return f"‹ {of.index(one) + 1}/{len(of)} ›" if len(of) > 1 else ""


def running(chat: Chat) -> set[str]:
    """The replies that an engine may still add to."""
    request = chat.engine.request
    return {lane.reply for lane in request.lanes} if request else set()


def shown_lanes(chat: Chat) -> dict[str, str]:
    """By lane, the reply that stands in the comparison."""
    lanes = chat.screen.view.lanes.lanes
    return {name: lane.block.id for name, lane in lanes.items() if lane.block}


def summaries(chat: Chat) -> dict[str, str]:
    """What every head of the comparison must say below its name."""
    file, shown = File.of(chat.saved), shown_lanes(chat)
    return {
        name: _summary(chat, file, name) if name in shown else ""
        for name in chat.screen.view.lanes.lanes
    }


def shown_summaries(chat: Chat) -> dict[str, str]:
    lanes = chat.screen.view.lanes.lanes
    return {name: "  ".join(part[0] for part in lane.head.summary) for name, lane in lanes.items()}


def _summary(chat: Chat, file: File, lane: str) -> str:
    id = shown_lanes(chat)[lane]
    reply, own = file.replies[id], file.sampled(id)
    given = len(file.steps[id]) - len(own)
    label = file.names.get(id, "")
    parts = [
        which(id, file.siblings(reply)),
        f"“{label}”" if label else "",
        f"{given} given" if given else "",
        counted(len(own), "token") if own else "",
        agreement(chat, file, lane),
        f"KL {nats(fmean(step.kl for step in own))}" if own else "",
        f"log pA {nats(fmean(step.logp.after for step in own))}" if own else "",
        f"seed {reply.seed}",
        "own history" if reply.follows else "",
    ]
    return "  ".join(filter(None, parts))


def agreement(chat: Chat, file: File, lane: str) -> str:
    """How a lane's sampled tokens compare with those of the reference lane."""
    shown, names = shown_lanes(chat), list(chat.screen.view.lanes.lanes)
    reference = "after" if "after" in names else names[0]
    if lane == reference or reference not in shown:
        return ""
    one, other = ([s.token for s in file.sampled(shown[name])] for name in (lane, reference))
    pairs = enumerate(zip(one, other, strict=False))
    given = file.replies[shown[lane]].forced
    for place, (a, b) in pairs:
        if a != b:
            return f"parts from {reference} at token {given + place + 1}"
    same = min(len(one), len(other))
    if not same:
        return ""
    if {shown[lane], shown[reference]} & running(chat) - set(file.finishes):
        return f"as {reference} so far"
    return (
        f"same as {reference}" if one == other else f"as {reference} for {counted(same, 'token')}"
    )
