"""What a sweep over a chain found as one flat table, for CSV and data frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from logit_amp_chat.core.experiments.sweep import table
from logit_amp_chat.core.experiments.sweep.chain.result import ChainBehaviour, ChainResult
from logit_amp_chat.core.number_format import finite

SEEN = ("replies", "hits", "seen", "seen_low", "seen_high")
ESTIMATE = ("rate", "low", "high", "error", "effective_size", "pairs")
SHOWN = ("shown_low", "shown_high")
STAGES = ("behaviour", "prompt", "stage", *SEEN, *ESTIMATE, *SHOWN)
STEPS = (
    *("behaviour", "before", "after", "difference", "low", "high", *SHOWN),
    *("ratio", "ratio_low", "ratio_high", "came_in", "sure"),
)
COLUMNS = tuple(dict.fromkeys(("row", "pair", *STAGES, *STEPS, *table.COLUMNS)))
"""Of all rows; what a kind of row does not have is None."""


def stage_rows(found: ChainBehaviour, *, by_prompt: bool) -> Iterator[dict[str, Any]]:
    """A row for every stage, of all prompts as "" and then of each."""
    parts = [("", found.stages)]
    parts += [(part.prompt.id, part.stages) for part in found.by_prompt if by_prompt]
    for prompt, stages in parts:
        for one in stages:
            row: dict[str, Any] = dict.fromkeys(STAGES)
            row |= {"behaviour": found.name, "prompt": prompt, "stage": one.stage}
            seen = one.seen
            figures = (seen.replies, seen.hits, seen.rate, finite(seen.low), finite(seen.high))
            row |= dict(zip(SEEN, figures, strict=True))
            if one.estimate is not None:
                row |= {name: getattr(one.estimate, name) for name in ESTIMATE}
                row |= {"low": finite(one.estimate.low), "high": finite(one.estimate.high)}
                row |= dict(zip(SHOWN, map(finite, one.estimate.shown), strict=True))
            yield row


def step_rows(found: ChainBehaviour) -> Iterator[dict[str, Any]]:
    """A row for every step of training."""
    for step in found.steps:
        change = step.change
        ratios = ("ratio_low", "ratio_high")
        yield {
            "behaviour": found.name,
            "before": step.before,
            "after": step.after,
            "difference": change.difference,
            "low": finite(change.low),
            "high": finite(change.high),
            **dict(zip(SHOWN, map(finite, change.shown), strict=True)),
            "ratio": change.ratio,
            **{
                name: None if (value := getattr(change, name)) is None else finite(value)
                for name in ratios
            },
            "came_in": step is found.came_in,
            "sure": change.is_sure,
        }


def rows(result: ChainResult, *, by_prompt: bool) -> Iterator[dict[str, Any]]:
    """Rows of kind `stage` and `step`, then the rows of the sweep of every pair."""
    empty = dict.fromkeys(COLUMNS)
    for found in result.behaviours:
        for stage in stage_rows(found, by_prompt=by_prompt):
            yield empty | {"row": "stage"} | stage
        for step in step_rows(found):
            yield empty | {"row": "step"} | step
    for one in result.pairs:
        for row in table.rows(one.counted.result, by_prompt=by_prompt):
            yield empty | {"pair": one.place.name} | row
