"""What the screen must say of the replies it shows, derived from the file by code of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import fmean

from logit_amp_chat.core.records import Finish, Message, Name, Record, Reply, Step
from logit_amp_chat.tui.token_log.blocks import Block, MessageBlock, ReplyBlock
from tests.tui.chat_driver import Chat


def nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def signed(alpha: float) -> str:
    return f"{'+' if alpha > 0 else '−' if alpha < 0 else ''}{abs(alpha):g}"


def title(alpha: float) -> str:
    """What a lane is called."""
    return {-1.0: "before", 0.0: "after"}.get(alpha, f"α {signed(alpha)}")


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
        whose_history(chat, file, lane),
        f"“{label}”" if label else "",
        f"{given} given" if given else "",
        counted(len(own), "token") if own else "",
        agreement(chat, file, lane),
        f"KL {nats(fmean(step.kl for step in own))}" if own else "",
        f"log pA {nats(fmean(step.logp.after for step in own))}" if own else "",
    ]
    return "  ".join(filter(None, parts))


def agreement(chat: Chat, file: File, lane: str) -> str:
    """How a lane's sampled tokens compare with those of the reference lane."""
    shown, names = shown_lanes(chat), list(chat.screen.view.lanes.lanes)
    reference = "after" if "after" in names else names[0]
    if lane == reference or reference not in shown:
        return ""
    name = title(chat.screen.view.lanes.lanes[reference].head.alpha)
    one, other = ([s.token for s in file.sampled(shown[each])] for each in (lane, reference))
    pairs = enumerate(zip(one, other, strict=False))
    given = file.replies[shown[lane]].forced
    for place, (a, b) in pairs:
        if a != b:
            return f"parts from {name} at token {given + place + 1}"
    same = min(len(one), len(other))
    if not same:
        return ""
    if {shown[lane], shown[reference]} & running(chat) - set(file.finishes):
        return f"as {name} so far"
    return f"same as {name}" if one == other else f"as {name} for {counted(same, 'token')}"


# --- the thread -----------------------------------------------------------------


def check_thread(chat: Chat) -> None:
    """Every message and reply stands below what it follows, with what its head must say."""
    file = File.of(chat.saved)
    above: str | None = None
    blocks = chat.screen.view.log_view.blocks
    ids = [block.id for block in blocks]
    if ids == ["welcome"]:
        assert chat.session.conversation.leaf is None
        return
    page = chat.screen.view.log_view.page
    for place, (block, below) in enumerate(zip(blocks, [*ids[1:], None], strict=True)):
        drawn = not chat.screen.view.comparing and page.is_wrapped(place)
        if isinstance(block, MessageBlock):
            message = file.messages[block.id]
            follows = _followed(file, message, below)
            assert above == follows, "a message below what it was said to"
            if message.role == "user" and drawn:
                head = f"you  {which(block.id, file.versions(message))}".rstrip()
                assert first_line(block) == head
        elif isinstance(block, ReplyBlock):
            assert file.replies[block.id].parent == above
            if drawn:
                assert first_line(block) == _head(file, block.id)
                assert text_of_block(block) == _said(file, block.id)
        above = block.id


def _followed(file: File, message: Message, below: str | None) -> str | None:
    """What a message stands below: in a lane's own history the reply of that lane."""
    reply = file.replies.get(below or "")
    if reply is None or reply.follows is None or message.parent in _systems(file):
        return message.parent
    return reply.follows


def _systems(file: File) -> set[str]:
    return {m.id for m in file.messages.values() if m.role == "system"}


def first_line(block: Block) -> str:
    return "".join(span.text for span in block.wrapped.lines[0]).rstrip()


def text_of_block(block: Block) -> str:
    """The text of tokens without white space, which wrapping may change."""
    spans = (span for line in block.wrapped.lines for span in line)
    return "".join("".join(span.text for span in spans if span.kind == "text").split())


