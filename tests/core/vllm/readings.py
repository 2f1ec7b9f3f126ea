"""The texts that both engines read, and how their answers are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from logit_amp_chat.core.analysis.hunks import log_ratio
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.reading import Chat, PlainText, ReadBlock, ReadRequest, TokenSums
from logit_amp_chat.core.records import Document, Finish, Step
from logit_amp_chat.core.samples import Rescored
from tests.core.engine.sampling import messages
from tests.core.vllm.requests import CLOSE, TIED, compare_candidates, numbers

TEXT = "The quick brown fox, it says, lives in the dark wood. " * 6

READINGS: dict[str, dict[str, Any]] = {
    "one window": {"window": 200},
    "several windows": {"window": 24, "stride": 12},
    "a token a window": {"window": 9, "stride": 1},
    "candidates everywhere": {"everywhere": True, "top": 3, "alphas": (1.5,), "window": 40},
    "candidates where it differs": {"threshold": 0.3, "window": 40},
    "the usual threshold": {"threshold": None, "window": 40, "stride": 20},
    "further alphas": {"alphas": (2.0, -1.0, 0.0, 0.5), "window": 40},
    "ends as after has them": {"alphas": (2.0, 1.0), "ends": "after", "window": 40},
    "sums": {"sums": True, "window": 40, "alphas": (0.0, 1.0)},
    "what an assistant says": {
        "content": Chat(messages=messages("Otters?", "They eat fish.", "And now?", "They swim."))
    },
    "what a user says": {
        "content": Chat(messages=messages("Otters?", "They eat fish."), score="user")
    },
}


def reading(name: str, **options: Any) -> ReadRequest:
    content = PlainText(text=TEXT)
    usual: dict[str, Any] = {"document": "d", "content": content, "window": 100}
    return ReadRequest(**{**usual, **READINGS[name], **options})


def steps_of(events: Sequence[Event]) -> list[Step]:
    return [step for event in events if isinstance(event, ReadBlock) for step in event.steps]


def _further(events: Sequence[Event]) -> list[tuple[float, ...]]:
    return [more for event in events if isinstance(event, ReadBlock) for more in event.further]


def _of(events: Sequence[Event], kind: Any) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def compare_readings(local: Sequence[Event], other: Sequence[Event]) -> None:
    """Assert that a text was read as it is locally."""
    (mine,), (its,) = _of(local, Document), _of(other, Document)
    assert its.threshold == pytest.approx(mine.threshold, abs=0.011)
    assert replace(its, threshold=mine.threshold) == mine
    for one, another in zip(steps_of(local), steps_of(other), strict=True):
        assert (one.index, one.token, one.text, one.alpha) == (
            another.index,
            another.token,
            another.text,
            another.alpha,
        )
        assert numbers(another) == pytest.approx(numbers(one), abs=CLOSE)
        if bool(one.top) == bool(another.top):
            compare_candidates(one, another)
        else:
            assert abs(abs(log_ratio(one)) - mine.threshold) < TIED
    for left, right in zip(_further(local), _further(other), strict=True):
        assert right == pytest.approx(left, abs=CLOSE)
    for ours, theirs in zip(_of(local, TokenSums), _of(other, TokenSums), strict=True):
        assert ours.positions == theirs.positions
        for side in ("before", "after"):
            assert getattr(theirs, side) == pytest.approx(getattr(ours, side), abs=CLOSE)
    ends = [(e.reason, e.tokens) for events in (local, other) for e in _of(events, Finish)]
    assert ends[0] == ends[1] == ("length", len(steps_of(local)))
    done = [event.done for event in _of(other, ReadBlock)]
    assert done == sorted(done)
    assert done[-1] == _of(local, ReadBlock)[-1].done


def compare_rescored(local: Sequence[Event], other: Sequence[Event]) -> None:
    """Assert that replies have the numbers that they have locally, in the same order."""
    ours, theirs = _of(local, Rescored), _of(other, Rescored)
    assert [one.reply for one in theirs] == [one.reply for one in ours] != []
    for mine, its in zip(ours, theirs, strict=True):
        for name in ("before", "after", "kl"):
            found, expected = getattr(its.log_probs, name), getattr(mine.log_probs, name)
            assert found == pytest.approx(expected, abs=CLOSE)
        for a, b in zip(mine.log_probs.q, its.log_probs.q, strict=True):
            assert b == pytest.approx(a, abs=CLOSE)
