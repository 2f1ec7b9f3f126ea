"""A pair whose weights another process holds: all that is known of it without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import pair_of
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.architecture import auto_class
from logit_amp_chat.core.models.described_stages import describe_stages
from logit_amp_chat.core.models.hub import Source, complete
from logit_amp_chat.core.models.loader import Origin, Report, choose_dtype
from logit_amp_chat.core.models.pair import Pair, assemble, check_machine
from logit_amp_chat.core.models.side import LoadedSide


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


def unloaded_pair(profile: Profile, report: Report = lambda _: None) -> UnloadedPair:
    """Read, and where needed download, what `load_pair` would load. Raises PairError."""
    check_machine()
    described = describe_stages(profile, report)
    names = pair_of(profile)
    origins = [described.origins[name] for name in names]
    folders = [complete(origin.source, report).weights for origin in origins]
    sides: dict[str, LoadedSide] = {}
    for name, origin in zip(names, origins, strict=True):
        same = next((n for n in sides if _one_model(described.origins, n, name)), None)
        sides[name] = sides[same] if same else _without_weights(profile, origin)
    before, after = (sides[name] for name in names)
    cpu = torch.device("cpu")
    pair = assemble(profile, described, names, (before, after), (), cpu)
    return UnloadedPair(
        pair=pair,
        folders=(folders[0], folders[1]),
        architectures=(_architecture(origins[0]), _architecture(origins[1])),
        adapters=(origins[0].adapter, origins[1].adapter),
        dtype=str(after.model.dtype).removeprefix("torch."),
    )


def _one_model(origins: Mapping[str, Origin], a: str, b: str) -> bool:
    one, other = origins[a], origins[b]
    return (one.source, one.adapter) == (other.source, other.adapter)


def _without_weights(profile: Profile, origin: Origin) -> LoadedSide:
    """The model of a side on the meta device: its shapes and types, and no memory."""
    wanted: Any = choose_dtype(profile)
    if wanted == "auto":
        wanted = origin.config.get_text_config().dtype or torch.float32
    with torch.device("meta"):
        model = auto_class(origin.config).from_config(
            origin.config, dtype=wanted, trust_remote_code=profile.trust_remote_code
        )
    return LoadedSide(model.eval())


def _architecture(origin: Origin) -> str:
    """The class that a model's configuration names. Raises PairError if it names none."""
    found = getattr(origin.config, "architectures", None)
    if not found:
        raise PairError(
            f"The configuration of {origin.side.model} names no architecture.",
            "vLLM needs one; without it use engine: local.",
        )
    return str(found[0])