def _said(file: File, reply: str) -> str:
    return "".join("".join(s.text for s in file.steps[reply] if not s.special).split())


def _head(file: File, id: str) -> str:
    reply = file.replies[id]
    letter = {"before": "B ", "after": "A "}.get(title(reply.alpha), "")
    parts = [
        f"{letter}{title(reply.alpha)}",
        f"seed {reply.seed}",
        which(id, file.siblings(reply)),
        f"{reply.forced} given" if reply.forced else "",
        f"“{file.names[id]}”" if file.names.get(id) else "",
        sampling_of(reply),
    ]
    return "  ".join(filter(None, parts))


def last_alpha(chat: Chat) -> float | None:
    """The α that the amplified reply at the end of the thread ended at."""
    file = File.of(chat.saved)
    shown = [b.id for b in chat.screen.view.log_view.blocks if b.id in file.replies]
    if not shown or file.replies[shown[-1]].lane != "amplified":
        return None
    steps = file.steps[shown[-1]]
    return steps[-1].alpha if steps else file.replies[shown[-1]].alpha


def neighbour(chat: Chat, by: int) -> str | None:
    """What `<` or `>` must show: the reply, or the message, next to the one under the cursor."""
    file = File.of(chat.saved)
    view = chat.screen.view
    thread = [block.id for block in view.log_view.blocks]
    block = view.current_block
    shown = block.id if block else None
    asked = [id for id in thread if id in file.messages and file.messages[id].role == "user"][-1]
    answered = [r for r in file.replies.values() if r.id in thread and r.parent == asked]
    if not view.comparing and view.log_view.cursor is None and not answered:
        shown = None
    message = file.messages[file.replies[shown].parent or ""] if shown else file.messages[asked]
    lane = file.replies[shown].lane if shown else "amplified"
    row = []
    for version in file.versions(message):
        replies = [r for r in file.replies.values() if r.parent == version]
        own = [r.id for r in replies if r.lane == lane]
        row += own or [version if not replies else f"any reply to {version}"]
    here = row.index(shown) if shown else None
    if here is None or len(row) < 2:
        return None
    there = row[(here + by) % len(row)]
    return None if there.startswith("any reply") else there


# --- the comparison -------------------------------------------------------------


def lanes_to_show(chat: Chat) -> dict[str, str]:
    """By lane, the reply that must stand in the comparison."""
    file, view = File.of(chat.saved), chat.screen.view
    thread = [block.id for block in view.log_view.blocks]
    if view.compared is not None:
        anchor: str | None = view.compared.id
    else:
        last = thread[-1]
        anchor = last if last in file.replies else None
    if anchor is None:
        return {}
    found = {file.replies[anchor].lane: anchor}
    previous = history(file, file.replies[anchor])
    for lane in view.lanes.lanes:
        alike = [id for id in similar(chat, file, anchor) if file.replies[id].lane == lane]
        wanted = own_previous(chat, file, previous, lane)
        wanted = wanted if chat.session.own_histories else previous
        fitting = [id for id in alike if history(file, file.replies[id]) == wanted]
        if lane not in found and alike:
            found[lane] = (fitting or alike)[-1]
    return {lane: found[lane] for lane in view.lanes.lanes if lane in found}


def own_previous(chat: Chat, file: File, previous: str | None, lane: str) -> str | None:
    """What a lane's own history goes on from where the chat does from `previous`."""
    if previous is None or file.replies[previous].lane == lane:
        return previous
    alike = [id for id in similar(chat, file, previous) if file.replies[id].lane == lane]
    own = [id for id in alike if set(lanes_before(file, id)) <= {lane}]
    return (own or alike or [previous])[-1]


def histories_to_continue(chat: Chat, message: Message) -> dict[str, str | None]:
    """By lane, the reply it must go on from, where that is not the one the message was said to."""
    file = File.of(chat.saved)
    said_to = file.place(message)
    lanes = list(chat.session.lanes)
    if not chat.session.own_histories:
        return dict.fromkeys(lanes)
    own = {lane: own_previous(chat, file, said_to, lane) for lane in lanes}
    return {lane: None if log == said_to else log for lane, log in own.items()}


