"""Reads tokens that are there, and has them measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from logit_amp_chat.core.decoding.given_tokens import MeasuredBlock, Measures, measured_blocks
from logit_amp_chat.core.decoding.grid_log_probs import rows_at_once
from logit_amp_chat.core.decoding.pair_runner import PairRunner, prefill_chunk
from logit_amp_chat.core.decoding.text_measure import FEWEST_ROWS, TextMeasure
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import PromptIds

if TYPE_CHECKING:
    import numpy

# Bytes of one side's fp32 logits that one pass over a text computes.
PASS_BYTES = 1 << 26


@dataclass(frozen=True)
class GivenText:
    """What both sides read, and the tokens after the last of these ids, one for each.

    The last target follows the last id, so that it is not read; targets may be `UNSCORED`.
    """

    ids: PromptIds
    targets: tuple[int, ...]

    @property
    def prompt(self) -> tuple[int, ...]:
        """What after reads before the first target."""
        return self.ids.after[: len(self.ids.after) - len(self.targets) + 1]


class GivenReader(Protocol):
    """Reads the texts of one request, whose measuring it was made with."""

    def read(self, texts: Iterable[GivenText]) -> Iterator[MeasuredBlock]:
        """The blocks of the texts in order; one without positions is a sign of life."""

    def sums(self) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]:
        """Those of `TextMeasure` (2, V), where they are wanted."""


class LocalReader:
    """Reads in forward passes of a runner's, whose caches are neither used nor changed."""

    def __init__(self, runner: PairRunner, measures: Measures, chunk: int) -> None:
        """`chunk` is how many tokens a pass reads."""
        self._runner, self._measures, self._chunk = runner, measures, chunk

    def read(self, texts: Iterable[GivenText]) -> Iterator[MeasuredBlock]:
        """See `GivenReader`."""
        for number, text in enumerate(texts):
            measure, targets = self._measures.of(text.prompt), text.targets
            for logits in self._runner.read(text.ids, len(targets), self._chunk):
                here, targets = targets[: len(logits[0])], targets[len(logits[0]) :]
                for positions, rows in measured_blocks(measure, logits, here):
                    yield MeasuredBlock(number, positions, rows)

    def sums(self) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]:
        """See `GivenReader`."""
        assert isinstance(self._measures, TextMeasure)
        sums: numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]
        sums = self._measures.sums.cpu().numpy()
        return sums


def reading_sizes(pair: Pair) -> tuple[int, int]:
    """How many tokens one pass reads of a text, and how many rows of logits it measures at once."""
    in_a_pass = max(prefill_chunk(pair.device), PASS_BYTES // (4 * pair.size))
    return in_a_pass, rows_at_once(pair, FEWEST_ROWS)
