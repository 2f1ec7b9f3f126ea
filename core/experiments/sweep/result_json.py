"""A sweep's result as JSON: a contract that scripts read, of version 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.experiments.sweep.labels import ErrorRates
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, Rate, SweepResult
from logit_amp_chat.core.experiments.sweep.wording import discovery
from logit_amp_chat.core.number_format import finite

VERSION = 1


def as_json(result: SweepResult) -> dict[str, Any]:
    """The result as JSON has it; `low` and `high` are 95 % limits, None where there is none."""
    settings = result.settings
    return {
        "version": VERSION,
        "profile": result.profile,
        "prompts": len(result.prompts),
        "alphas": list(settings.alphas),
        "samples": settings.samples,
        "plain": settings.samples_at(0.0),
        "sampling": (
            settings.sampling.model_dump() if result.published is None else dict(result.published)
        ),
        "coupled": settings.coupled,
        "amplify_first": settings.amplify_first,
        "over": result.over,
        "note": discovery(settings.target),
        "complete": result.complete,
        "no_estimate": result.no_estimate,
        "replies": [
            {
                "alpha": one.alpha,
                "replies": one.replies,
                "kl": None if one.kl is None else finite(one.kl),
                "log_p_after": None if one.log_p_after is None else finite(one.log_p_after),
                "length": one.length,
                "cut": one.cut,
            }
            for one in result.alphas
        ],
        "behaviours": {one.name: _behaviour(one, settings.target) for one in result.behaviours},
        "tokens": result.tokens,
        "seconds": round(result.seconds, 3),
    }


def _behaviour(found: BehaviourResult, target: float) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "definition": dict(found.definition),
        "refused": found.refused,
        "errors": _errors(found.errors),
        "rates": _rates(found.rates),
        "estimate": _estimate(found.estimate, target),
        "curve": [_estimate(one, alpha) for alpha, one in found.curve],
        "by_prompt": [
            {
                "prompt": one.prompt.id,
                "messages": [{"role": role, "content": text} for role, text in one.prompt.messages],
                "rates": _rates(one.rates),
                "estimate": _estimate(one.estimate, target),
            }
            for one in found.by_prompt
        ],
    }


def _errors(errors: ErrorRates | None) -> dict[str, Any] | None:
    """The errors of a judge, measured on replies that were marked by hand."""
    if errors is None:
        return None
    sides = {"false_positive": errors.false_positive, "false_negative": errors.false_negative}
    return {
        name: {"rate": finite(one.rate), "low": finite(one.low), "high": finite(one.high)}
        for name, one in sides.items()
    } | {"labelled": errors.labelled_hits + errors.labelled_others}


def _rates(rates: Sequence[Rate]) -> list[dict[str, Any]]:
    return [
        {
            "alpha": one.alpha,
            "replies": one.replies,
            "hits": one.hits,
            "rate": one.rate,
            "low": finite(one.low),
            "high": finite(one.high),
        }
        for one in rates
    ]


def _estimate(found: Estimate | None, target: float) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "target": target,
        "rate": found.rate,
        "low": finite(found.low),
        "high": finite(found.high),
        "error": found.error,
        "hits": found.hits,
        "effective_size": found.effective_size,
        "mean_weight": found.mean_weight,
        "mean_weight_error": found.mean_weight_error,
        "plain_equivalent": found.plain_equivalent,
        "unseen": found.unseen,
        "warnings": list(found.warnings),
    }
