"""Replay: decodes a transcript's replies again and finds where they differ from the record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from logit_amp_chat.core.config.profile import Profile, recorded_profile
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Event, SetAlpha, SetSampling, Stop
from logit_amp_chat.core.records import Change, Finish, Record, Reply, Session, SideInfo, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.turn_ends import TurnEnds

INFINITE = float("inf")
# Reasons for an end that the engine did not decide.
CUT_SHORT = ("cancelled", "error")


class ReplayEngine(Engine, Protocol):
    """An engine whose adjustments take hold at an exact token: one in this process."""

    def decode(
        self,
        replies: Sequence[Reply],
        forced: tuple[int, ...] = (),
        ahead: bool = True,
        turn_ends: TurnEnds | None = None,
    ) -> Iterator[Sequence[Event]]:
        """Decode the lanes that these records begin, from the prompts in them.

        Without `ahead` an adjustment is in force with the next token on every device. `turn_ends`
        are those of the recorded session; None: of the engine's.
        """


@dataclass(frozen=True)
class SessionRequests:
    """The requests of one session in order, each a list of lanes.

    The engine's caches were empty when the session began.
    """

    session: Session | None
    requests: list[list[ReplyLog]]


def requests_by_session(records: Iterable[Record]) -> list[SessionRequests]:
    """The requests of a transcript, by session.

    Replies whose records are adjacent were lanes of one request. Those of a session beside
    another one have caches of their own.
    """
    records = list(records)
    logs = Conversation(records).replies
    sessions = [SessionRequests(None, [])]
    beside: dict[str, SessionRequests] = {}
    seen: set[str] = set()
    adjacent: SessionRequests | None = None
    for record in records:
        match record:
            case Session():
                sessions.append(SessionRequests(record, []))
                if record.beside is not None:  # the one that it stands beside goes on
                    beside[record.id] = sessions[-1]
                    sessions[-2:] = reversed(sessions[-2:])
                adjacent = None
            case Reply() if record.id not in seen:
                seen.add(record.id)
                log = logs[record.id]
                own = beside.get(log.session.id) if log.beside and log.session else None
                session = own or sessions[-1]
                if adjacent is session and _one_request(session.requests[-1][0].reply, record):
                    session.requests[-1].append(log)
                else:
                    session.requests.append([log])
                adjacent = session
            case Step() | Change() | Finish():
                adjacent = None
    return [session for session in sessions if session.requests]


def _one_request(a: Reply, b: Reply) -> bool:
    """Whether two records differ only in what a lane of a request may have for itself."""
    own = {"seed": a.sampling.seed, "max_new_tokens": a.sampling.max_new_tokens}
    return a == dataclasses.replace(
        b,
        id=a.id,
        parent=a.parent,
        turn=a.turn,
        lane=a.lane,
        alpha=a.alpha,
        seed=a.seed,
        forced=a.forced,
        follows=a.follows,
        sampling=b.sampling.model_copy(update=own),
    )


def pinned_profile(session: Session) -> Profile | None:
    """The session's profile at the revisions it was made with; None where it cannot be read."""
    profile = recorded_profile(session)
    if profile is None:
        return None
    sides: dict[str, Any] = {
        name: side.model_copy(update={"revision": info.revision})
        for name, side, info in (
            ("before", profile.before, session.before),
            ("after", profile.after, session.after),
        )
        if info.revision
    }
    sides["stages"] = tuple(
        stage.model_copy(update={"revision": session.revisions.get(stage.name) or stage.revision})
        for stage in profile.stages
    )
    return profile.model_copy(update=sides)


# --- one request ----------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """The first place where replay and record differ; None for the one that has ended."""

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
class ReplayResult:
    """How one reply compares with its record.

    `same` counts the tokens that agree. `diverged` is the first other token or ending, `first`
    the first difference of any kind, `deviation` the largest difference of a number before
    `diverged`, in nats. `problem` says why it cannot be decoded at all.
    """

    log: ReplyLog
    same: int = 0
    first: Difference | None = None
    diverged: Difference | None = None
    deviation: float = 0.0
    problem: str = ""

    @property
    def identical(self) -> bool:
        """Whether tokens, numbers and ending all agree with the record."""
        return self.first is None and not self.problem


