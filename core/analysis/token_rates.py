"""What does after say more? The rates of tokens under both sides, summed over texts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from logit_amp_chat.core.analysis.hunks import follows
from logit_amp_chat.core.reading import ReadBlock, TokenSums
from logit_amp_chat.core.records import Document, Step

if TYPE_CHECKING:
    import numpy

    Vector = numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]

PER = 1000
FALSE_DISCOVERIES = 0.05
"""The share of marks that may be wrong, on average."""

LEAST_MASS = 0.5
"""Tokens that neither side would say this often, in all texts together, are not tested."""

MOST_PAIRS = 200_000
"""Pairs of tokens that are held at once; those that matter least go."""


@dataclass(frozen=True, slots=True)
class TokenRate:
    """A token's expected occurrences per 1,000 scored positions under each side.

    `error` is the standard error of after − before over documents, NaN for one document;
    `marked` tokens differ, with at most 5 % of all marks wrong on average.
    """

    token: int
    before: float
    after: float
    error: float
    marked: bool

    @property
    def difference(self) -> float:
        """after − before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class PairRate:
    """A pair of neighbouring tokens that stands in the texts, `count` times.

    Where there are more than MOST_PAIRS, those that mattered least so far were forgotten: what is
    met again counts from then on.

    `before` and `after` are its second token's probability after what stands before, summed
    over where the pair stands, per 1,000 scored positions; `error` is as for a `TokenRate`.
    """

    first: int
    second: int
    count: int
    before: float
    after: float
    error: float

    @property
    def difference(self) -> float:
        """after − before."""
        return self.after - self.before


@dataclass
class _PairSums:
    count: int = 0
    before: float = 0.0
    after: float = 0.0
    squares: float = 0.0
    """Of each document's after − before."""
    products: float = 0.0
    """Of these with the document's positions."""


@dataclass
class TokenRates:
    """Adds up documents, in memory that does not grow with them."""

    documents: int = 0
    positions: int = 0
    _squared_positions: int = 0
    _sums: list[Vector] = field(default_factory=list)
    """before, after, squares of after − before, and its products with the positions."""
    _pairs: dict[tuple[int, int], _PairSums] = field(default_factory=dict)
    _here: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    _last: Step | None = None
    _document: Document | None = None

    def take(self, event: Document | ReadBlock | TokenSums) -> None:
        """Add the next event of a reading; a document counts with its TokenSums."""
        match event:
            case Document():
                self._here, self._last, self._document = {}, None, event
            case ReadBlock():
                self._observe(event.steps)
            case TokenSums():
                self._add(event)

    def tokens(self) -> list[TokenRate]:
        """Every token that some side would say, from the most raised to the most lowered."""
        import numpy

        if not self._sums or not self.positions:
            return []
        before, after, squares, products = self._sums
        difference = after - before
        errors = self._errors(difference, squares, products)
        marked = _discoveries(difference, errors, before + after, self.documents, self.positions)
        scale = PER / self.positions
        order = numpy.argsort(-difference, kind="stable")
        return [
            TokenRate(
                int(token),
                float(before[token] * scale),
                float(after[token] * scale),
                float(errors[token] * PER),
                bool(marked[token]),
            )
            for token in order
            if before[token] or after[token]
        ]

    def pairs(self) -> list[PairRate]:
        """The pairs that stand in the texts, from the most raised to the most lowered."""
        import numpy

        keys, sums = list(self._pairs), list(self._pairs.values())
        if not sums or not self.positions:
            return []
        errors = self._errors(
            numpy.array([one.after - one.before for one in sums]),
            numpy.array([one.squares for one in sums]),
            numpy.array([one.products for one in sums]),
        )
        scale = PER / self.positions
        found = [
            PairRate(*key, one.count, one.before * scale, one.after * scale, float(error) * PER)
            for key, one, error in zip(keys, sums, errors, strict=True)
        ]
        return sorted(found, key=lambda pair: -pair.difference)

    def _errors(self, total: Vector, squares: Vector, products: Vector) -> Vector:
        """Standard errors of total / positions over documents, per position.

        That of a ratio estimate (Cochran 1977, Sampling Techniques, chapter 6, without a finite
        population): with x_d of n_d positions and r = Σx/Σn,

            SE² = D/(D−1) · Σ_d (x_d − r·n_d)² / (Σn)²
        """
        import numpy

        if self.documents < 2:
            return numpy.full_like(total, math.nan)
        rate = total / self.positions
        spread = squares - 2 * rate * products + rate**2 * self._squared_positions
        factor = self.documents / (self.documents - 1)
        found: Vector = numpy.sqrt(factor * spread.clip(min=0)) / self.positions
        return found

    def _add(self, sums: TokenSums) -> None:
        import numpy

        if not sums.positions:
            return
        n, difference = sums.positions, sums.after - sums.before
        added = (sums.before, sums.after, difference**2, difference * n)
        if not self._sums:
            self._sums = [numpy.zeros_like(sums.before) for _ in added]
        for total, one in zip(self._sums, added, strict=True):
            total += one
        self.documents += 1
        self.positions += n
        self._squared_positions += n * n
        for key, (count, before, after) in self._here.items():
            pair = self._pairs.setdefault(key, _PairSums())
            pair.count += int(count)
            pair.before += before
            pair.after += after
            pair.squares += (after - before) ** 2
            pair.products += (after - before) * n
        self._here = {}
        self._prune()

    def _observe(self, steps: Iterable[Step]) -> None:
        assert self._document is not None
        for step in steps:
            if self._last is not None and follows(self._document, step.index):
                sums = self._here.setdefault((self._last.token, step.token), [0, 0.0, 0.0])
                sums[0] += 1
                sums[1] += math.exp(step.logp.before)
                sums[2] += math.exp(step.logp.after)
            self._last = step

    def _prune(self) -> None:
        if len(self._pairs) > MOST_PAIRS:
            order = sorted(self._pairs.items(), key=lambda item: -_weight(item[1]))
            self._pairs = dict(order[: MOST_PAIRS // 2])


def _weight(pair: _PairSums) -> float:
    return abs(pair.after - pair.before)


def _discoveries(
    difference: Vector, errors: Vector, mass: Vector, documents: int, positions: int
) -> numpy.ndarray[tuple[int], numpy.dtype[numpy.bool_]]:
    """Which differences are marked: t tests over documents, and Benjamini and Yekutieli (2001).

    Theirs holds the false-discovery rate however the tests depend on each other; the
    probabilities of tokens do, since they add up to 1.
    """
    import numpy
    from scipy import stats

    marked = numpy.zeros(len(difference), dtype=bool)
    tested = numpy.flatnonzero((mass / 2 >= LEAST_MASS) & (errors > 0))
    if documents < 2 or not len(tested):
        return marked
    t = difference[tested] / positions / errors[tested]
    p = 2 * stats.t.sf(numpy.abs(t), df=documents - 1)
    marked[tested] = stats.false_discovery_control(p, method="by") <= FALSE_DISCOVERIES
    return marked
