"""The error of a weighted sum over replies, as deviations of what is independent in them."""

from __future__ import annotations

import math

import numpy as np

from logit_amp_chat.core.analysis.balance_weights import Floats, Grid, Ints, WeightedReplies

LEAST_DEGREES = 2
"""Its quantile, 4.3, is next to what a single count needs: Poisson's upper limit is 1 + 4.6."""

DEPENDENT = 1e-8
"""A control, or the rest of a unit's leverage, that is a smaller part is rounding."""

SEEN = 3
"""Standard errors within which the sum of a control, or the mean weight, is what it has to be."""

NOTHING = 1e-100
"""A weight that is none: squares of less are 0."""


def degrees_of(deviations: Floats) -> float:
    """Student's degrees of freedom of an error that is made of these."""
    return max(effective_size_of(deviations**2) - 1, LEAST_DEGREES)


def regressed(deviations: Floats, controls: Grid, totals: Floats) -> tuple[Floats, Floats]:
    """Coefficients of the controls (C,) that leave the least error, and what is left (U,).

    `deviations` (U,) and `controls` (U, C) are those of units, `totals` (C,) the sums of the
    controls. Each unit's rest is over one less its leverage, as without it in the fit: the
    jackknife's error, HC3 of MacKinnon and White (1985). Rests as they are understate the error
    where few units are hits.
    """
    units, sizes, axes = np.linalg.svd(controls, full_matrices=False)
    # The controls add up to 0 with the shares of their αs: one of them depends on the others.
    kept = sizes > DEPENDENT * sizes[0]
    # Where a sum is not 0 within its error, replies that matter for it were not drawn.
    kept &= np.abs(axes @ totals) <= SEEN * sizes
    units, sizes, axes = units[:, kept], sizes[kept], axes[kept]
    slopes: Floats = (units.T @ deviations / sizes) @ axes
    leverage = (units**2).sum(axis=1)
    rest: Floats = (deviations - controls @ slopes) / np.maximum(1 - leverage, DEPENDENT)
    return slopes, rest


def within_strata(terms: Grid, replies: WeightedReplies) -> Grid:
    """What each independent unit adds to Σ terms beyond its strata's means: (U, C) of (R, C).

    The sum of squares is the variance of Σ terms. A stratum of one reply has no known mean: its
    term stays whole, which makes the variance larger on average, never smaller.
    """
    counts = np.bincount(replies.stratum)
    means = group_sums(terms, replies.stratum) / counts[:, None]
    means[counts == 1] = 0
    scale = np.sqrt(counts / np.maximum(counts - 1, 1))
    return group_sums((terms - means[replies.stratum]) * scale[replies.stratum, None], replies.unit)


def group_sums(terms: Grid, group: Ints) -> Grid:
    """Sums over groups numbered from 0: (G, C) of (R, C)."""
    sums = np.zeros((int(group.max()) + 1, terms.shape[1]))
    np.add.at(sums, group, terms)
    return sums


def error_of(deviations: Floats) -> float:
    """The standard error that is made of these."""
    return math.sqrt(float(deviations @ deviations))


def effective_size_of(weights: Floats) -> float:
    """(Σw)²/Σw²: as many equal weights would vary as much; 0 where all are 0."""
    most = float(np.abs(weights).max())
    if most < NOTHING:
        return 0.0
    scaled = weights / most
    return float(scaled.sum() ** 2 / (scaled @ scaled))
