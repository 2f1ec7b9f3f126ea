"""Models whose weights another process holds: all that is known of them without these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.architecture import auto_class
from logit_amp_chat.core.models.described_stages import describe_stages
from logit_amp_chat.core.models.hub import Source, complete
from logit_amp_chat.core.models.loader import Origin, Report, choose_dtype
from logit_amp_chat.core.models.pair import Pair, check_machine
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.models.stage_store import StageStore


@dataclass(frozen=True)
class UnloadedPair:
    """A `pair` of models without weights, and where their files are, before's first.

    `dtype` is that of the weights as they are to be loaded.
    """

    pair: Pair
    folders: tuple[Path, Path]
    architectures: tuple[str, str]
    dtype: str
    adapters: tuple[Source | None, Source | None]
    configs: tuple[Any, Any]


class UnloadedStages(StageStore):
    """The stages of a profile without weights: they take no room, and none is let go."""

    @classmethod
    def look(cls, profile: Profile, report: Report = lambda _: None) -> Self:
        """Read what describes all stages; no weights. Raises PairError."""
        check_machine()
        described = describe_stages(profile, report)
        return cls(profile, described, torch.device("cpu"), report, None)

    def hold(self, names: Sequence[str]) -> tuple[LoadedSide, ...]:
        """These stages on the meta device; those of one model share it."""
        for name in names:
            if name not in self._loaded:
                self._loaded[name] = self._without_weights(name)
        return tuple(self._loaded[name] for name in names)

    def turn_to(self, profile: Profile, report: Report) -> None:
        """Go on with another pair of the same stages."""
        self.profile, self.report = profile, report

    def announce(self, names: Sequence[str]) -> None:
        """Nothing: what they take is known to whom loads them."""

    def unloaded(self, before: str, after: str) -> UnloadedPair:
        """The pair of two stages, whose files are downloaded where needed. Raises PairError."""
        origins = [self.described.origins[name] for name in (before, after)]
        folders = [complete(origin.source, self.report).weights for origin in origins]
        pair = self.pair(before, after)
        return UnloadedPair(
            pair=pair,
            folders=(folders[0], folders[1]),
            architectures=(_architecture(origins[0]), _architecture(origins[1])),
            adapters=(origins[0].adapter, origins[1].adapter),
            configs=(origins[0].config, origins[1].config),
            dtype=str(pair.after.model.dtype).removeprefix("torch."),
        )

    def _without_weights(self, name: str) -> LoadedSide:
        """The model of a stage: its shapes and types, and no memory."""
        origins = self.described.origins
        own = origins[name]
        adapter = own.adapter.name if own.adapter else None
        for other, side in self._loaded.items():
            if origins[other].source == own.source:
                return replace(side, adapter=adapter)
        wanted: Any = choose_dtype(self.profile)
        if wanted == "auto":
            wanted = own.config.get_text_config().dtype or torch.float32
        with torch.device("meta"):
            model = auto_class(own.config).from_config(
                own.config, dtype=wanted, trust_remote_code=self.profile.trust_remote_code
            )
        return LoadedSide(model.eval(), adapter)


def _architecture(origin: Origin) -> str:
    """The class that a model's configuration names. Raises PairError if it names none."""
    found = getattr(origin.config, "architectures", None)
    if not found:
        raise PairError(
            f"The configuration of {origin.side.model} names no architecture.",
            "vLLM needs one; without it use engine: local.",
        )
    return str(found[0])
