"""How much of a model's work may be kept in a cache without changing its numbers."""

from __future__ import annotations

import enum


class CacheUse(enum.IntEnum):
    """What a forward pass may rely on; each level also allows all that is below it.

    Most models give the same numbers however their work is cut into forward passes. Some
    do not: positions that depend on the length, recurrent states, states in the module.
    """

    NONE = 0
    """Every token takes a forward pass over the whole text, one lane at a time."""
    ONE_LANE = 1
    """A cache for each lane, decoded one after the other; prompts are read in one pass."""
    LANES = 2
    """Several lanes in one forward pass."""
    CHUNKS = 3
    """A prompt read in several passes."""
    TURNS = 4
    """A cache that is cut back, and continued by a later request."""
