"""The engine of a chain whose stages are one model with and without adapters, in one vLLM."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.chain import ChainEngine, Stages
from logit_amp_chat.core.engine.vllm import VllmEngine, check, start
from logit_amp_chat.core.engine.vllm_decoder import USE_LOCAL
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.models.unloaded_pair import UnloadedStages
from logit_amp_chat.core.protocol import AnyRequest, Event, Loading
from logit_amp_chat.core.reading import StageReadRequest

if TYPE_CHECKING:
    from logit_amp_chat.core.engine.held_stages import HeldStages
    from logit_amp_chat.core.engine.vllm_adapters import AdapterPairs


class VllmStages(UnloadedStages):
    """The stages of a chain; all are in one process, which is started for the first pair."""

    pairs: AdapterPairs | None = None

    def engine(self, profile: Profile, stages: Stages) -> VllmEngine:
        """The engine of two stages. Raises LogitAmpError."""
        found = self.unloaded(*stages)
        if self.pairs is None:
            adapters = [origin.adapter for origin in self.described.origins.values()]
            self.pairs = start(profile, found, adapters, self.report)
        return VllmEngine.adapted(profile, found, self.pairs, alone=False)

    def close(self) -> None:
        """End the process; closing twice is fine."""
        super().close()
        if self.pairs is not None:
            self.pairs.process.close()
            self.pairs = None


class VllmChainEngine(ChainEngine):
    """A `ChainEngine` whose pairs are lanes of one process, with adapters of their own."""

    _store: VllmStages

    @classmethod
    def open(
        cls,
        profile: Profile,
        report: Callable[[Loading], None] = lambda _: None,
        loaded: object = None,
        held: HeldStages | None = None,
    ) -> VllmChainEngine:
        """See `ChainEngine`; vLLM is started for the first pair. Raises LogitAmpError."""
        check(profile)
        if held is not None:
            engine = cls(profile, held.store(profile, report, VllmStages), report, keeps=True)
        else:
            engine = cls(profile, VllmStages.look(profile, report), report)
        pairs = engine._store.pairs
        engine.lifeline = pairs.process if pairs else None
        return engine

    def batches(self, request: AnyRequest) -> Generator[Sequence[Event], None, None]:
        """See `ChainEngine`. Raises UsageError for one that vLLM cannot answer."""
        if isinstance(request, StageReadRequest):
            raise UsageError("This is not done with engine: vllm.", USE_LOCAL)
        return super().batches(request)

    def _opened(self, profile: Profile, stages: Stages) -> VllmEngine:
        return self._store.engine(profile, stages)
