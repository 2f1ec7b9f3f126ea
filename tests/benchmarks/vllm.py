"""Tokens a second, the time to the first one, replies of a sweep, reading: vLLM against `local`.

    python -m tests.benchmarks.vllm [--profile demo] [--lanes 1,8,32] [--rounds 3] [--parallel 2]

Needs what `./setup.sh vllm` makes. The engines take turns, with one thread each for a tiny pair;
`--parallel` adds one whose layers are spread over so many processes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.reading import PlainText, ReadBlock, ReadRequest
from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.samples import (
    Draw,
    Given,
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SamplePrompt,
    SampleRequest,
)

QUESTION = (Message(id="m", parent=None, role="user", text="Tell me about penguins."),)
REPLIES, AT_ONCE = 64, 32
GRID = (-1.0, 0.0, 1.0, 2.0)
TEXT = (Path(__file__).parents[2] / "README.md").read_text()[:30_000]


def decoding(engine: LocalEngine, profile: Profile, lanes: int) -> tuple[float, float]:
    """Tokens a second after the first ones, with every statistic; milliseconds until these."""
    asked = Request(
        messages=QUESTION,
        lanes=tuple(Lane(reply=f"r{n}", name="x", alpha=1.0, seed=n) for n in range(lanes)),
        sampling=profile.sampling,
    )
    began, first, last, tokens = time.perf_counter(), 0.0, 0.0, 0
    for event in engine.generate(asked):
        if isinstance(event, Step):
            last = time.perf_counter()
            first = first or last
            tokens += event.index > 0
    return tokens / (last - first), 1000 * (first - began)


def sample_request(profile: Profile) -> SampleRequest:
    """Many replies to one prompt."""
    draws = tuple(
        Draw(reply=f"r{n}", prompt=0, alpha=GRID[n % len(GRID)], seed=n) for n in range(REPLIES)
    )
    return SampleRequest(
        prompts=(SamplePrompt(messages=QUESTION),),
        draws=draws,
        sampling=profile.sampling,
        grid=GRID,
        rows=AT_ONCE,
    )


def sweeping(engine: LocalEngine, profile: Profile) -> float:
    """Replies a second."""
    asked = sample_request(profile)
    began = time.perf_counter()
    done = sum(isinstance(event, SampledReply) for event in engine.sample(asked))
    return done / (time.perf_counter() - began)


def rescoring(engine: LocalEngine, asked: RescoreRequest) -> float:
    """Replies a second that are measured anew."""
    began = time.perf_counter()
    done = sum(isinstance(event, Rescored) for event in engine.rescore(asked))
    return done / (time.perf_counter() - began)


def rescore_request(engine: LocalEngine, profile: Profile) -> RescoreRequest:
    """The replies of a sweep, sampled by `engine`, to be measured anew."""
    asked = sample_request(profile)
    events = list(engine.sample(asked))
    (prompt,) = (event for event in events if isinstance(event, PromptRead))
    said = (event for event in events if isinstance(event, SampledReply))
    replies = tuple(Given(reply=r.reply, ids=prompt.ids, tokens=r.tokens) for r in said)
    return RescoreRequest(replies=replies, sampling=asked.sampling, grid=GRID)


def reading(engine: LocalEngine, window: int | None) -> float:
    """Tokens a second of a text whose every token is measured."""
    asked = ReadRequest(document="d", content=PlainText(text=TEXT), window=window)
    began = time.perf_counter()
    blocks = [event for event in engine.read(asked) if isinstance(event, ReadBlock)]
    return sum(len(block.steps) for block in blocks) / (time.perf_counter() - began)


def opened(profile: Profile, parallel: int) -> dict[str, LocalEngine]:
    """The engines that are compared."""
    engines: dict[str, LocalEngine] = {"local": LocalEngine.open(profile)}
    for ranks in (1, parallel)[: 1 + (parallel > 1)]:
        settings = profile.vllm.model_copy(update={"tensor_parallel": ranks})
        changed = profile.model_copy(update={"engine": "vllm", "vllm": settings})
        engines["vLLM" if ranks == 1 else f"vLLM, {ranks} processes"] = VllmEngine.open(changed)
    return engines


def figures(profile: Profile, lanes: list[int], rounds: int, parallel: int) -> Iterator[str]:
    """A row for each measurement: the median of each engine."""
    engines = opened(profile, parallel)

    def medians(measure: Callable[[LocalEngine], float]) -> str:
        found: dict[str, list[float]] = {name: [] for name in engines}
        for turn in range(rounds + 1):
            for name, engine in engines.items():
                value = measure(engine)
                if turn:  # the first one warms up
                    found[name].append(value)
        return " | ".join(f"{statistics.median(values):,.1f}" for values in found.values())

    yield f"| | {' | '.join(engines)} |\n|{' --- |' * (1 + len(engines))}"
    for count in lanes:
        rate = medians(lambda engine, n=count: decoding(engine, profile, n)[0])  # type: ignore[misc]
        yield f"| tokens a second, {count} lanes | {rate} |"
    yield f"| first token, prefix cached, ms | {medians(lambda e: decoding(e, profile, 1)[1])} |"
    yield f"| replies a second, {AT_ONCE} at once | {medians(lambda e: sweeping(e, profile))} |"
    again = rescore_request(engines["local"], profile)
    yield f"| replies measured anew a second | {medians(lambda e: rescoring(e, again))} |"
    for window in (None, 512):
        named = f"windows of {window}" if window else "the usual windows"
        rate = medians(lambda e, w=window: reading(e, w))  # type: ignore[misc]
        yield f"| tokens of a text a second, {named} | {rate} |"
    for engine in engines.values():
        engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--lanes", default="1,8,32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=1)
    given = parser.parse_args()
    lanes = [int(part) for part in given.lanes.split(",") if part]
    for line in figures(load_profile(given.profile), lanes, given.rounds, given.parallel):
        print(line, flush=True)


if __name__ == "__main__":
    main()
