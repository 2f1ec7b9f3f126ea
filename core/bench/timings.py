"""What a benchmark times of an engine: steps of lanes, first tokens, next turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Event, Forget, Loading, Noticed
from logit_amp_chat.core.records import Finish, PromptIds, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.turn_ends import TurnEnds

ALPHA = 1.0
TOP = 10
PROMPT = 32
NO_ENDS = TurnEnds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The median over rounds, with minimum and maximum."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Rate:
        """The rate of a few measurements."""
        return cls(median=statistics.median(values), low=min(values), high=max(values))


@dataclass(frozen=True)
class Plan:
    """How much to measure: lanes, rounds, tokens per reply, tokens of the long history."""

    lanes: tuple[int, ...] = (1, 2, 3, 5, 8)
    rounds: int = 3
    tokens: int = 32
    history: int = 512


def long_prompt(context: int, plan: Plan) -> int:
    """Tokens of the long prompt that fit a context. Raises LogitAmpError if it is too short."""
    history = min(plan.history, context - plan.tokens - 2 * PROMPT)
    if history < 4 * PROMPT:
        raise LogitAmpError(
            f"The context of {context:,} tokens is too short for this measurement.",
            "Use fewer --tokens.",
        )
    return history


def measures(
    engine: LocalEngine, plan: Plan, history: int, notices: list[str]
) -> list[Callable[[], float]]:
    """What is timed: a step with each number of lanes, a first token, two next turns."""
    sampling = Sampling(temperature=1.0, top_p=0.9, max_new_tokens=plan.tokens)
    steps = (partial(decoding, engine, lanes, sampling, notices) for lanes in plan.lanes)
    first = partial(first_token, engine, ids(engine.pair, history))
    return [*steps, first, *(partial(next_turn, engine, h) for h in (PROMPT, history))]


def rounds(
    count: int, measures: Sequence[Callable[[], float]], report: Callable[[Loading], None]
) -> Iterator[list[float]]:
    """Run every measure in turn, `count` times after a warm-up round."""
    total = (count + 1) * len(measures)
    for n in range(count + 1):
        row = []
        for i, one in enumerate(measures):
            done = n * len(measures) + i
            report(Loading(stage="measure", detail=f"round {n}", done=done, total=total))
            row.append(one())
        if n:
            yield row


def ids(pair: Pair, count: int, start: int = 0) -> tuple[int, ...]:
    """`count` usable token ids in no particular pattern."""
    valid = range(pair.size) if pair.valid is None else pair.valid.nonzero().flatten().tolist()
    return tuple(valid[(7919 * (start + n)) % len(valid)] for n in range(count))


def _decode(
    engine: LocalEngine, prompt: tuple[int, ...], lanes: int, sampling: Sampling
) -> Iterator[Event]:
    replies = [
        Reply(
            id=f"r{n}",
            parent=None,
            lane="",
            alpha=ALPHA,
            seed=0,
            turn=0,
            sampling=sampling,
            prompt=PromptIds(before=prompt, after=prompt),
            candidates=TOP,
        )
        for n in range(lanes)
    ]
    for batch in engine.decode(replies, turn_ends=NO_ENDS):
        for event in batch:
            if isinstance(event, Finish) and event.error is not None:
                raise LogitAmpError(
                    f"With --lanes {lanes} a reply broke off: {event.error}",
                    "Use other --lanes or fewer --tokens.",
                )
            yield event


def decoding(engine: LocalEngine, lanes: int, sampling: Sampling, notices: list[str]) -> float:
    """Seconds per step of `lanes` lanes, after the first step."""
    times = []
    for event in _decode(engine, ids(engine.pair, PROMPT), lanes, sampling):
        if isinstance(event, Step) and event.reply == "r0":
            times.append(time.perf_counter())
        elif isinstance(event, Noticed):
            notices.append(event.sentence)
    return (times[-1] - times[0]) / max(1, len(times) - 1)


def first_token(engine: LocalEngine, prompt: tuple[int, ...]) -> float:
    """Seconds to the first token of a new conversation."""
    engine.apply(Forget())
    began = time.perf_counter()
    list(_decode(engine, prompt, 1, Sampling(max_new_tokens=1)))
    return time.perf_counter() - began


def next_turn(engine: LocalEngine, history: int) -> float:
    """Seconds to the first token of a second turn of 16 tokens, after `history` tokens."""
    first_token(engine, ids(engine.pair, history))
    prompt = ids(engine.pair, history) + ids(engine.pair, 16, start=history)
    began = time.perf_counter()
    list(_decode(engine, prompt, 1, Sampling(max_new_tokens=1)))
    return time.perf_counter() - began
