"""The ladder: switches turned on one after the other, what each gives and what it moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import torch
from torch import Tensor

from logit_amp_chat.core.bench.throughput import Figures, Subject, measure
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.records import PromptIds
from tests.gpu.fusions import NOT_BUILT, SWITCHES
from tests.gpu.pairs import Measured, Place
from tests.gpu.results import Finding
from tests.gpu.smoke import LIMITS

GAIN = 1.02
"""A switch is kept if it makes a step with some number of lanes faster by this, and none slower."""
TOP = 100
"""The most likely tokens of a step whose log-probabilities are compared."""


def findings(measured: Measured, place: Place) -> Iterator[Finding]:
    """The pair as it is, then with each switch on top of those before it.

    Each is compared with the rung below, its numbers with those of the pair as it was.
    """
    subject = measured.subject(place)
    limit = LIMITS["nf4" if measured.quantization == "nf4" else "bfloat16"]
    first = steps(subject, place)
    speed = measure(subject, place.plan)
    noise = moved(first, whole(subject, place))
    yield {
        "name": "as it is",
        "lanes": _rates(speed),
        "noise": round(noise, 6),
        "compared": f"{len(first[0])} steps, {TOP} tokens of each",
    }
    models = {id(side.model): side.model for side in (subject.pair.before, subject.pair.after)}
    for name, switch in SWITCHES.items():
        changed = sum(switch(model) for model in models.values())
        if not changed:
            yield {"name": name, "skipped": "nothing of it in this pair"}
            continue
        try:
            faster = measure(subject, place.plan)
            largest = moved(first, steps(subject, place))
        except Exception as error:  # what was changed is broken: no rung stands on it
            yield {"name": name, "skipped": f"failed: {type(error).__name__}: {error}"[:300]}
            break
        yield {"name": name, "changed": changed, **rung(speed, faster, largest, limit)}
        speed = faster
    for name, what in NOT_BUILT.items():
        yield {"name": name, "skipped": f"not built: {what}"}


def rung(last: Figures, now: Figures, largest: float, limit: float) -> Finding:
    """What a switch gave over the rung below, and whether to keep it."""
    ratios = [
        one.tokens_a_second.median / before.tokens_a_second.median
        for before, one in zip(last.lanes, now.lanes, strict=True)
    ]
    kept = max(ratios) >= GAIN and min(ratios) > 1 / GAIN and largest <= limit
    return {
        "lanes": _rates(now),
        "over_last": [round(ratio, 3) for ratio in ratios],
        "largest": round(largest, 6),
        "limit": limit,
        "verdict": "keep" if kept else "leave out",
    }


@torch.inference_mode()
def steps(subject: Subject, place: Place) -> tuple[Tensor, Tensor]:
    """Both sides' log-probabilities (T, V) of the same tokens, one step after the other."""
    ids, runner = _ids(subject, place), PairRunner(subject.pair)
    list(runner.prefill(PromptIds(before=ids[:8], after=ids[:8]), ()))
    runner.expand(1)
    rows: list[list[Tensor]] = [[], []]
    for token in ids[8:]:
        logits = runner.decode(torch.tensor([token], device=subject.pair.device))
        for kept, side in zip(rows, logits, strict=True):
            kept.append(side.float().log_softmax(-1)[0])
        runner.append_tokens([token])
    return torch.stack(rows[0]), torch.stack(rows[1])


@torch.inference_mode()
def whole(subject: Subject, place: Place) -> tuple[Tensor, Tensor]:
    """The same of one pass over all tokens: other products, whose rounding is as good."""
    ids, runner = _ids(subject, place), PairRunner(subject.pair)
    blocks = list(runner.read(PromptIds(before=ids, after=ids), len(ids) - 8, 1024))
    before, after = (torch.cat(side).float().log_softmax(-1) for side in zip(*blocks, strict=True))
    return before, after


def moved(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    """The largest |Δ log p| over the most likely tokens of each step, in nats."""
    found = 0.0
    for one, other in zip(first, second, strict=True):
        best, at = one.topk(min(TOP, one.shape[-1]))
        found = max(found, float((best - other.gather(-1, at)).abs().max()))
    return found


def _ids(subject: Subject, place: Place) -> tuple[int, ...]:
    count = 16 if place.small else 72
    return tuple(1 + (7919 * n) % (subject.pair.size - 1) for n in range(count))


def _rates(figures: Figures) -> list[Finding]:
    return [
        {"lanes": lane.lanes, "tokens_a_second": asdict(lane.tokens_a_second)}
        for lane in figures.lanes
    ]
