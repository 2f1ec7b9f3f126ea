"""What a sweep found as one flat table, for CSV and data frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, Rate, SweepResult
from logit_amp_chat.core.number_format import finite

RATES = ("behaviour", "prompt", "alpha", "replies", "hits", "rate", "low", "high")
REPLIES = ("kl", "log_p_after", "length", "cut")
ESTIMATES = (
    *("error", "effective_size", "mean_weight", "mean_weight_error"),
    *("plain_equivalent", "unseen"),
)
COLUMNS = ("row", *RATES, *REPLIES, *ESTIMATES)
"""Of all rows; what a kind of row does not have is None."""


def rows(result: SweepResult, *, by_prompt: bool) -> Iterator[dict[str, Any]]:
    """A row of kind `replies` for every α, then of every behaviour `rate` and `estimate`.

    Rates are those seen at an α, estimates those of the model at an α, from all replies. With
    `by_prompt` rates of every prompt follow, and its estimate for the target.
    """
    for one in result.alphas:
        figures = {name: getattr(one, name) for name in REPLIES}
        yield _row("replies", alpha=one.alpha, replies=one.replies, **figures)
    for found in result.behaviours:
        for rate in rate_rows(found, by_prompt=by_prompt):
            yield _row("rate", **rate)
        for alpha, estimate in found.curve:
            yield _estimate(found.name, "", alpha, estimate)
        for part in found.by_prompt if by_prompt else ():
            if part.estimate is not None:
                target = result.settings.target
                yield _estimate(found.name, part.prompt.id, target, part.estimate)


def rate_rows(found: BehaviourResult, *, by_prompt: bool) -> Iterator[dict[str, Any]]:
    """The rates of a behaviour at every α, of all prompts as "" and then of each."""
    yield from _rates(found.name, "", found.rates)
    for part in found.by_prompt if by_prompt else ():
        yield from _rates(found.name, part.prompt.id, part.rates)


def _rates(name: str, prompt: str, rates: Sequence[Rate]) -> Iterator[dict[str, Any]]:
    for rate in rates:
        yield {
            "behaviour": name,
            "prompt": prompt,
            "alpha": rate.alpha,
            "replies": rate.replies,
            "hits": rate.hits,
            "rate": rate.rate,
            "low": finite(rate.low),
            "high": finite(rate.high),
        }


def _estimate(name: str, prompt: str, alpha: float, found: Estimate) -> dict[str, Any]:
    return _row(
        "estimate",
        behaviour=name,
        prompt=prompt,
        alpha=alpha,
        hits=found.hits,
        rate=found.rate,
        low=finite(found.low),
        high=finite(found.high),
        **{column: getattr(found, column) for column in ESTIMATES},
    )


def _row(kind: str, **cells: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {"row": kind} | cells
