"""Sampling many replies at once, beside three other ways.

    python -m tests.benchmarks.sampling_rows [--shape smollm2-135m] [--rows 8 32 64] [--rounds 5]
    python -m tests.benchmarks.sampling_rows --growth

Without --shape the demo pair is measured, on four prompts and with its own ends of turn; replies of
a shape's random weights end with any of a set of ids, after some 30 tokens. Each share is the
median over interleaved rounds:

bare      two batched forward passes a token, of rows of equal length, that choose nothing;
          without the grid, and with the log-probabilities of six αs. In tokens a second: the same
          tokens, were every row always in use.
one       one reply after the other in a chat. In replies a second, with the grid.
generate  transformers' `generate` of as many rows with its guidance processor, batch after batch.
          In replies a second, with the grid.

With --growth the time of a token for rows and αs, and of choosing it by vocabulary. All times
are CPU time of one thread, which other processes on the machine change less than wall time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import dataclass, replace

import torch
from transformers import (
    LogitsProcessorList,
    UnbatchedClassifierFreeGuidanceLogitsProcessor,
)

from logit_amp_chat.core.bench.random_pair import random_pair
from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.decoding.reply_progress import AskedPrompt, ReplyProgress
from logit_amp_chat.core.decoding.row_chooser import RowChooser
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import prepare
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Message, PromptIds
from logit_amp_chat.core.samples import Draw, PromptRead, SampledReply, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling

QUESTIONS = (
    "Tell me about penguins.",
    "Tell me about owls.",
    "What is the capital of Japan?",
    "What is the weather like?",
)
GRID = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
ENDS_IN = 30
"""Tokens after which a reply of random weights ends, about."""
REPLIES = 15
"""Replies a row."""


@dataclass(frozen=True)
class Sampled:
    """What sampling gave: replies and tokens in so many seconds, and the prompts' lengths."""

    replies: int
    tokens: int
    seconds: float
    prompt: int


