"""Tokens that are there already: what is read of them, and their numbers, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

# In place of a token whose logits are computed but not measured.
UNSCORED = -1

Rows = list[list[float]]


class Measure(Protocol):
    """Measures tokens, from the logits before them; what it keeps of those before is its own."""

    @property
    def at_once(self) -> int:
        """How many rows of logits are measured at once."""

    def rows(self, logits: tuple[Tensor, Tensor], tokens: Sequence[int]) -> Rows:
        """The numbers of the next tokens, a row each, from both sides' logits (n, ≥ V)."""


class Measures(Protocol):
    """What one request wants to know of its texts."""

    def of(self, prompt: Sequence[int]) -> Measure:
        """Measures the tokens after `prompt`, the ids that after reads before the first of them."""


@dataclass(frozen=True)
class MeasuredBlock:
    """The numbers of the next `positions` of a text, a row for each that has a scored token."""

    text: int
    """Which of the texts that are read, counted from 0."""
    positions: int
    rows: Rows


def measured_blocks(
    measure: Measure, logits: tuple[Tensor, Tensor], targets: Sequence[int]
) -> Iterator[tuple[int, Rows]]:
    """How many positions a block has, and the rows of those with a token to score.

    `logits` are both sides' (n, ≥ V), `targets` the n tokens after them.
    """
    for begin in range(0, len(targets), measure.at_once):
        block = slice(begin, begin + measure.at_once)
        here = targets[block]
        sides = logits[0][block], logits[1][block]
        scored = [n for n, token in enumerate(here) if token != UNSCORED]
        if len(scored) < len(here):
            sides = sides[0][scored], sides[1][scored]
        tokens = [here[n] for n in scored]
        yield len(here), measure.rows(sides, tokens) if tokens else []
