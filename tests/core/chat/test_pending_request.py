"""The figures of a request in flight."""

from __future__ import annotations

from logit_amp_chat.core.chat.pending_request import PendingRequest
from logit_amp_chat.core.protocol import Lane, Prefill, Request
from logit_amp_chat.core.records import Sampling
from tests.core.samples import step


def two_lanes() -> PendingRequest:
    lanes = (
        Lane(reply="r-1", name="after", alpha=0.0),
        Lane(reply="r-2", name="amplified", alpha=1.0),
    )
    return PendingRequest(Request(messages=(), lanes=lanes, sampling=Sampling()), began=10.0)


def test_the_speed_is_that_of_one_lane_from_its_first_token_on() -> None:
    pending = two_lanes()
    pending.count(Prefill(done=9, total=9), 11.0)
    assert pending.prefill is not None
    for place in range(3):
        for _ in range(2):
            pending.count(step(place, "a"), 12.0 + place)
    assert pending.prefill is None
    assert pending.tokens_per_second(15.0) == 1.0


def test_before_the_second_token_there_is_no_speed() -> None:
    pending = two_lanes()
    pending.count(step(0, "a"), 12.0)
    assert pending.tokens_per_second(13.0) is None


def test_a_lane_s_replies_are_found_by_its_name() -> None:
    assert two_lanes().replies("amplified") == ["r-2"]
