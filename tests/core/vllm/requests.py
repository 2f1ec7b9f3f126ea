"""The requests that both engines are asked, and how their answers are compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from logit_amp_chat.core.protocol import Event, Lane, Request
from logit_amp_chat.core.records import Finish, Message, Step
from logit_amp_chat.core.samples import SampledReply
from logit_amp_chat.core.sampling import Sampling

ALPHAS = (-1.0, 0.0, 1.0, 2.0)
# What a number may differ by between two engines, and how far the best two scores must be apart
# for the token, or the order of candidates, to be the same for certain.
CLOSE, TIED = 2e-4, 1e-3

SAMPLINGS = {
    "greedy": Sampling(temperature=0.0, plausibility=0.0),
    "masked": Sampling(temperature=0.0, plausibility=0.1),
    "free": Sampling(temperature=1.0, plausibility=0.0, seed=7),
    "nucleus": Sampling(temperature=0.7, top_p=0.9, plausibility=0.01, seed=1),
    "top-k": Sampling(temperature=1.3, top_k=5, min_p=0.05, seed=2),
    "penalized": Sampling(temperature=0.7, repetition_penalty=1.3, dry_multiplier=0.8, seed=3),
    "ends": Sampling(temperature=1.0, ends="after", seed=4),
    "stopped": Sampling(temperature=1.0, stop=("e",), seed=5),
}


def say(text: str) -> tuple[Message, ...]:
    return (Message(id="m", parent=None, role="user", text=text),)


def request(sampling: Sampling, length: int, text: str = "otters", **changed: Any) -> Request:
    """A lane at every α."""
    lanes = tuple(Lane(reply=f"r{alpha:+}", name="x", alpha=alpha) for alpha in ALPHAS)
    own = sampling.model_copy(update={"max_new_tokens": length})
    asked = Request(messages=say(text), lanes=lanes, sampling=own, time=TIME)
    return replace(asked, **changed)


TIME = "2026-01-01T00:00:00+00:00"


def steps(events: Iterable[Event], reply: str) -> list[Step]:
    return [e for e in events if isinstance(e, Step) and e.reply == reply]


def finish(events: Iterable[Event], reply: str) -> tuple[Any, ...]:
    found = next(e for e in events if isinstance(e, Finish) and e.reply == reply)
    return found.reason, found.tokens, found.stop, found.error


def numbers(step: Step) -> list[float]:
    return [*asdict(step.logp).values(), step.kl, step.kl_amplified, step.entropy]


def compare(local: Sequence[Event], other: Sequence[Event], replies: Iterable[str]) -> None:
    """Assert that replies are the same, as far as rounding decides nothing."""
    for reply in replies:
        ours, theirs = steps(local, reply), steps(other, reply)
        for mine, its in zip(ours, theirs, strict=False):
            if mine.token != its.token:
                raise AssertionError(f"{reply} at {mine.index}: {mine.token} and {its.token}")
            assert (mine.index, mine.alpha, mine.text) == (its.index, its.alpha, its.text)
            for a, b in zip(numbers(mine), numbers(its), strict=True):
                assert abs(a - b) < CLOSE, f"{reply} at {mine.index}: {a} and {b}"
            compare_candidates(mine, its)
        assert len(ours) == len(theirs)
        assert finish(local, reply) == finish(other, reply)


def compare_candidates(mine: Step, its: Step) -> None:
    """The same candidates with the same numbers, and the same ranks, where nothing is tied."""
    left, right = ({c.id: c for c in step.top} for step in (mine, its))
    for token in left.keys() & right.keys():
        for side in ("before", "after", "amplified"):
            a, b = getattr(left[token], side), getattr(right[token], side)
            assert a == b or abs(a - b) < CLOSE
    for side in ("before", "after", "amplified"):
        scores = sorted((getattr(c, side) for c in mine.top), reverse=True)
        own = getattr(mine.logp, side)
        if sum(abs(score - own) < TIED for score in scores) == 1:  # only the token itself
            ours, theirs = getattr(mine.rank, side), getattr(its.rank, side)
            # Beyond the candidates an id may be as probable as the token.
            assert ours == theirs or min(ours, theirs) > len(mine.top) // 4
    assert len(left.keys() ^ right.keys()) <= 2, "only the last ones of a list may be tied"


def compare_samples(local: Sequence[Event], other: Sequence[Event]) -> None:
    """Assert that sampled replies are the same, in whatever order they ended."""
    ours, theirs = (
        {e.reply: e for e in events if isinstance(e, SampledReply)} for events in (local, other)
    )
    assert ours.keys() == theirs.keys() != set()
    for reply, mine in ours.items():
        its = theirs[reply]
        assert replace(its, log_probs=mine.log_probs, steps=mine.steps) == mine
        for name in ("before", "after", "kl"):
            assert getattr(its.log_probs, name) == pytest.approx(
                getattr(mine.log_probs, name), abs=CLOSE
            )
        for a, b in zip(mine.log_probs.q, its.log_probs.q, strict=True):
            assert b == pytest.approx(a, abs=CLOSE)
        for step, other_step in zip(mine.steps, its.steps, strict=True):
            assert numbers(other_step) == pytest.approx(numbers(step), abs=CLOSE)
