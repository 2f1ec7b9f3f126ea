"""Reads a text under the stages of a chain, one or more at a time, and measures the memory.

Run with a folder and how many stages are held; prints JSON. In a process of its own, as memory
that other tests have freed would be used again unseen.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.stage_engine import StageEngine
from logit_amp_chat.core.reading import PlainText, StageReadRequest
from tests.chains import NAMES, chain, three_stages
from tests.models import tiny_tokenizer

TEXT = PlainText(text="Otters eat fish and crabs. " * 20)


def large_stages(folder: Path) -> Profile:
    """Three random models of 110 MB, with a head for 16,384 tokens."""
    config = LlamaConfig(
        vocab_size=16_384,
        hidden_size=512,
        intermediate_size=2048,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=2,
        eos_token_id=4,
    )
    for seed, name in enumerate(NAMES):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder / name)
        tiny_tokenizer().save_pretrained(folder / name)
    return chain({name: {"model": str(folder / name)} for name in NAMES})


def anonymous() -> int:
    """Bytes of this process that are no pages of files, which give way where memory is needed."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@contextlib.contextmanager
def watched(peak: list[int]) -> Iterator[None]:
    """Append the most memory that was taken meanwhile."""
    most, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most[0] = max(most[0], anonymous())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        peak.append(most[0])


def read_all(engine: StageEngine, held: int) -> None:
    """Read the text under all stages."""
    for n in range(0, len(NAMES), held):
        request = StageReadRequest(document="d", content=TEXT, stages=NAMES[n : n + held])
        for _ in engine.read_stages(request):
            pass


def main(folder: Path, held: int) -> None:
    """Print what was announced, the peak, and what is left at the end, in bytes."""
    torch.set_num_threads(1)
    with StageEngine.open(three_stages(folder / "tiny")) as tiny:
        read_all(tiny, len(NAMES))  # what libraries take for themselves on first use
    profile = large_stages(folder)
    start = anonymous()
    engine = StageEngine.open(profile)
    engine.store.room = engine.store.needed(NAMES[:held]).total
    found = engine.held()
    peak: list[int] = []
    with watched(peak):
        read_all(engine, held)
        read_all(engine, held)
    engine.close()
    print(
        json.dumps(
            {
                "held": found,
                "announced": engine.store.room,
                "peak": peak[0] - start,
                "left": anonymous() - start,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
