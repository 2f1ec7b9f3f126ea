"""The result of a sweep over a chain as JSON: a contract that scripts read, of version 1."""

from __future__ import annotations

from typing import Any

from logit_amp_chat.core.experiments.sweep import result_json
from logit_amp_chat.core.experiments.sweep.chain.result import ChainBehaviour, ChainResult
from logit_amp_chat.core.experiments.sweep.chain.table import stage_rows, step_rows

VERSION = 1


def as_json(result: ChainResult) -> dict[str, Any]:
    """The stages and steps of every behaviour, and every pair as its own sweep has it.

    `low` and `high` are 95 % limits, None where there is none.
    """
    return {
        "version": VERSION,
        "stages": list(result.stages),
        "over": result.over,
        "complete": result.complete,
        "lacking": [place.name for place in result.lacking],
        "notes": list(result.notes),
        "behaviours": {found.name: _behaviour(found) for found in result.behaviours},
        "pairs": {
            one.place.name: {"before": one.place.before, "after": one.place.after}
            | result_json.as_json(one.counted.result)
            for one in result.pairs
        },
    }


def _behaviour(found: ChainBehaviour) -> dict[str, Any]:
    stages = list(stage_rows(found, by_prompt=True))
    warnings = {one.stage: one.estimate.warnings for one in found.stages if one.estimate}
    return {
        "kind": found.kind,
        "definition": dict(found.definition),
        "came_in": found.came_in.after if found.came_in else None,
        "stages": [
            _without(row, "behaviour", "prompt")
            | {"warnings": list(warnings.get(row["stage"], ()))}
            for row in stages
            if not row["prompt"]
        ],
        "steps": [_without(row, "behaviour", "came_in") for row in step_rows(found)],
        "by_prompt": [_without(row, "behaviour") for row in stages if row["prompt"]],
    }


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