def opened(shape: str | None) -> LocalEngine:
    """The demo pair, or random weights of a shape in float32."""
    profile = load_profile("demo")
    if shape is None:
        return LocalEngine.open(profile)
    pair = random_pair(shape, torch.device("cpu"), torch.float32)
    generator = torch.Generator().manual_seed(0)
    ends = torch.randperm(pair.size, generator=generator)[: pair.size // ENDS_IN].tolist()
    pair = replace(pair, end_of_turn=frozenset(ends))
    prepare(pair)
    return LocalEngine.checked(profile, pair)


def request(count: int, rows: int, grid: tuple[float, ...], limit: int) -> SampleRequest:
    """`count` replies to the questions in turn, at the grid's αs in turn."""
    asked = tuple(
        SamplePrompt(messages=(Message(id="m", parent=None, role="user", text=text),))
        for text in QUESTIONS
    )
    drawn = tuple(
        Draw(reply=str(n), prompt=n % len(asked), alpha=GRID[n // len(asked) % 6], seed=n)
        for n in range(count)
    )
    sampling = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=limit)
    return SampleRequest(prompts=asked, draws=drawn, sampling=sampling, grid=grid, rows=rows)


def sample(engine: LocalEngine, asked: SampleRequest) -> Sampled:
    """Sample all replies."""
    began = time.process_time()
    events = list(engine.sample(asked))
    seconds = time.process_time() - began
    found = [event for event in events if isinstance(event, SampledReply)]
    prompts = [len(event.ids.after) for event in events if isinstance(event, PromptRead)]
    tokens = sum(len(one.tokens) for one in found)
    return Sampled(len(found), tokens, seconds, round(statistics.fmean(prompts)))


@torch.inference_mode()
def bare(engine: LocalEngine, rows: int, prompt: int, steps: int) -> float:
    """Tokens a second of two batched forward passes from a prompt's length on."""
    sides = (engine.pair.before, engine.pair.after)
    ids = torch.randint(10, engine.pair.size - 10, (rows, prompt))
    caches = [side.new_cache() for side in sides]
    for side, cache in zip(sides, caches, strict=True):
        side.logits(ids, cache, 1)
    began = time.process_time()
    for n in range(steps):
        for side, cache in zip(sides, caches, strict=True):
            side.logits(ids[:, :1], cache, 1, prompt + n)
    return rows * steps / (time.process_time() - began)


def alone(engine: LocalEngine, asked: SampleRequest, count: int) -> float:
    """Replies a second, one after the other."""
    began = time.process_time()
    for draw in asked.draws[:count]:
        lane = Lane(reply="r", name="amplified", alpha=draw.alpha, seed=draw.seed)
        messages = asked.prompts[draw.prompt].messages
        lanes = Request(messages=messages, lanes=(lane,), sampling=asked.sampling, top=0)
        for _ in engine.generate(lanes):
            pass
    return count / (time.process_time() - began)


@torch.inference_mode()
def generated(engine: LocalEngine, asked: SampleRequest, rows: int, count: int) -> float:
    """Replies a second of transformers' `generate`, in batches of `rows` at one α."""
    pair, began = engine.pair, time.process_time()
    limit = asked.sampling.max_new_tokens
    chat = ChatTemplate(pair.tokenizer, pair.template, (None, None))
    prompt = chat.prompts(asked.prompts[0].messages, raw=False).after
    ids = torch.tensor([prompt]).repeat(rows, 1)
    for _ in range(0, count, rows):
        guidance = UnbatchedClassifierFreeGuidanceLogitsProcessor(
            2.0, pair.before.model, unconditional_ids=ids.clone()
        )
        pair.after.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            logits_processor=LogitsProcessorList([guidance]),
            do_sample=True,
            top_k=0,
            max_new_tokens=limit,
            eos_token_id=sorted(pair.end_of_turn),
            pad_token_id=0,
        )
    return len(range(0, count, rows)) * rows / (time.process_time() - began)


def compare(engine: LocalEngine, rows: int, rounds: int, limit: int, slow: bool) -> None:
    """Print the shares at this number of rows."""
    count = min(960, REPLIES * rows)
    plain, grid = (request(count, rows, wanted, limit) for wanted in ((), GRID))
    shares: dict[str, list[float]] = {}
    sample(engine, grid)
    for _ in range(rounds):
        first = sample(engine, plain)
        length = max(2, first.tokens // first.replies)
        limit_of_pass = bare(engine, rows, first.prompt, length)
        second = sample(engine, grid)
        found = {
            "bare, no grid": first.tokens / first.seconds / limit_of_pass,
            "bare, grid of 6": second.tokens / second.seconds / limit_of_pass,
        }
        if slow:
            each = second.replies / second.seconds
            found["one after the other"] = each / alone(engine, grid, 12)
            found["generate"] = each / generated(engine, grid, rows, rows)
        for name, share in found.items():
            shares.setdefault(name, []).append(share)
    print(f"{rows} rows: {second.replies / second.seconds:.1f} replies/s of {length} tokens")
    for name, values in shares.items():
        print(f"  {name}: {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")


def growth(engine: LocalEngine, limit: int) -> None:
    """Print the time of a step for rows and αs."""
    for rows in (1, 8, 32, 64):
        for wanted in ((), GRID, GRID + tuple(3.0 + n for n in range(18))):
            found = sample(engine, request(4 * rows + 20, rows, wanted, limit))
            a_token = 1e6 * found.seconds / found.tokens
            print(f"{rows} rows, {len(wanted)} αs: {a_token:,.0f} µs a token")
    for size in (2048, 49_152, 151_936):
        for wanted in ((), GRID):
            a_token = 1e6 * choosing(engine, request(8, 8, wanted, 10_000), size)
            print(f"choosing from {size:,} tokens, {len(wanted)} αs: {a_token:,.0f} µs a token")


def choosing(engine: LocalEngine, asked: SampleRequest, size: int, steps: int = 10) -> float:
    """Seconds that choosing a token takes, for 8 rows over a vocabulary of this size."""
    pair = replace(engine.pair, size=size, valid=None, end_of_turn=frozenset(), next_turn=())
    chooser = RowChooser(pair, asked)
    prompt = AskedPrompt(PromptIds((5,), (5,)), (), 0, pair.turn_ends)
    replies = [ReplyProgress(draw, prompt) for draw in asked.draws]
    before = 3 * torch.randn(8, size)
    logits = before, before + torch.randn(8, size)
    chooser.advance(logits, replies)
    began = time.process_time()
    for _ in range(steps):
        chooser.advance(logits, replies)
    return (time.process_time() - began) / steps / 8


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shape")
    parser.add_argument("--rows", type=int, nargs="+", default=[8, 32, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="only the bare passes")
    parser.add_argument("--growth", action="store_true")
    chosen = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    engine = opened(chosen.shape)
    torch.set_num_threads(1)
    if chosen.growth:
        growth(engine, chosen.limit)
        return
    for rows in chosen.rows:
        compare(engine, rows, chosen.rounds, chosen.limit, not chosen.quick)


if __name__ == "__main__":
    main()
