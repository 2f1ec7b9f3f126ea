"""Tells how far opening is, from whichever process of vLLM's, in a file that the asker reads."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator

from torch import Tensor

from logit_amp_chat.core.system.vllm_environment import PROGRESS

SECONDS = 0.2


def tell(stage: str, detail: str, done: int = 0) -> None:
    """Say what is being done now; `done` counts bytes."""
    if path := os.environ.get(PROGRESS):
        with open(path, "a") as file:  # noqa: PTH123 - a line at once, from several processes
            file.write(json.dumps([stage, detail, done]) + "\n")


def told(weights: Iterable[tuple[str, Tensor]], side: str) -> Iterator[tuple[str, Tensor]]:
    """The same weights, told of as they are read; those named after before are its own."""
    done, told_at = {"before": 0, "after": 0}, 0.0
    for name, weight in weights:
        its = "before" if name.startswith("before.") else side
        done[its] += weight.nbytes
        if time.monotonic() >= told_at + SECONDS:
            told_at = time.monotonic()
            tell("weights", its, done[its])
        yield name, weight
    tell("warm-up", "vLLM")
