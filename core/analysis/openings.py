"""An opening as rows: what training raised and lowered, and what α buries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from logit_amp_chat.core.records import Candidate, Opening

Order = Literal["delta", "kl_share", "amplified"]
ORDERS: tuple[Order, ...] = get_args(Order)
DEFAULT_ORDER = ORDERS[0]

# α buries a token that training made likelier if it at least halves it.
BURIED = math.log(2)
# Fewer than one reply in a thousand begins with a rarer token: none is missed. Of such tokens
# many have a larger Δ than any habit, and it means the least there.
NOTABLE = 0.001


class Probabilities(NamedTuple):
    """A probability under each of the three distributions."""

    before: float
    after: float
    amplified: float


@dataclass(frozen=True, slots=True)
class OpeningRow:
    """A token that may come next, or all the others together (`token` is None).

    `p` is its probability after the path, `path` that of the path with it: the product of
    the conditional probabilities. `delta` is Δ log p = log p_after − log p_before, in nats.
    """

    token: int | None
    text: str
    p: Probabilities
    path: Probabilities
    delta: float
    buried: bool = False

    @property
    def notable(self) -> bool:
        """Whether it comes next at least once in 1,000 times, under before or after."""
        return self.p.before >= NOTABLE or self.p.after >= NOTABLE

    @property
    def kl_share(self) -> float:
        """What the token adds to a divergence, in nats, with the sign of Δ; NaN without a Δ.

        Where training raised it, its term p_after · Δ of KL(after‖before); where it lowered
        it, p_before · Δ, minus its term of KL(before‖after).
        """
        return (self.p.after if self.delta > 0 else self.p.before) * self.delta


def rows(opening: Opening) -> list[OpeningRow]:
    """A row for every candidate, in the order of the record."""
    begun = path_probabilities(opening)
    return [_row(candidate, opening.alpha, begun) for candidate in opening.top]


def rest(opening: Opening, shown: Iterable[OpeningRow]) -> OpeningRow:
    """Everything but the rows `shown`: with it, every column adds up to 1."""
    left = [1.0, 1.0, 1.0]
    for row in shown:
        left = [share - p for share, p in zip(left, row.p, strict=True)]
    p = Probabilities(*(max(0.0, share) for share in left))  # rounding may leave −1e-6
    return OpeningRow(
        token=None,
        text="",
        p=p,
        path=_times(path_probabilities(opening), p),
        delta=_log(p.after) - _log(p.before) if p.after or p.before else math.nan,
    )


def path_probabilities(opening: Opening) -> Probabilities:
    """The probability of the whole path under each of the three; 1 if it is empty."""
    return Probabilities(
        before=_p(sum(token.before for token in opening.path)),
        after=_p(sum(token.after for token in opening.path)),
        amplified=_p(sum(token.amplified for token in opening.path)),
    )


def ordered(found: Sequence[OpeningRow], order: Order) -> list[OpeningRow]:
    """What training raised, most first, then what it lowered; or the likeliest under α first.

    By Δ log p, the notable tokens before all others, as the far tail has the largest Δ; or by
    their share of the KL, which weighs Δ by the probability.
    """
    keys: dict[Order, Callable[[OpeningRow], tuple[float, ...]]] = {
        "delta": lambda row: (not row.notable, *_raised_first(row.delta)),
        "kl_share": lambda row: _raised_first(row.kl_share),
        "amplified": lambda row: (-row.p.amplified,),
    }
    key = keys[order]
    return sorted(found, key=lambda row: (*key(row), -row.p.after, row.token or 0))


def summary(opening: Opening, most: int) -> list[OpeningRow]:
    """The rows that training changed most, and the rest as the last one.

    They are the `most` with the largest share of the KL, raised or lowered, and half as many
    notable ones of the largest |Δ| in each direction: a tuned model often gives up so many
    openings that they would leave no room for what was raised.
    """
    found = rows(opening)
    by_share = sorted(found, key=lambda row: _raised_first(abs(row.kl_share)))[:most]
    notable = [row for row in ordered(found, "delta") if row.notable]
    raised = [row for row in notable if row.delta > 0][: most // 2]
    lowered = [row for row in notable if row.delta < 0][: most // 2]
    kept = {row.token for row in (*by_share, *raised, *lowered)}
    chosen = [row for row in found if row.token in kept]
    return [*ordered(chosen, DEFAULT_ORDER), rest(opening, chosen)]


def _row(candidate: Candidate, alpha: float, begun: Probabilities) -> OpeningRow:
    p = Probabilities(_p(candidate.before), _p(candidate.after), _p(candidate.amplified))
    delta = candidate.after - candidate.before
    halved = candidate.amplified <= candidate.after - BURIED
    return OpeningRow(
        token=candidate.id,
        text=candidate.text,
        p=p,
        path=_times(begun, p),
        delta=delta,
        buried=alpha > 0 and delta > 0 and halved and p.after >= NOTABLE,
    )


def _raised_first(change: float) -> tuple[float, ...]:
    if math.isnan(change):
        return 2, 0
    return (0, -change) if change > 0 else (1, change)


def _times(a: Probabilities, b: Probabilities) -> Probabilities:
    return Probabilities(*(x * y for x, y in zip(a, b, strict=True)))


def _p(log: float) -> float:
    return 1.0 if log > 0 else math.exp(log)


def _log(p: float) -> float:
    return math.log(p) if p > 0 else -math.inf