def replay(engine: ReplayEngine, request: Sequence[ReplyLog]) -> list[ReplayResult]:
    """Decode the lanes of a request again and compare each with its record.

    α and sampling change at the tokens where the record says they changed, and
    a lane that was cut short ends where it was cut.
    """
    lanes = {log.id: _Lane(log) for log in request}
    most = max(request, key=lambda log: len(log.steps))
    forced = tuple(step.token for step in most.steps[: most.reply.forced])
    replies, turn_ends = [log.reply for log in request], recorded_ends(engine, request[0].session)
    try:
        for batch in engine.decode(replies, forced, ahead=False, turn_ends=turn_ends):
            for event in batch:
                if isinstance(event, Step | Finish):
                    lanes[event.reply].take(event)
            for lane in lanes.values():
                for command in lane.commands():
                    engine.apply(command)
    except LogitAmpError as error:
        for lane in lanes.values():
            lane.result.problem = str(error)
    return [lane.result for lane in lanes.values()]


def recorded_ends(engine: ReplayEngine, session: Session | None) -> TurnEnds:
    """What ended replies in a session; where it does not say, no text did: it is an older one."""
    return TurnEnds.of(session) or TurnEnds(frozenset(engine.opened.session.end_of_turn))


# How long it took, and in which words it failed, may differ between machines.
UNCOMPARED = ("seconds", "error")


@dataclass
class _Lane:
    """One reply as it is decoded again."""

    log: ReplyLog
    index: int = 0
    finished: bool = False
    result: ReplayResult = field(init=False)

    def __post_init__(self) -> None:
        self.result = ReplayResult(self.log)

    @property
    def _cut_short(self) -> bool:
        finish = self.log.finish
        return finish is None or finish.reason in CUT_SHORT

    def commands(self) -> Iterator[SetAlpha | SetSampling | Stop]:
        """The commands to give before the next token."""
        steps = self.log.steps
        if self.finished:
            return
        if self.result.diverged or (self._cut_short and self.index >= len(steps)):
            yield Stop(self.log.id)
        elif self.index < len(steps):
            yield SetAlpha(self.log.id, steps[self.index].alpha)
        for change in self.log.changes:
            if change.index == self.index:
                yield SetSampling(change.sampling)

    def take(self, event: Step | Finish) -> None:
        """Compare an event with the record."""
        if isinstance(event, Finish):
            self.finished = True
            self._compare_ending(event)
        elif self.result.diverged is None:
            self._compare(event)

    def _compare(self, step: Step) -> None:
        steps, result = self.log.steps, self.result
        recorded = steps[self.index] if self.index < len(steps) else None
        if recorded is None and self.log.finish is None:
            return  # it was cut off among given tokens, and a sibling has more of them
        difference = Difference(self.index, recorded, step)
        if recorded is None or recorded.token != step.token:
            result.diverged = difference
        else:
            result.same += 1
            result.deviation = max(result.deviation, deviation(recorded, step))
        if recorded != step:
            result.first = result.first or difference
        self.index += 1

    def _compare_ending(self, finish: Finish) -> None:
        """The ending agrees if both end here for one reason; a record cut short may have none."""
        if self.result.diverged:
            return
        recorded, steps = self.log.finish, self.log.steps
        difference = Difference(self.index, recorded, finish)
        if self.index < len(steps):
            difference = Difference(self.index, steps[self.index], finish)
        elif recorded is None or (
            recorded.tokens == finish.tokens
            and (
                (recorded.reason, recorded.stop) == (finish.reason, finish.stop)
                or recorded.reason in CUT_SHORT
            )
        ):
            return
        self.result.diverged = difference
        self.result.first = self.result.first or difference


def deviation(a: Step, b: Step) -> float:
    """The largest difference of two steps' numbers, in nats; inf where they cannot be compared."""
    tops = [{c.id: c for c in step.top} for step in (a, b)]
    shared = sorted(tops[0].keys() & tops[1].keys())
    numbers = [
        [
            *dataclasses.astuple(step.logp),
            step.kl,
            step.kl_amplified,
            step.entropy,
            *(value for token in shared for value in top[token][2:]),
        ]
        for step, top in zip((a, b), tops, strict=True)
    ]
    return max(0.0 if x == y else _distance(x, y) for x, y in zip(*numbers, strict=True))


def _distance(x: float, y: float) -> float:
    distance = abs(x - y)
    return distance if distance == distance else INFINITE  # NaN is no number to compare


# --- why ------------------------------------------------------------------------


def reasons(recorded: Session, present: Session) -> list[str]:
    """What has changed since: device, models, precision, versions; each as `what: then → now`."""
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
    checked, here = recorded.caches or {}, present.caches or {}
    found += [
        _changed(f"what {name}'s caches are used for", checked[name].use, here[name].use)
        for name in checked.keys() & here.keys()
    ]
    if checked and present.caches is None:
        found.append("caches that were checked then and not now")
    return [reason for reason in found if reason]


def _changed(what: str, then: object, now: object) -> str:
    return "" if then == now else f"{what}: {then or 'none'} → {now or 'none'}"
