"""The figures of a request in flight."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logit_amp_chat.core.chat.pending_request import PendingRequest
from logit_amp_chat.core.protocol import Lane, Prefill, Request
from logit_amp_chat.core.sampling import Sampling
from tests.core.samples import reply, step


def two_lanes() -> PendingRequest:
    lanes = (
        Lane(reply="r-1", name="after", alpha=0.0),
        Lane(reply="r-2", name="amplified", alpha=1.0),
    )
    return PendingRequest(Request(messages=(), lanes=lanes, sampling=Sampling()))


def decode(pending: PendingRequest, rounds: range, at: float, *lanes: str) -> None:
    """Rounds of one token in each of `lanes`, half a second apart, the first `at` a time."""
    for place, index in enumerate(rounds):
        for lane in lanes:
            pending.count(step(index, "a", reply=lane), at + place / 2)


def test_the_speed_is_that_of_one_lane_from_its_first_token_on() -> None:
    pending = two_lanes()
    pending.count(Prefill(done=9, total=9), 11.0)
    assert pending.prefill is not None
    decode(pending, range(3), 30.0, "r-1", "r-2")
    assert pending.prefill is None
    assert pending.tokens_per_second == 2.0


def test_before_the_second_token_there_is_no_speed() -> None:
    pending = two_lanes()
    decode(pending, range(1), 12.0, "r-1", "r-2")
    assert pending.tokens_per_second is None


def test_given_tokens_are_not_decoded() -> None:
    pending = two_lanes()
    pending.count(replace(reply(), forced=3), 12.0)
    for index in range(3):
        pending.count(step(index, "a", reply="r-1"), 12.0)
    decode(pending, range(3, 4), 12.5, "r-1")
    assert pending.tokens_per_second is None
    decode(pending, range(4, 8), 13.0, "r-1")
    assert pending.tokens_per_second == 2.0


def test_a_lane_that_has_ended_does_not_slow_the_others() -> None:
    pending = two_lanes()
    decode(pending, range(2), 12.0, "r-1", "r-2")
    decode(pending, range(2, 20), 13.0, "r-2")
    assert pending.tokens_per_second == 2.0


@pytest.mark.parametrize("prefills", [True, False])
def test_lanes_with_other_prompts_come_one_after_the_other(prefills: bool) -> None:
    """What passes between two groups is no decoding."""
    pending = two_lanes()
    decode(pending, range(8), 12.0, "r-1")
    if prefills:
        pending.count(Prefill(done=9, total=9), 30.0)
    decode(pending, range(5), 40.0, "r-2")
    assert pending.tokens_per_second == 2.0


def test_a_lane_s_replies_are_found_by_its_name() -> None:
    assert two_lanes().replies("amplified") == ["r-2"]
