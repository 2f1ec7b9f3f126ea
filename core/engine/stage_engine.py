"""Reads texts under the stages of a chain, as many at once as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from logit_amp_chat.core.config.profile import Profile, check_local
from logit_amp_chat.core.config.stages import stages_of
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.stage_reader import HeldStage, StageReader, held_stages
from logit_amp_chat.core.engine.prompt_renderer import PromptRenderer
from logit_amp_chat.core.engine.session_record import device_name, software_versions
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.models.document_tokens import document_tokens
from logit_amp_chat.core.models.pair import Pair, find_positions, prepare
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.models.vocabulary import fingerprint
from logit_amp_chat.core.protocol import Adjustment, Event, Idle, Loading, Stop
from logit_amp_chat.core.reading import Names, NamesRequest, StageReadRequest
from logit_amp_chat.core.records import SideInfo, now, told_apart


class StageEngine:
    """Stages of one chain that read texts; nothing is generated.

    `infos` are the stages that were loaded so far, as precisely as they can be named.
    """

    def __init__(self, profile: Profile, store: StageStore) -> None:
        self.profile = profile
        self.store = store
        self.infos: dict[str, SideInfo] = {}
        self.time = now()
        self._group: tuple[tuple[str, ...], Pair, list[HeldStage]] | None = None
        self._controls: Controls | None = None

    @classmethod
    def open(
        cls, profile: Profile, report: Callable[[Loading], None] = lambda _: None
    ) -> StageEngine:
        """Read what describes the stages; none is loaded before it is read under.

        Raises LogitAmpError.
        """
        check_local(profile)
        _check_prompts(profile)
        return cls(profile, StageStore.look(profile, report))

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages, in order of training."""
        return self.store.names

    @property
    def vocabulary(self) -> str:
        """The fingerprint of the vocabulary that the stages share, as sessions have it."""
        return fingerprint(self.store.described.tokenizer)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of the stages, one sentence each."""
        described = self.store.described
        return (*described.shared.notices, *described.notices)

    @property
    def device_name(self) -> str:
        """The device that the numbers are computed on."""
        return device_name(self.store.device)

    @property
    def versions(self) -> dict[str, str]:
        """The software that computes them."""
        return software_versions()

    def held(self, names: Sequence[str] | None = None) -> int:
        """How many neighbours of the stages `names` (None: all) fit into memory at once.

        Raises PairError, and UsageError for a stage that there is not.
        """
        if names is not None:
            self._check(names)
        return self.store.held(names)

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        """See `Engine`."""
        controls = Controls({request.document: 0.0})
        self._controls = controls
        try:
            for batch in self.batches(request, controls):
                yield from batch
            yield Idle()
        finally:
            self._controls = None

    def batches(
        self, request: StageReadRequest, controls: Controls
    ) -> Generator[Sequence[Event], None, None]:
        """The events of a request without its Idle; `controls` may stop it."""
        _check_prompts(self.profile)
        pair, held = self._hold(request.stages)
        prompts = PromptRenderer(self.profile, pair, self.time)
        found = document_tokens(
            request.content,
            prompts.moment(request.time),
            chat=prompts.chat(request.template),
            token_bytes=pair.token_bytes,
            end_of_turn=pair.end_of_turn,
        )
        yield from StageReader(pair, held, request, found).read(controls)
        yield [*prompts.notices()]

    def names(self, request: NamesRequest) -> Iterator[Event]:
        """See `Engine`."""
        assert self._group is not None, "names are asked for after a text was read"
        describe = self._group[1].token_bytes.describe
        yield Names(tuple(describe(token)[0] for token in request.tokens))
        yield Idle()

    def apply(self, command: Adjustment) -> None:
        """End the reading in progress where it is told to stop."""
        if self._controls is not None and isinstance(command, Stop):
            self._controls.stopped.update(self._controls.alphas)

    def forget(self) -> None:
        """Keep no stage that the store lets go."""
        self._group = None

    def close(self) -> None:
        """Let the models go; closing twice is fine."""
        self.forget()
        self.store.close()

    def __enter__(self) -> StageEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hold(self, names: tuple[str, ...]) -> tuple[Pair, list[HeldStage]]:
        """The stages, loaded and ready to read, and a pair of two of them."""
        self._check(names)
        if self._group is None or self._group[0] != names:
            self._group = None  # what is let go must not be kept here
            self.store.hold(names)
            pairs = [(two, self._ready(two)) for two in _neighbours(names)]
            held = held_stages(pairs, trusts=self.profile.trust_caches)
            by_name = {stage.name: stage for stage in held}
            self._group = names, pairs[0][1], [by_name[name] for name in names]
            last = self.stages.index(names[-1]) + 1  # texts are read in order of training
            self.store.ahead(self.stages[last : last + len(names)])
        return self._group[1], self._group[2]

    def _check(self, names: Sequence[str]) -> None:
        known = f"The stages are {', '.join(self.stages)}."
        for name in names:
            if name not in self.stages:
                raise UsageError(f"There is no stage {name}.", known)
        if not names:
            raise UsageError("No stage is named.", known)

    def _ready(self, names: tuple[str, str]) -> Pair:
        pair = self.store.pair(*names)
        prepare(pair)
        self.infos.update(zip(names, pair.infos, strict=True))
        return find_positions(pair)


def _check_prompts(profile: Profile) -> None:
    """Raises UsageError for stages, or sides, that are prompted each in a way of its own."""
    sides = *stages_of(profile), profile.before, profile.after
    if len({(side.system, told_apart(side.template)) for side in sides}) > 1:
        raise UsageError(
            "The stages have system prompts or template variables of their own.",
            "They are read behind one prompt: leave these out.",
        )


def _neighbours(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of neighbours in which every name is; of a single one, itself twice."""
    if len(names) == 1:
        return [(names[0], names[0])]
    pairs = [(names[n], names[n + 1]) for n in range(0, len(names) - 1, 2)]
    return pairs if len(names) % 2 == 0 else [*pairs, (names[-2], names[-1])]
