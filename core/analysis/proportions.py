"""Limits of proportions of replies, and of means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy import special, stats

LEVEL = 0.95
"""The coverage that all limits aim at."""


def wilson(hits: int, replies: int) -> tuple[float, float]:
    """95 % limits of a rate, from `hits` among independent `replies` (Wilson 1927).

    0 and 1 without replies. Raises ValueError where there are more hits than replies.
    """
    if not replies:
        return 0.0, 1.0
    found = stats.binomtest(hits, replies).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def clopper_pearson(hits: int, replies: int, level: float) -> tuple[float, float]:
    """Limits of a rate that hold it in `level` at least (Clopper and Pearson 1934).

    Raises ValueError without replies, and where there are more hits than replies.
    """
    found = stats.binomtest(hits, replies).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def effective_wilson(rate: float, error: float, degrees: float) -> tuple[float, float]:
    """95 % limits of a rate that was estimated with a standard error.

    Wilson's limits of as many plain replies as would have this error, rate·(1 − rate)/error²,
    with the quantile of Student's t at `degrees` of freedom in place of the normal one. They
    lie in [0, 1], and are `rate` where the error is 0, or too small to be told from it.
    """
    if 1 - error == 1:
        return rate, rate
    # A rate next to 0 or 1, with an error that reaches beyond, says nothing of the size.
    inside = min(max(rate, min(error, 0.5)), max(1 - error, 0.5))
    square = student(degrees) ** 2 * error**2 / (inside * (1 - inside))
    kept = 1 / (1 + square)
    middle = kept * inside + (1 - kept) / 2
    half = math.sqrt(kept * (1 - kept) * inside * (1 - inside) + (1 - kept) ** 2 / 4)
    return max(0.0, min(middle - half, rate)), min(1.0, max(middle + half, rate))


def student(degrees: float) -> float:
    """The two-sided 95 % quantile of Student's t; at fewer than one degree, that of one."""
    return float(special.stdtrit(max(degrees, 1.0), (1 + LEVEL) / 2))


def no_hit_limit(replies: float) -> float:
    """The one-sided 95 % upper limit of a rate without a hit among independent replies.

    The rate at which that has a probability of 5 %: 1 − 0.05^(1/replies), and 1 without replies.
    """
    return -math.expm1(math.log1p(-LEVEL) / replies) if replies else 1.0


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % limits of a mean of independent values, by Student's t; infinite below two values."""
    if len(values) < 2:
        return -math.inf, math.inf
    middle, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    half = student(len(values) - 1) * error
    return middle - half, middle + half