def lanes_before(file: File, reply: str) -> list[str]:
    """The lanes of the replies that a reply continues."""
    lanes, previous = [], history(file, file.replies[reply])
    while previous is not None:
        lanes.append(file.replies[previous].lane)
        previous = history(file, file.replies[previous])
    return lanes


def similar(chat: Chat, file: File, anchor: str) -> list[str]:
    """The replies to the same message with the same seed, sampling and given tokens."""
    reply = file.replies[anchor]
    own = reply.parent, reply.seed, reply.sampling, reply.forced
    return [
        other.id
        for other in file.replies.values()
        if (other.parent, other.seed, other.sampling, other.forced) == own
        and _same_given(file, reply, other, running(chat))
    ]


def whose_history(chat: Chat, file: File, lane: str) -> str:
    """Whose replies a lane continues, where not all lanes continue the same one."""
    shown = shown_lanes(chat)
    before = {history(file, file.replies[id]) for id in shown.values()}
    lanes = set(lanes_before(file, shown[lane]))
    if len(before) == 1 or not lanes:
        return ""
    if lanes == {file.replies[shown[lane]].lane}:
        return "own history"
    previous = history(file, file.replies[shown[lane]])
    assert previous is not None
    one = len(lanes) == 1
    return f"history of {title(file.replies[previous].alpha)}" if one else "mixed history"


def sampling_of(reply: Reply) -> str:
    """The temperature and every filter that acts."""
    sampling = reply.sampling
    acting = {
        "top-p": sampling.top_p if sampling.top_p < 1 else 0,
        "top-k": sampling.top_k,
        "min-p": sampling.min_p,
    }
    argmax = " (argmax)" if sampling.temperature == 0 else ""
    tau = f"τ {sampling.plausibility:g}" if sampling.plausibility else ""
    said = [tau, f"T {sampling.temperature:g}{argmax}"]
    said += [f"{name} {value:g}" for name, value in acting.items() if value]
    return "  ".join(filter(None, said))


def conditions(chat: Chat) -> str:
    """How the lanes were sampled and whose replies they continue, above them."""
    file, shown = File.of(chat.saved), shown_lanes(chat)
    thread = [block.id for block in chat.screen.view.log_view.blocks]
    asked = [id for id in thread if id in file.messages and file.messages[id].role == "user"][-1]
    some = next(iter(shown.values()), None)
    message = file.messages[(file.replies[some].parent if some else asked) or ""]
    said_to, own = file.place(message), chat.session.own_histories
    parts = []
    if some:
        parts.append(f"seed {file.replies[some].seed}  {sampling_of(file.replies[some])}")
    if said_to is not None:
        whose = [whose_history(chat, file, lane) for lane in shown]
        before = {history(file, file.replies[id]) for id in shown.values()}
        if len(before) == 1 or not (shown or own):
            (one,) = before or {said_to}
            assert one is not None
            alpha = file.replies[one].alpha
            parts.append(f"every lane continues the reply of {title(alpha)}")
        elif all(one == "own history" for one in whose):
            parts.append("every lane continues its own replies")
        else:
            parts.append("lanes continue different replies")
        parts.append("h one history" if own else "h own histories")
    return " · ".join(parts)


def history(file: File, reply: Reply) -> str | None:
    """The reply that a reply's own history goes on from."""
    return reply.follows or file.place(file.messages[reply.parent or ""])


def _same_given(file: File, one: Reply, other: Reply, open_: set[str]) -> bool:
    a, b = ([s.token for s in file.steps[r.id][: r.forced]] for r in (one, other))
    if one.id in open_ - set(file.finishes):
        b = b[: len(a)]
    if other.id in open_ - set(file.finishes):
        a = a[: len(b)]
    return a == b
