"""Rotary positions whose frequencies depend on how long the text is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def rope_switch(config: Any) -> int | None:
    """The longest text, in tokens, that is read with the short frequencies of longrope.

    In a longer one every position has the long frequencies, also the first: states computed
    below the switch are wrong above it (Ding et al. 2024, LongRoPE, section 3.4, and what
    `generate` does with Phi-3). None if the model has no such switch. Dynamic NTK changes
    its frequencies beyond `max_position_embeddings` only, which no prompt passes.
    """
    switches = (
        rope.get("original_max_position_embeddings")
        or getattr(config, "original_max_position_embeddings", None)
        for rope in _rope_parameters(config)
        if rope.get("rope_type", rope.get("type")) == "longrope"
    )
    return min((int(switch) for switch in switches if switch), default=None)


def _rope_parameters(config: Any) -> Iterator[dict[str, Any]]:
    """The parameters of all layers, or those of every kind of layer."""
    for name in ("rope_parameters", "rope_scaling"):
        found = getattr(config, name, None)
        if isinstance(found, dict):
            yield found
            yield from (kind for kind in found.values() if isinstance(kind, dict))
