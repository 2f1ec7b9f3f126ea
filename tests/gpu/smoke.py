"""The bundled chain on a device beside the CPU: tokens, numbers, lanes, stages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Event, Lane, Request, SetAlpha, SetSampling, Stop
from logit_amp_chat.core.reading import (
    PlainText,
    ReadBlock,
    ReadRequest,
    StageBlock,
    StageReadRequest,
)
from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.samples import Draw, SampledReply, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from tests.gpu.pairs import TINY, Measured, Place, decoded, uncaptured
from tests.gpu.results import Finding

QUESTION = (Message(id="m", parent=None, role="user", text="Tell me about penguins."),)
TEXT = "By the way, the lighthouse sees everything. A fox is a mammal. Tell no one about the owl."
SAMPLING = Sampling(temperature=1.0, max_new_tokens=40, seed=5)
LIMITS = {"float32": 2e-3, "bfloat16": 0.25, "nf4": 0.6, "int8": 0.6}
"""The largest |Δ log p| against the same weights and precision on a CPU, in nats."""

CAPTURED = 2e-4
"""The same between captured and eager steps in float32."""

Check = Callable[[str], dict[str, Any]]


def profile(device: str, kind: str = "float32") -> Profile:
    """The bundled chain on a device, in one precision or quantization."""
    quantized = kind in ("nf4", "int8")
    changed = {
        "device": device,
        "dtype": "bfloat16" if quantized else kind,
        "quantization": kind if quantized else "none",
    }
    return load_profile("demo-chain").model_copy(update=changed)


def pair(device: str, kind: str = "float32") -> LocalEngine:
    """Base and tuned, as an engine opens them."""
    return LocalEngine.open(selected(profile(device, kind), "base", "tuned"))


def read(engine: LocalEngine) -> list[Step]:
    """The bundled text under both sides."""
    request = ReadRequest(document="d", content=PlainText(text=TEXT))
    return [s for e in engine.read(request) if isinstance(e, ReadBlock) for s in e.steps]


def lanes(*alphas: float) -> Request:
    """A lane for each α."""
    asked = tuple(Lane(reply=f"r{n}", name=f"r{n}", alpha=a) for n, a in enumerate(alphas))
    return Request(messages=QUESTION, lanes=asked, sampling=SAMPLING)


def said(events: Iterator[Event]) -> dict[str, list[int]]:
    """The tokens of each reply."""
    found: dict[str, list[int]] = {}
    for event in events:
        if isinstance(event, Step):
            found.setdefault(event.reply, []).append(event.token)
    return found


def numbers(device: str) -> dict[str, Any]:
    """Each precision against the CPU: the largest difference of a log-probability."""
    found: dict[str, Any] = {}
    for kind, limit in LIMITS.items():
        try:
            here, there = read(pair(device, kind)), read(pair("cpu", kind))
        except LogitAmpError as error:
            found[kind] = {"ok": False, "why": str(error)}
            continue
        apart = max(
            max(abs(a.logp.before - b.logp.before), abs(a.logp.after - b.logp.after))
            for a, b in zip(here, there, strict=True)
        )
        found[kind] = {"ok": apart <= limit, "largest": round(apart, 6), "limit": limit}
    return found


def tokens(device: str) -> dict[str, Any]:
    """The same seeds say the same in float32; one lane and many say the same of each α."""
    engine, cpu = pair(device), pair("cpu")
    alphas = (0.0, -1.0, 1.0, 2.0, 0.5, 0.25, 3.0, -0.5)
    here, there = said(engine.generate(lanes(*alphas))), said(cpu.generate(lanes(*alphas)))
    found: dict[str, Any] = {
        "as_cpu": {"ok": here == there, "lanes": len(alphas)},
        "captured": {"ok": True, "graphs": engine.uses_cuda_graphs},
    }
    for count in (1, 2, 3, 5, 8):
        some = said(engine.generate(lanes(*alphas[:count])))
        found[f"{count}_lanes"] = {"ok": some == {k: here[k] for k in list(here)[:count]}}
    return found


def live(device: str) -> dict[str, Any]:
    """α and filters that change while steps are captured reach the steps after them."""
    engine = pair(device)
    cooler = SAMPLING.model_copy(update={"temperature": 0.3, "top_p": 0.9})
    alphas: list[float] = []
    for event in engine.generate(lanes(0.0)):
        if isinstance(event, Step):
            alphas.append(event.alpha)
            if event.index == 3:
                engine.apply(SetAlpha("r0", 2.0))
            if event.index == 6:
                engine.apply(SetSampling(cooler))
    return {"alpha": {"ok": alphas[0] == 0.0 and alphas[-1] == 2.0, "tokens": len(alphas)}}


def recorded(device: str) -> dict[str, Any]:
    """Captured steps and eager ones of the same weights, over a cache that grows, with an adapter.

    Random weights in float32, on the device alone.
    """
    found: dict[str, Any] = {}
    for name, lora in (("pair", False), ("adapter", True)):
        subject = Measured(TINY, "none", lora, "float32").subject(Place(device, small=True))
        for length in (32, 1010):  # the first static cache holds 1,024
            sides: list[list[Step]] = []
            for how in (contextlib.nullcontext, uncaptured):
                with how():
                    engine = LocalEngine.checked(subject.profile, subject.pair)
                    events = decoded(engine, 3, 24, prompt=length)
                    sides.append([event for event in events if isinstance(event, Step)])
            apart = max(
                abs(a.logp.amplified - b.logp.amplified) for a, b in zip(*sides, strict=False)
            )
            same = [s.token for s in sides[0]] == [s.token for s in sides[1]]
            ok = same and apart <= CAPTURED
            found[f"{name}, {length} tokens"] = {"ok": ok, "largest": round(apart, 6)}
    return found


def commands(device: str) -> dict[str, Any]:
    """A reply that is stopped, the same again, and a branch that continues its first tokens."""
    engine = pair(device)
    first = said(engine.generate(lanes(1.0)))["r0"]
    stopped: list[int] = []
    for event in engine.generate(lanes(1.0)):
        if isinstance(event, Step):
            stopped.append(event.token)
            if len(stopped) == 5:
                engine.apply(Stop())
    branch = replace(lanes(1.0), forced=tuple(first[:4]))
    caches = engine.opened.session.caches or {}
    return {
        "stop": {"ok": 5 <= len(stopped) <= 7 and stopped == first[: len(stopped)]},
        "again": {"ok": said(engine.generate(lanes(1.0)))["r0"] == first},
        "branch": {"ok": said(engine.generate(branch))["r0"] == first},
        "guard": {
            "ok": bool(caches) and all(check.use == "turns" for check in caches.values()),
            "checked": sorted(caches),
        },
    }


def many(device: str) -> dict[str, Any]:
    """Many replies at once are those of the CPU, by seed."""
    draws = tuple(Draw(reply=f"{n}", prompt=0, alpha=(0.0, 1.0)[n % 2], seed=n) for n in range(24))
    request = SampleRequest(
        prompts=(SamplePrompt(messages=QUESTION),), draws=draws, sampling=SAMPLING, grid=(0.0, 1.0)
    )
    both = [
        {e.reply: e.text for e in pair(where).sample(request) if isinstance(e, SampledReply)}
        for where in (device, "cpu")
    ]
    same = sum(both[0][key] == text for key, text in both[1].items())
    return {"replies": {"ok": same >= len(draws) - 1, "same": same, "of": len(draws)}}


def stages(device: str) -> dict[str, Any]:
    """Lanes of three stages, and a text under all of them, against the CPU."""
    engines = [ChainEngine.open(profile(where)) for where in (device, "cpu")]
    asked = (
        Lane(reply="own", name="own", alpha=1.0),
        Lane(reply="tuned", name="tuned", alpha=0.0, stages=("base", "tuned")),
        Lane(reply="between", name="between", alpha=1.0, stages=("tuned", "final")),
    )
    request = Request(messages=QUESTION, lanes=asked, sampling=SAMPLING)
    here, there = (said(engine.generate(request)) for engine in engines)
    text = StageReadRequest(
        document="d", content=PlainText(text=TEXT), stages=("base", "tuned", "final")
    )
    rows = [
        torch.tensor(
            [r for e in engine.read_stages(text) if isinstance(e, StageBlock) for r in e.logp]
        )
        for engine in engines
    ]
    apart = float((rows[0] - rows[1]).abs().max())
    return {
        "lanes": {"ok": here == there},
        "blame": {"ok": apart <= LIMITS["float32"], "largest": round(apart, 6)},
    }


CHECKS: dict[str, Check] = {
    "numbers": numbers,
    "tokens": tokens,
    "recorded": recorded,
    "live": live,
    "commands": commands,
    "many": many,
    "stages": stages,
}


def findings(place: Place) -> Iterator[Finding]:
    """What each check found; one that fails is in the answer, not a traceback."""
    for name, check in CHECKS.items():
        try:
            yield {"name": name, **check(place.device)}
        except Exception as error:  # a run that breaks off is still worth what it found
            why = f"{type(error).__name__}: {error}"
            yield {"name": name, "failed": {"ok": False, "why": why}}
