"""Decoding speed beside transformers' own guided generation, in one run.

    python -m tests.benchmarks.throughput [--pair demo|smollm2-135m] [--rounds N]

The peer is `generate()` of the after model with
UnbatchedClassifierFreeGuidanceLogitsProcessor(1 + α, before). Rounds of ours
and theirs take turns, and ratios are medians over rounds: the machine may be
noisy, a ratio is less so. Ours records every statistic and top-10 candidates.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    UnbatchedClassifierFreeGuidanceLogitsProcessor,
)

from core.engine import Engine
from core.events import Forget, Lane, Prefill, Request
from core.profile import Profile, load_profile
from core.records import Message, Sampling, Step
from tests.models import tiny_tokenizer

ALPHA = 1.0
QUESTION = "Tell me about otters"


def random_pair(folder: Path) -> Profile:
    """Two random models of SmolLM2-135M's shape (their end of turn never comes)."""
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=None,
        bos_token_id=None,
        pad_token_id=0,
    )
    for seed, name in enumerate(("before", "after")):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder / name)
        tokenizer = tiny_tokenizer()
        # The head has 49,152 rows; name them all, so that none is masked.
        tokenizer.add_tokens([f"word{n}" for n in range(49152 - len(tokenizer))])
        tokenizer.save_pretrained(folder / name)
    return Profile.model_validate(
        {
            "name": "smollm2-135m",
            "title": "random weights of SmolLM2-135M's shape",
            "before": {"model": str(folder / "before")},
            "after": {"model": str(folder / "after")},
            "dtype": "float32",
            "device": "cpu",
        }
    )


def request(lanes: int, tokens: int, text: str = QUESTION, history: int = 0) -> Request:
    """`lanes` lanes that never stop early, after `history` words."""
    message = Message(id="m0", parent=None, role="user", text=" a" * history + text)
    return Request(
        messages=(message,),
        lanes=tuple(Lane(reply=f"r{n}", name="", alpha=ALPHA) for n in range(lanes)),
        sampling=Sampling(temperature=1.0, top_p=0.9, max_new_tokens=tokens),
    )


def ours(engine: Engine, lanes: int, tokens: int) -> float:
    """Seconds a token of all lanes."""
    began = time.perf_counter()
    count = 0
    for event in engine.generate(request(lanes, tokens)):
        count += isinstance(event, Step) and event.reply == "r0"
    return (time.perf_counter() - began) / max(1, count)


def plain_models(profile: Profile) -> tuple[Any, Any]:
    """(before, after) as transformers loads them."""
    dtype = torch.bfloat16 if profile.dtype == "bfloat16" else torch.float32
    sides = (profile.before, profile.after)
    before, after = (AutoModelForCausalLM.from_pretrained(s.model, dtype=dtype) for s in sides)
    return before, after


def theirs(engine: Engine, models: tuple[Any, Any], tokens: int) -> float:
    """Seconds a token of transformers' guided generation."""
    before, after = models
    prompt = engine._chat.prompts(request(1, 1).messages, raw=False).after
    ids = torch.tensor([prompt])
    guidance = UnbatchedClassifierFreeGuidanceLogitsProcessor(
        1 + ALPHA, before, unconditional_ids=ids
    )
    began = time.perf_counter()
    out = after.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=1.0,
        top_p=0.9,
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        logits_processor=LogitsProcessorList([guidance]),
        pad_token_id=0,
    )
    seconds = time.perf_counter() - began
    return seconds / int(out.shape[1] - len(prompt))


def next_turn(engine: Engine, history: int) -> tuple[float, int]:
    """(seconds to the first token, tokens read) of a second turn after `history` words."""
    engine.apply(Forget())
    first = request(1, 4, history=history)
    list(engine.generate(first))
    said = Message(id="m1", parent="m0", role="assistant", text="fine")
    asked = Message(id="m2", parent="m1", role="user", text=QUESTION)
    second = Request(
        messages=(*first.messages, said, asked), lanes=first.lanes, sampling=first.sampling
    )
    began = time.perf_counter()
    read = 0
    for event in engine.generate(second):
        if isinstance(event, Prefill):
            read = event.total
        if isinstance(event, Step):
            break
    return time.perf_counter() - began, read


def endless(engine: Engine) -> None:
    """Replies go on to their length: the same number of tokens on every side."""
    object.__setattr__(engine.pair, "end_of_turn", frozenset())


def rounds(count: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Every measure `count` times, taking turns; one round before does not count."""
    for measure in measures:
        measure()
    taken = [[m() for m in measures] for _ in range(count)]
    return [list(column) for column in zip(*taken, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pair", choices=["demo", "smollm2-135m"], default="demo")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: as the engine chooses")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        demo = args.pair == "demo"
        profile = load_profile("demo") if demo else random_pair(Path(folder))
        profile = profile.model_copy(update={"dtype": args.dtype})
        models = plain_models(profile)
        engine = Engine.open(profile)
        endless(engine)
        if args.threads:
            torch.set_num_threads(args.threads)
        tokens = args.tokens or (128 if demo else 24)
        one, three, peer = rounds(
            args.rounds,
            lambda: ours(engine, 1, tokens),
            lambda: ours(engine, 3, tokens),
            lambda: theirs(engine, models, tokens),
        )
        turns: dict[int, list[float]] = {h: [] for h in (40, 400)}
        for history in turns:
            next_turn(engine, history)
        for _ in range(3 * args.rounds):
            for history, seconds in turns.items():
                seconds.append(next_turn(engine, history)[0])
    report(args.pair, one, three, peer, turns)


def report(pair: str, one: list[float], three: list[float], peer: list[float], turns: Any) -> None:
    """A line a figure, on stdout."""

    def ratio(a: list[float], b: list[float], times: float = 1.0) -> str:
        values = sorted(times * x / y for x, y in zip(a, b, strict=True))
        return f"{statistics.median(values):.2f} ({values[0]:.2f} to {values[-1]:.2f})"

    write = sys.stdout.write
    write(f"{pair}, {torch.get_num_threads()} threads, {len(one)} rounds\n")
    write(f"transformers CFG generate   {1 / statistics.median(peer):8.1f} tok/s\n")
    write(f"one lane                    {1 / statistics.median(one):8.1f} tok/s\n")
    write(f"three lanes                 {3 / statistics.median(three):8.1f} tok/s\n")
    write(f"one lane against it         {ratio(peer, one)}\n")
    write(f"three lanes against 3 runs  {ratio(peer, three, 3.0)}\n")
    (short, a), (long, b) = turns.items()
    write(f"next turn, {long // short}x history     {ratio(b, a)} times the time\n")


if __name__ == "__main__":
    main()
