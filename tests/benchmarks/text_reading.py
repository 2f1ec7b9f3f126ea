"""Reading a text under a pair, beside two bare forward passes over the same windows.

    python -m tests.benchmarks.text_reading [--shape smollm2-135m] [--tokens 8192] [--rounds 5]
    python -m tests.benchmarks.text_reading --memory

Without --shape the demo pair is measured. A bare pass is the model alone over a window, in the
pair's own weights: logits at every position, no cache, nothing measured. Rounds are interleaved.
With --memory the peak memory of a diff of 100,000 tokens above that of one of 4,000.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time

import torch

from logit_amp_chat.core.bench.random_pair import random_pair
from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.decoding.text_windows import WindowedText
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.experiments.diff import Diff, DiffSettings
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import prepare
from logit_amp_chat.core.reading import ReadBlock, ReadRequest, Recorded
from logit_amp_chat.core.records import PromptIds

NOTABLE = 8.0
"""A threshold that about one token in a hundred of random ones reaches or fewer."""


def engine(shape: str | None) -> LocalEngine:
    """The demo pair, or random weights of a shape in float32."""
    profile = load_profile("demo")
    if shape is None:
        return LocalEngine.open(profile)
    pair = random_pair(shape, torch.device("cpu"), torch.float32)
    prepare(pair)
    return LocalEngine.checked(profile, pair)


def content(size: int, tokens: int) -> Recorded:
    """Ids as a transcript would have them."""
    torch.manual_seed(0)
    ids = torch.randint(10, size - 10, (tokens,)).tolist()
    return Recorded(prompt=PromptIds((5,), (5,)), tokens=tuple(ids))


def read(reader: LocalEngine, asked: ReadRequest) -> float:
    """Seconds of a reading."""
    began = time.perf_counter()
    steps = 0
    for event in reader.read(asked):
        if isinstance(event, ReadBlock):
            steps += len(event.steps)
    assert isinstance(asked.content, Recorded)
    assert steps == len(asked.content.tokens)
    return time.perf_counter() - began


@torch.inference_mode()
def bare(reader: LocalEngine, asked: ReadRequest) -> float:
    """Seconds of both models alone over the same windows."""
    assert isinstance(asked.content, Recorded)
    ids = asked.content.tokens
    found = DocumentTokens(
        text="",
        prompt=asked.content.prompt,
        tokens=ids,
        offsets=((0, 0),) * len(ids),
        scored=(True,) * len(ids),
    )
    text = WindowedText.of(reader.pair, asked, found)
    began = time.perf_counter()
    for window in text.windows():
        row = torch.tensor([text.ids(window).after])
        for side in (reader.pair.before, reader.pair.after):
            side.model(input_ids=row, use_cache=False)
    return time.perf_counter() - began


def speed(shape: str | None, tokens: int, window: int, rounds: int) -> None:
    """Print the speed of a reading as a share of that of the bare passes."""
    reader = engine(shape)
    ids = content(reader.pair.size, tokens)
    asked = ReadRequest(document="d", content=ids, window=window, threshold=NOTABLE)
    read(reader, asked)
    bare(reader, asked)
    pairs = [(bare(reader, asked), read(reader, asked)) for _ in range(rounds)]
    shares = [alone / whole for alone, whole in pairs]
    whole = statistics.median(seconds for _, seconds in pairs)
    print(
        f"{shape or 'demo'}, windows of {window}: {statistics.median(shares):.2f} of two bare"
        f" passes ({min(shares):.2f} to {max(shares):.2f}), {tokens / whole:,.0f} tokens/s"
    )


def peak() -> float:
    """The peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(tokens: int) -> None:
    """Print the peak memory of a long diff above that of a short one."""
    reader = engine(None)
    for count in (4_000, tokens):
        source = Source(name="ids", place="", line=1, content=content(reader.pair.size, count))
        diff = Diff(reader, [source], DiffSettings(threshold=NOTABLE, window=1024))
        for _ in diff:
            pass
        print(f"{diff.total.tokens:,} tokens: a peak of {peak():,.0f} MB")


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shape")
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    chosen = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads")
    if chosen.memory:
        memory(100_000)
    else:
        speed(chosen.shape, chosen.tokens, chosen.window, chosen.rounds)


if __name__ == "__main__":
    main()
