"""The pairs that are measured: random weights in the shapes of known models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from logit_amp_chat.core.bench.random_pair import SHAPES, Shape
from logit_amp_chat.core.bench.throughput import Subject
from logit_amp_chat.core.bench.timings import Plan
from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.decoding.cuda_graphs.graph_stepper import SWITCH
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.records import PromptIds, Reply
from logit_amp_chat.core.sampling import Sampling

TINY = "tiny"
TINY_SHAPE = Shape(512, 64, 128, 2, 4, 2, 16, False)


@dataclass(frozen=True)
class Place:
    """Where steps run; `small`: with tiny shapes and few rounds, to walk through them."""

    device: str
    small: bool = False

    @property
    def plan(self) -> Plan:
        """How much is measured of a pair."""
        if self.small:
            return Plan(lanes=(1, 2), rounds=1, tokens=4, history=128)
        return Plan(lanes=(1, 3), rounds=3, tokens=32)


@dataclass(frozen=True)
class Measured:
    """A shape in a precision; with `lora` one model and an adapter on it."""

    shape: str
    quantization: str
    lora: bool = False
    dtype: str = "bfloat16"

    @property
    def title(self) -> str:
        """Its name in tables and of its steps."""
        kind = self.quantization if self.quantization != "none" else self.dtype
        return f"{self.shape} {kind}" + (" and an adapter" if self.lora else "")

    def profile(self, place: Place) -> Profile:
        """The settings under which it is opened."""
        changed = {
            "device": place.device,
            "dtype": self.dtype,
            "quantization": self.quantization,
            "trust_caches": True,  # random weights; `speed` has them checked
        }
        return load_profile("demo").model_copy(update=changed)

    def subject(self, place: Place, *, with_peer: bool = False) -> Subject:
        """The pair, made of random weights."""
        SHAPES.setdefault(TINY, TINY_SHAPE)
        shape = TINY if place.small else self.shape
        return Subject.random(shape, self.profile(place), with_peer, lora=self.lora)


@contextlib.contextmanager
def uncaptured() -> Iterator[None]:
    """Engines that are opened inside capture no steps."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before


def decoded(engine: LocalEngine, lanes: int, tokens: int, prompt: int = 32) -> Iterator[Event]:
    """The events of lanes at α = 1 after a prompt of some ids, which no end of turn ends."""
    ids = tuple(1 + n % (engine.pair.size - 1) for n in range(prompt))
    replies = [
        Reply(
            id=f"r{n}",
            parent=None,
            lane="amplified",
            alpha=1.0,
            seed=0,
            turn=0,
            sampling=Sampling(temperature=1.0, top_p=0.9, max_new_tokens=tokens),
            prompt=PromptIds(before=ids, after=ids),
            candidates=10,
        )
        for n in range(lanes)
    ]
    for batch in engine.decode(replies):
        yield from batch


LLAMA = Measured("llama-3.1-8b", "nf4")
ADAPTER = Measured("llama-3.1-8b", "nf4", lora=True)
QWEN = Measured("qwen3-4b", "none")
SMOLLM = Measured("smollm2-1.7b", "none")
