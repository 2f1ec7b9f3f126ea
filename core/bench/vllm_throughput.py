"""How fast vLLM computes a pair on this machine: lanes, a sweep's batch, and reading."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from logit_amp_chat.core.bench.timings import (
    ALPHA,
    NO_ENDS,
    PROMPT,
    Plan,
    Rate,
    ids,
    long_prompt,
    measures,
    rounds,
)
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.reading import ReadRequest, Recorded
from logit_amp_chat.core.records import Finish, Message, PromptIds
from logit_amp_chat.core.samples import Draw, SampledReply, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling

BATCH = 32
QUESTION = (Message(id="m", parent=None, role="user", text=""),)


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmFigures:
    """What `measure` found, in seconds and tokens per second.

    `lanes` are numbers of lanes with the tokens of all of them, `batch` replies of a sweep that
    are sampled at once. `reading` is a text of `prefill_tokens` whose every token is measured.
    """

    pair: str
    device: str
    dtype: str
    tensor_parallel: int
    versions: dict[str, str]
    cache_tokens: int
    lanes: tuple[tuple[int, Rate], ...]
    batch: int
    batch_tokens_a_second: Rate
    prefill_tokens: int
    prefill_tokens_a_second: Rate
    reading_tokens_a_second: Rate
    next_turn: tuple[tuple[int, Rate], ...]


def measure(
    profile: Profile, plan: Plan, report: Callable[[Loading], None] = lambda _: None
) -> VllmFigures:
    """Measure the pair of a profile in vLLM, in interleaved rounds. Raises LogitAmpError."""
    engine = VllmEngine.open(profile, report)
    try:
        return figures(engine, profile, plan, report)
    finally:
        engine.close()


def figures(
    engine: VllmEngine, profile: Profile, plan: Plan, report: Callable[[Loading], None]
) -> VllmFigures:
    """Measure an open engine. Raises LogitAmpError if the context is too short for `plan`."""
    history = long_prompt(engine.pair.context, plan)
    timed: list[Callable[[], float]] = [
        *measures(engine, plan, history, []),
        partial(_batch, engine, plan.tokens),
        partial(_reading, engine, history),
    ]
    columns = [list(column) for column in zip(*rounds(plan.rounds, timed, report), strict=True)]
    lanes, (first, *turns, batch, reading) = columns[: len(plan.lanes)], columns[len(plan.lanes) :]
    session, facts = engine.opened.session, engine.facts
    return VllmFigures(
        pair=profile.title,
        device=session.device,
        dtype=engine.pair.infos[1].dtype,
        tensor_parallel=profile.vllm.tensor_parallel,
        versions=facts["versions"],
        cache_tokens=facts["cache_tokens"],
        lanes=tuple(
            (n, Rate.of([n / s for s in seconds]))
            for n, seconds in zip(plan.lanes, lanes, strict=True)
        ),
        batch=BATCH,
        batch_tokens_a_second=Rate.of([BATCH * plan.tokens / s for s in batch]),
        prefill_tokens=history,
        prefill_tokens_a_second=Rate.of([history / s for s in first]),
        reading_tokens_a_second=Rate.of([(history - 1) / s for s in reading]),
        next_turn=tuple(
            (n, Rate.of(seconds)) for n, seconds in zip((PROMPT, history), turns, strict=True)
        ),
    )


def _batch(engine: VllmEngine, tokens: int) -> float:
    """Seconds to sample a batch of replies of `tokens` tokens."""
    prompt = ids(engine.pair, PROMPT)
    asked = SampleRequest(
        prompts=(SamplePrompt(messages=QUESTION, ids=PromptIds(prompt, prompt)),),
        draws=tuple(Draw(reply=f"r{n}", prompt=0, alpha=ALPHA, seed=n) for n in range(BATCH)),
        sampling=Sampling(temperature=1.0, top_p=0.9, max_new_tokens=tokens),
        rows=BATCH,
        turn_ends=NO_ENDS,
    )
    began = time.perf_counter()
    said = [event for event in engine.sample(asked) if isinstance(event, SampledReply)]
    assert sum(len(reply.tokens) for reply in said) == BATCH * tokens
    return time.perf_counter() - began


def _reading(engine: VllmEngine, length: int) -> float:
    """Seconds to measure all but the first of `length` tokens in one window."""
    first, *others = ids(engine.pair, length)
    content = Recorded(prompt=PromptIds((first,), (first,)), tokens=tuple(others))
    asked = ReadRequest(document="d", content=content, threshold=math.inf)
    began = time.perf_counter()
    (finish,) = (event for event in engine.read(asked) if isinstance(event, Finish))
    assert finish.tokens == length - 1
    return time.perf_counter() - began
