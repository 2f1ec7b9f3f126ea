"""The loss of texts against α: means with standard errors, and whether the curve is convex.

The loss of a token t at α is −log p_α(t) in nats, with p_α ∝ p_after^{1+α} · p_before^{−α} over
all ids: no mask, temperature 1. Per token it is

    −(a_t + α · d_t) + log Σ_j exp(a_j + α · d_j)

with a = log p_after and d = log p_after − log p_before: linear in α plus a log-sum-exp of terms
that are linear in α, hence convex, as is every mean of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.records import Step

EPSILON = 2.0**-23
"""The spacing of fp32 numbers at 1."""

ROUNDINGS = 16
"""How many spacings of the largest terms a log-probability may be off; some 10 were found."""

SUM_OF_EXPS = 16.0
"""What adding up 256,000 exponentials contributes, as if it were the size of a term, in nats."""


@dataclass(frozen=True, slots=True)
class DocumentLoss:
    """A text that was read: its scored tokens, and their summed loss in nats at every α."""

    source: str
    place: str
    tokens: int
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LossRow:
    """The loss at one α: nats per token, over all tokens alike.

    `difference` is the loss minus that at α = 0. The standard errors are over documents, NaN
    where there is only one of them, or where the loss is infinite.
    """

    alpha: float
    loss: float
    error: float
    difference: float
    difference_error: float

    @property
    def perplexity(self) -> float:
        """exp of the loss."""
        return math.exp(self.loss) if self.loss < 709 else math.inf


@dataclass
class LossSums:
    """Sums over the scored tokens of a text at every α, in nats; two of them add up.

    `sizes` are the sums of |a_t + α·d_t| + |log Z| + |α·d_t| + |log p|, the terms whose rounding
    the loss has. `one_sided` counts positions where one side rules out an id that the other
    allows.
    """

    alphas: tuple[float, ...]
    tokens: int = 0
    one_sided: int = 0
    losses: np.ndarray[tuple[int], np.dtype[np.float64]] = field(init=False)
    sizes: np.ndarray[tuple[int], np.dtype[np.float64]] = field(init=False)

    def __post_init__(self) -> None:
        self.losses, self.sizes = np.zeros(len(self.alphas)), np.zeros(len(self.alphas))

    def add(self, steps: Sequence[Step], logps: Sequence[Sequence[float]]) -> None:
        """Add tokens: their steps at α = −1, and their log-probabilities at every α.

        Raises LogitAmpError where one of these is no number.
        """
        if not steps:
            return
        logp, alphas = np.array(logps, dtype=np.float64), np.array(self.alphas)
        if np.isnan(logp).any():
            place, column = np.argwhere(np.isnan(logp))[0]
            raise LogitAmpError(
                f"At α {signed(self.alphas[column])} the log-probability of scored token"
                f" {steps[place].index + 1:,} is no number: the numbers leave fp32's range.",
                "Choose an α closer to 0.",
            )
        before = np.array([[step.logp.before] for step in steps])
        after = np.array([[step.logp.after] for step in steps])
        with np.errstate(invalid="ignore"):
            moved = alphas * (after - before)
            mixed = after + moved
            size = abs(mixed) + abs(mixed - logp) + abs(moved) + abs(logp)
        self.tokens += len(steps)
        # KL(after‖before), and at α = −1 KL(before‖after).
        self.one_sided += sum(math.isinf(s.kl) or math.isinf(s.kl_amplified) for s in steps)
        self.losses -= logp.sum(axis=0)
        self.sizes += np.nan_to_num(size, nan=0.0, posinf=0.0).sum(axis=0)

    def merge(self, other: LossSums) -> None:
        """Add another text's sums, of the same αs."""
        self.tokens += other.tokens
        self.one_sided += other.one_sided
        self.losses += other.losses
        self.sizes += other.sizes

    def check_convex(self) -> None:
        """Raises LogitAmpError where the mean loss is no convex function of α, beyond rounding.

        The αs are in rising order. Between neighbours α₀ < α₁ < α₂ a convex loss L has
        L(α₁) ≤ w·L(α₀) + (1−w)·L(α₂), with w = (α₂−α₁)/(α₂−α₀): its second difference is not
        negative, on any grid. That holds for whatever fp32 numbers a and d are, so what is
        allowed is the rounding after them alone: of a_j + α·d_j, of log Z, and of their
        difference. It grows with |α|·|d| as `sizes` do, and is at most
        ROUNDINGS · EPSILON · (size + SUM_OF_EXPS) a token, at each of the three αs.

        Where one side rules out an id that the other allows, `mix` gives it a bounded boost for
        α ≥ 0 or α ≤ −1, and rules it out elsewhere: then the loss may jump at −1 and at 0, and
        is convex on either side.
        """
        if not self.tokens:
            return
        means = self.losses / self.tokens
        allowed = ROUNDINGS * EPSILON * (self.sizes / self.tokens + SUM_OF_EXPS)
        for n in range(1, len(self.alphas) - 1):
            low, here, high = self.alphas[n - 1 : n + 2]
            apart = self.one_sided and len({_piece(a) for a in (low, here, high)}) > 1
            if apart or not (math.isfinite(means[n - 1]) and math.isfinite(means[n + 1])):
                continue
            w = (high - here) / (high - low)
            excess = means[n] - (w * means[n - 1] + (1 - w) * means[n + 1])
            limit = allowed[n] + w * allowed[n - 1] + (1 - w) * allowed[n + 1]
            if excess > limit:
                raise _not_convex((low, here, high), excess, limit)


