"""Replay: a transcript's replies decoded again, and where they part from the record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from logit_amp_chat.core.config.profile import Profile, recorded_profile
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Event, Forget, SetAlpha, SetSampling, Stop
from logit_amp_chat.core.records import Change, Finish, Record, Reply, Session, SideInfo, Step
from logit_amp_chat.core.transcripts.conversation import Conversation, ReplyLog

INFINITE = float("inf")
# The records of replies that were begun, but whose end their engine did not decide.
CUT_SHORT = ("cancelled", "error")


class Engine(Protocol):
    """What a replay needs of `logit_amp_chat.core.engine.local.Engine`."""

    def decode(
        self, replies: Sequence[Reply], forced: tuple[int, ...] = (), ahead: bool = True
    ) -> Iterator[Sequence[Event]]:
        """Decode what the records say."""

    def apply(self, command: SetAlpha | SetSampling | Stop | Forget) -> None:
        """Change the request in progress."""


@dataclass(frozen=True)
class Sitting:
    """What one engine decoded: its requests in order, each a list of lanes.

    An engine's caches are empty when a session begins.
    """

    session: Session | None
    requests: list[list[ReplyLog]]


def sittings(records: Iterable[Record]) -> list[Sitting]:
    """The requests of a transcript by session.

    Replies whose records stand together were the lanes of one request.
    """
    records = list(records)
    logs = Conversation(records).replies
    found = [Sitting(None, [])]
    seen: set[str] = set()
    together = False
    for record in records:
        match record:
            case Session():
                found.append(Sitting(record, []))
                together = False
            case Reply() if record.id not in seen:
                seen.add(record.id)
                requests = found[-1].requests
                if together and _one_request(requests[-1][0].reply, record):
                    requests[-1].append(logs[record.id])
                else:
                    requests.append([logs[record.id]])
                together = True
            case Step() | Change() | Finish():
                together = False
    return [sitting for sitting in found if sitting.requests]


def _one_request(a: Reply, b: Reply) -> bool:
    return a == dataclasses.replace(b, id=a.id, lane=a.lane, alpha=a.alpha)


def pinned_profile(session: Session) -> Profile | None:
    """The session's profile at the revisions it was made with; None where it cannot be read."""
    profile = recorded_profile(session)
    if profile is None:
        return None
    sides = {
        name: side.model_copy(update={"revision": info.revision})
        for name, side, info in (
            ("before", profile.before, session.before),
            ("after", profile.after, session.after),
        )
        if info.revision
    }
    return profile.model_copy(update=sides)


# --- one request ----------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """The first place where a replay is not the record; None where one of them has ended."""

    index: int
    recorded: Step | Finish | None
    replayed: Step | Finish | None

    @property
    def fields(self) -> list[str]:
        """The fields that differ, where both are records of one type."""
        a, b = self.recorded, self.replayed
        if a is None or type(a) is not type(b):
            return []
        names = [f.name for f in dataclasses.fields(a) if f.name not in UNCOMPARED]
        return [name for name in names if getattr(a, name) != getattr(b, name)]


@dataclass
class Verdict:
    """What came of one reply: `parted` is the first other token or ending, `first` the first
    difference of any kind, `deviation` (nats) the largest of the numbers before `parted`."""

    log: ReplyLog
    same: int = 0
    first: Difference | None = None
    parted: Difference | None = None
    deviation: float = 0.0
    problem: str = ""

    @property
    def identical(self) -> bool:
        """Every token, every number and the ending are those of the record."""
        return self.first is None and not self.problem


def replay(engine: Engine, request: Sequence[ReplyLog]) -> list[Verdict]:
    """Decode the lanes of a request again; a verdict each.

    Everything is done when the record says it was done: α and sampling as they
    were in force at each token, and a lane that was cut short ends there.
    """
    lanes = {log.id: _Lane(log) for log in request}
    most = max(request, key=lambda log: len(log.steps))
    forced = tuple(step.token for step in most.steps[: most.reply.forced])
    try:
        for batch in engine.decode([log.reply for log in request], forced, ahead=False):
            for event in batch:
                if isinstance(event, Step | Finish):
                    lanes[event.reply].take(event)
            for lane in lanes.values():
                for command in lane.commands():
                    engine.apply(command)
    except LogitAmpError as error:
        for lane in lanes.values():
            lane.verdict.problem = str(error)
    return [lane.verdict for lane in lanes.values()]


