"""How fast a pair decodes: captured and eager, on one stream and two, beside transformers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import torch

from logit_amp_chat.core.bench.throughput import Subject, measure
from logit_amp_chat.core.bench.timings import Plan, Rate
from tests.gpu.pairs import Measured, Place, uncaptured
from tests.gpu.results import Finding


def findings(measured: Measured, place: Place) -> Iterator[Finding]:
    """Captured steps beside guided generate(), then the eager loop, then the bare one."""
    began = time.perf_counter()
    subject = measured.subject(place, with_peer=True)
    checked = replace(subject, profile=subject.profile.model_copy(update={"trust_caches": False}))
    yield {"name": "made", "seconds": round(time.perf_counter() - began, 1)}
    yield {"name": "captured", **asdict(measure(checked, place.plan))}
    yield {"name": "bare loop", **bare_loop(subject, place.plan)}
    with uncaptured():
        plan = replace(place.plan, rounds=min(2, place.plan.rounds))
        yield {"name": "eager", **asdict(measure(replace(subject, peer=None), plan))}


@torch.inference_mode()
def bare_loop(subject: Subject, plan: Plan) -> dict[str, Any]:
    """Two transformers models side by side, whose last logits are mixed for an argmax.

    Nothing is measured of a token: the least that a loop of one's own would do.
    """
    if subject.peer is None:
        return {"why": "The sides of an adapter pair are one model."}
    times = [_loop(subject.peer, plan.tokens) for _ in range(plan.rounds + 1)][1:]
    return {"lanes": 1, "tokens_a_second": asdict(Rate.of([1 / s for s in times]))}


def _loop(models: tuple[Any, Any], tokens: int) -> float:
    """Seconds a token, after a prompt of 32."""
    device = models[0].device
    last = torch.arange(32, device=device).unsqueeze(0)
    caches: list[Any] = [None, None]
    began = 0.0
    for n in range(tokens + 1):
        logits = []
        for side, model in enumerate(models):
            out = model(last, past_key_values=caches[side], use_cache=True, logits_to_keep=1)
            caches[side] = out.past_key_values
            logits.append(out.logits[:, -1].float().log_softmax(-1))
        last = (logits[1] + (logits[1] - logits[0])).argmax(-1, keepdim=True)
        last.tolist()  # the host reads each token, as one that prints it
        if n == 0:
            began = time.perf_counter()
    return (time.perf_counter() - began) / tokens