def loss_rows(
    alphas: Sequence[float], asked: Sequence[float], documents: Sequence[DocumentLoss]
) -> list[LossRow]:
    """A row for every α of `asked`; `alphas`, those of the documents' losses, have 0 among them."""
    tokens = [document.tokens for document in documents]
    zero = alphas.index(0.0)
    rows = []
    for alpha in asked:
        place = alphas.index(alpha)
        losses = [document.losses[place] for document in documents]
        moved = [_difference(d.losses[place], d.losses[zero]) for d in documents]
        rows.append(LossRow(alpha, *ratio(losses, tokens), *ratio(moved, tokens)))
    return rows


def minimum(rows: Sequence[LossRow]) -> LossRow | None:
    """The row with the smallest loss; None where no loss is finite."""
    finite = [row for row in rows if math.isfinite(row.loss)]
    return min(finite, key=lambda row: row.loss, default=None)


def ratio(sums: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """R = Σy / Σm over documents, and its standard error over them.

    The texts are a sample of documents of unequal length, so the mean over tokens is a ratio
    estimator (Cochran, Sampling Techniques, 3rd edition, 1977, section 2.11):

        SE(R)² = n/(n−1) · Σᵢ (yᵢ − R·mᵢ)² / (Σᵢ mᵢ)²

    which is also the cluster-robust variance of a mean with documents as clusters (Liang and
    Zeger 1986) and that small-sample factor. NaN for fewer than two documents.
    """
    total, number = sum(counts), len(counts)
    mean = math.fsum(sums) / total if total else math.nan
    if number < 2 or not math.isfinite(mean):
        return mean, math.nan
    squares = math.fsum((y - mean * m) ** 2 for y, m in zip(sums, counts, strict=True))
    return mean, math.sqrt(number / (number - 1) * squares) / total


def _difference(loss: float, zero: float) -> float:
    """Their difference; NaN where both are infinite."""
    return loss - zero if math.isfinite(loss) or math.isfinite(zero) else math.nan


def _piece(alpha: float) -> int:
    """Which side of the αs where the loss may jump: up to −1, between, from 0 on."""
    return 0 if alpha <= -1 else 1 if alpha < 0 else 2


def _not_convex(alphas: Sequence[float], excess: float, limit: float) -> LogitAmpError:
    low, here, high = map(signed, alphas)
    return LogitAmpError(
        f"The loss is not convex in α, as it has to be: at α {here} it is {excess:.3g} nats above"
        f" the line between α {low} and α {high}, and rounding explains {limit:.2g}."
        " The numbers are wrong, so there is no curve.",
        "Try dtype float32 in the profile, and report it with the profile and the text.",
    )