# The time a reply took is not part of what was said.
UNCOMPARED = ("seconds", "error")


@dataclass
class _Lane:
    """One reply as it is decoded again."""

    log: ReplyLog
    index: int = 0
    finished: bool = False
    verdict: Verdict = field(init=False)

    def __post_init__(self) -> None:
        self.verdict = Verdict(self.log)

    @property
    def _cut_short(self) -> bool:
        finish = self.log.finish
        return finish is None or finish.reason in CUT_SHORT

    def commands(self) -> Iterator[SetAlpha | SetSampling | Stop]:
        """What was asked between the token just taken and the next."""
        steps = self.log.steps
        if self.finished:
            return
        if self.verdict.parted or (self._cut_short and self.index >= len(steps)):
            yield Stop(self.log.id)
        elif self.index < len(steps):
            yield SetAlpha(self.log.id, steps[self.index].alpha)
        for change in self.log.changes:
            if change.index == self.index:
                yield SetSampling(change.sampling)

    def take(self, event: Step | Finish) -> None:
        """Compare what was decoded with the record."""
        if isinstance(event, Finish):
            self.finished = True
            self._compare_ending(event)
        elif self.verdict.parted is None:
            self._compare(event)

    def _compare(self, step: Step) -> None:
        steps, verdict = self.log.steps, self.verdict
        recorded = steps[self.index] if self.index < len(steps) else None
        difference = Difference(self.index, recorded, step)
        if recorded is None or recorded.token != step.token:
            verdict.parted = difference
        else:
            verdict.same += 1
            verdict.deviation = max(verdict.deviation, deviation(recorded, step))
        if recorded != step:
            verdict.first = verdict.first or difference
        self.index += 1

    def _compare_ending(self, finish: Finish) -> None:
        """Both ended here, and for the same reason; a record that was cut may have none."""
        if self.verdict.parted:
            return
        recorded, steps = self.log.finish, self.log.steps
        difference = Difference(self.index, recorded, finish)
        if self.index < len(steps):
            difference = Difference(self.index, steps[self.index], finish)
        elif recorded is None or (
            recorded.tokens == finish.tokens
            and (recorded.reason == finish.reason or recorded.reason in CUT_SHORT)
        ):
            return
        self.verdict.parted = difference
        self.verdict.first = self.verdict.first or difference


def deviation(a: Step, b: Step) -> float:
    """The largest difference of two steps' numbers, in nats; inf where they cannot be compared."""
    rivals = [{c.id: c for c in step.top} for step in (a, b)]
    numbers = [
        [
            *dataclasses.astuple(step.logp),
            step.kl,
            step.kl_amplified,
            step.entropy,
            *(value for i in sorted(rivals[0].keys() & rivals[1].keys()) for value in top[i][2:]),
        ]
        for step, top in zip((a, b), rivals, strict=True)
    ]
    return max(0.0 if x == y else _distance(x, y) for x, y in zip(*numbers, strict=True))


def _distance(x: float, y: float) -> float:
    distance = abs(x - y)
    return distance if distance == distance else INFINITE  # NaN is no number to compare


# --- why ------------------------------------------------------------------------


def reasons(recorded: Session, present: Session) -> list[str]:
    """What is not as it was: device, models, precision, versions; each as `what: then → now`."""
    found = [_changed("device", recorded.device, present.device)]
    for name in ("before", "after"):
        then: SideInfo = getattr(recorded, name)
        now: SideInfo = getattr(present, name)
        found += [
            _changed(f"{name}'s {f.name.replace('_', ' ')}", getattr(then, f.name), value)
            for f in dataclasses.fields(now)
            if (value := getattr(now, f.name)) != getattr(then, f.name)
        ]
    found += [
        _changed(name, recorded.versions.get(name), present.versions.get(name))
        for name in sorted(recorded.versions.keys() | present.versions.keys())
    ]
    found.append(_changed("context", recorded.context, present.context))
    return [reason for reason in found if reason]


def _changed(what: str, then: object, now: object) -> str:
    return "" if then == now else f"{what}: {then or 'none'} → {now or 'none'}"
