"""Tokens a second, the time to the first one, and replies of a sweep: vLLM against `local`.

    python -m tests.benchmarks.vllm [--profile demo] [--lanes 1,8,32] [--rounds 3]

Needs what `./setup.sh vllm` makes. The engines take turns, with one thread each for a tiny pair.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.samples import Draw, SampledReply, SamplePrompt, SampleRequest

QUESTION = (Message(id="m", parent=None, role="user", text="Tell me about penguins."),)
REPLIES, AT_ONCE = 64, 32
GRID = (-1.0, 0.0, 1.0, 2.0)


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


def sweeping(engine: LocalEngine, profile: Profile) -> float:
    """Replies a second."""
    draws = tuple(
        Draw(reply=f"r{n}", prompt=0, alpha=GRID[n % len(GRID)], seed=n) for n in range(REPLIES)
    )
    asked = SampleRequest(
        prompts=(SamplePrompt(messages=QUESTION),),
        draws=draws,
        sampling=profile.sampling,
        grid=GRID,
        rows=AT_ONCE,
    )
    began = time.perf_counter()
    done = sum(isinstance(event, SampledReply) for event in engine.sample(asked))
    return done / (time.perf_counter() - began)


def figures(profile: Profile, lanes: list[int], rounds: int) -> Iterator[str]:
    """A row for each measurement: the median of each engine."""
    engines = {
        "local": LocalEngine.open(profile),
        "vllm": VllmEngine.open(profile.model_copy(update={"engine": "vllm"})),
    }

    def medians(measure: Callable[[LocalEngine], float]) -> str:
        found: dict[str, list[float]] = {name: [] for name in engines}
        for turn in range(rounds + 1):
            for name, engine in engines.items():
                value = measure(engine)
                if turn:  # the first one warms up
                    found[name].append(value)
        return " | ".join(f"{statistics.median(values):,.1f}" for values in found.values())

    yield "| | local | vLLM |\n| --- | --- | --- |"
    for count in lanes:
        rate = medians(lambda engine, n=count: decoding(engine, profile, n)[0])  # type: ignore[misc]
        yield f"| tokens a second, {count} lanes | {rate} |"
    yield f"| first token, prefix cached, ms | {medians(lambda e: decoding(e, profile, 1)[1])} |"
    yield f"| replies a second, {AT_ONCE} at once | {medians(lambda e: sweeping(e, profile))} |"
    for engine in engines.values():
        engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--lanes", default="1,8,32")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    lanes = [int(part) for part in given.lanes.split(",")]
    for line in figures(load_profile(given.profile), lanes, given.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
