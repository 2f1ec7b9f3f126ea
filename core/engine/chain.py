"""The engine of a chain: one `LocalEngine` for every two stages that are compared."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeVar

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import pair_of, prompted_alike, selected
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.engine.batched import BatchedEngine
from logit_amp_chat.core.engine.exclusive import Exclusive
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.stage_engine import StageEngine
from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.models.pair import Pair, prepare
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.protocol import (
    Adjustment,
    AnyRequest,
    Event,
    Forget,
    Idle,
    Lane,
    Loading,
    Noticed,
    Opened,
    Request,
    ScoreRequest,
    Stop,
)
from logit_amp_chat.core.reading import StageReadRequest
from logit_amp_chat.core.records import Document, Finish, Reply
from logit_amp_chat.core.turn_ends import TurnEnds

Stages = tuple[str, str]
AnyLane = TypeVar("AnyLane", Lane, Reply)


class ChainEngine(BatchedEngine):
    """An `Engine` of a chain: its pair answers, and lanes of other stages stand beside it.

    Stages are loaded when they are first needed, and share the store's copies. `loaded` is told
    of every pair once its models are there.
    """

    def __init__(
        self,
        profile: Profile,
        store: StageStore,
        report: Callable[[Loading], None],
        loaded: Callable[[Pair], None] = lambda _: None,
        *,
        keeps: bool = False,
    ) -> None:
        """Load and check the profile's pair; with `keeps` closing leaves the stages in the store.

        Raises LogitAmpError.
        """
        self.profile = profile
        self._store = store
        self._report = report
        self._loaded = loaded
        self._keeps = keeps
        self._engines: dict[Stages, LocalEngine] = {}
        self._sessions: dict[Stages, Opened] = {}
        self._told: set[Stages] = set()
        self._requests = Exclusive[Sequence[Event]]()
        self._live: LocalEngine | None = None
        self._adjusted: list[Adjustment] = []
        self._controls: Controls | None = None
        self._stages = StageEngine(profile, store)
        store.released = self._release
        self._main = pair_of(profile)
        store.announce(self._main)
        self.opened = self._engine(self._main).opened

    @classmethod
    def open(
        cls,
        profile: Profile,
        report: Callable[[Loading], None] = lambda _: None,
        loaded: Callable[[Pair], None] = lambda _: None,
        held: HeldStages | None = None,
    ) -> ChainEngine:
        """Open the profile's pair; other stages are loaded when they are needed.

        What is `held` it takes over, and leaves there. Raises LogitAmpError.
        """
        if held is not None:
            return cls(profile, held.store(profile, report, StageStore), report, loaded, keeps=True)
        return cls(profile, StageStore.look(profile, report), report, loaded)

    @property
    def pair(self) -> Pair:
        """The pair that the profile names."""
        return self._engine(self._main).pair

    def batches(self, request: AnyRequest) -> Generator[Sequence[Event], None, None]:
        """The events of a request, one batch per token; lanes of other stages come last."""
        if isinstance(request, StageReadRequest):
            controls = Controls({request.document: 0.0})
            return self._requests.run(self._read(request, controls))
        if isinstance(request, Request | ScoreRequest):
            groups = self._groups(request.lanes)
            if {*groups} - {self._main}:
                return self._requests.run(self._side_by_side(request, groups))
            request = replace(request, lanes=tuple(groups.get(self._main, ())))
        main = self._next_engine(self._main)
        return self._requests.run(self._alone(main, main.batches(request)))

    def decode(
        self,
        replies: Sequence[Reply],
        forced: tuple[int, ...] = (),
        ahead: bool = True,
        turn_ends: TurnEnds | None = None,
    ) -> Generator[Sequence[Event], None, None]:
        """Decode lanes of any two stages from their records, as `LocalEngine.decode` does.

        Raises UsageError for lanes of several pairs: they have records of sessions of their own.
        """
        groups = self._groups(replies)
        if len(groups) > 1:
            raise UsageError(
                "Lanes of several pairs of stages were not decoded together.",
                "Decode those of each session for themselves.",
            )
        engine = self._next_engine(next(iter(groups), self._main))
        decoded = engine.decode(replies, forced, ahead, turn_ends)
        return self._requests.run(self._alone(engine, decoded))

    def apply(self, command: Adjustment) -> None:
        """Change the request in progress, also in lanes that have not begun."""
        if isinstance(command, Forget):
            for engine in self._engines.values():
                engine.apply(command)
            return
        self._adjusted.append(command)
        if self._live is not None:
            self._live.apply(command)
        if self._controls is not None and isinstance(command, Stop):
            self._controls.stopped.update(self._controls.alphas)

    def close(self) -> None:
        """Free the models; closing twice is fine."""
        try:
            self._requests.end()
        except UsageError:
            self.apply(Stop())  # the thread that answers ends it
            return
        self._release(frozenset(self._store.names))
        if not self._keeps:
            self._stages.close()

    def _groups(self, lanes: Sequence[AnyLane]) -> dict[Stages, list[AnyLane]]:
        """The lanes by their stages, the profile's pair first. Raises UsageError."""
        groups: dict[Stages, list[AnyLane]] = {}
        for lane in lanes:
            stages = lane.stages or self._main
            for name in stages:
                if name not in self._store.names:
                    known = ", ".join(self._store.names)
                    raise UsageError(f"There is no stage {name}.", f"The stages are {known}.")
            own = replace(lane, stages=None) if stages == self._main else lane
            groups.setdefault(stages, []).append(own)
        return dict(sorted(groups.items(), key=lambda item: item[0] != self._main))

    def _alone(
        self, engine: LocalEngine, batches: Generator[Sequence[Event], None, None]
    ) -> Generator[Sequence[Event], None, None]:
        """What one pair answers, while it takes adjustments."""
        self._live, self._adjusted = engine, []
        try:
            yield from batches
        finally:
            batches.close()
            self._live = None

    def _side_by_side(
        self, request: Request | ScoreRequest, groups: dict[Stages, list[Lane]]
    ) -> Generator[Sequence[Event], None, None]:
        """What the pairs answer, one after the other; each begins with what changed before it.

        Lanes that were stopped before they began are not decoded.
        """
        self._adjusted = []
        for stages, group in groups.items():
            lanes = [lane for lane in group if not self._is_stopped(lane)]
            if lanes:
                asked = replace(request, lanes=tuple(lanes))
                if isinstance(asked, Request) and not prompted_alike(self.profile, stages):
                    asked = replace(asked, prompt=None)
                yield from self._beside(stages, asked)
        yield [Idle()]

    def _beside(
        self, stages: Stages, request: Request | ScoreRequest
    ) -> Generator[Sequence[Event], None, None]:
        """What one pair answers; nothing keeps it when the next one is loaded."""
        engine = self._engine(stages)
        if stages != self._main and stages not in self._told:
            self._told.add(stages)
            yield [engine.opened.session]
        self._live = engine
        batches = engine.batches(request)
        try:
            yield from self._adjusting(engine, batches)
        finally:
            batches.close()
            self._live = None

    def _is_stopped(self, lane: Lane) -> bool:
        stops = [command for command in self._adjusted if isinstance(command, Stop)]
        return any(stop.reply in (None, lane.reply) for stop in stops)

    def _adjusting(
        self, engine: LocalEngine, batches: Generator[Sequence[Event], None, None]
    ) -> Generator[Sequence[Event], None, None]:
        earlier = [*self._adjusted]
        for number, batch in enumerate(batches):
            if number == 0:
                for command in earlier:
                    engine.apply(command)
            yield [event for event in batch if not isinstance(event, Idle)]

    def _read(
        self, request: StageReadRequest, controls: Controls
    ) -> Generator[Sequence[Event], None, None]:
        """A text under as many stages at once as there is room for, then under the next."""
        self._controls, names = controls, request.stages
        finishes: list[Finish] = []
        try:
            held = self._stages.held(names)
            for first in range(0, len(names), held):
                if finishes and request.document in controls.stopped:
                    break
                part = replace(request, stages=names[first : first + held])
                for batch in self._stages.batches(part, controls):
                    finishes += [event for event in batch if isinstance(event, Finish)]
                    aside = Finish if first == 0 else Finish | Document | Noticed
                    yield [event for event in batch if not isinstance(event, aside)]
            is_whole = len(finishes) * held >= len(names)
            yield [_joined(finishes, is_whole=is_whole), Idle()]
        finally:
            self._controls = None

    def _next_engine(self, stages: Stages) -> LocalEngine:
        """The engine of the next request; what it takes the place of is let go before it is loaded.

        Raises LogitAmpError.
        """
        if stages not in self._engines:
            self._requests.end()
        return self._engine(stages)

    def _engine(self, stages: Stages) -> LocalEngine:
        """The engine of two stages, loaded and checked. Raises LogitAmpError."""
        if (engine := self._engines.get(stages)) is not None:
            self._store.hold(stages)  # they were used
            return engine
        is_main = stages == self._main
        profile = self.profile if is_main else selected(self.profile, *stages)
        engine = self._opened(profile, stages)
        engine.opened = self._sessions.setdefault(stages, self._as_opened(engine, stages))
        self._engines[stages] = engine
        return engine

    def _opened(self, profile: Profile, stages: Stages) -> LocalEngine:
        """A new engine of two stages, the pair of `profile`. Raises LogitAmpError."""
        pair = self._store.pair(*stages)
        prepare(pair)
        engine = LocalEngine.checked(profile, pair)
        engine.warm_up(self._report)
        self._loaded(pair)
        return engine

    def _as_opened(self, engine: LocalEngine, stages: Stages) -> Opened:
        """What the engine of two stages is known by, also when they are loaded again."""
        opened = engine.opened
        if stages == self._main:
            return opened
        return replace(opened, session=replace(opened.session, beside=self.opened.session.id))

    def _release(self, names: frozenset[str]) -> None:
        """Forget the engines of stages that were let go."""
        for stages in [stages for stages in self._engines if not names.isdisjoint(stages)]:
            engine = self._engines.pop(stages)
            try:
                engine.close()
            except LogitAmpError:
                continue
        self._stages.forget()


def _joined(finishes: Sequence[Finish], *, is_whole: bool) -> Finish:
    """The end of a text that was read in several parts; cancelled where one was not, or not all."""
    last, seconds = finishes[-1], sum(finish.seconds for finish in finishes)
    return replace(last, reason=last.reason if is_whole else "cancelled", seconds=seconds)
