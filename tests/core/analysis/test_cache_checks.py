"""The words for what the caches of a pair are used for."""

from __future__ import annotations

from dataclasses import replace

from logit_amp_chat.core.analysis.cache_checks import finding, notices
from logit_amp_chat.core.records import CacheCheck

GOOD = CacheCheck(use="turns", kl=2e-8, largest=1.9e-5, limit=1e-5)
LESS = replace(GOOD, use="lanes", failed={"turns": "mean KL 0.2 nats", "chunks": "mean KL 0.1"})


def test_what_is_as_it_should_be_is_no_notice() -> None:
    assert notices({"before": GOOD, "after": GOOD}) == []
    assert finding("before", GOOD) == (
        "caches in full use; mean KL to whole forward passes 2.0e-08 nats (limit 1e-05),"
        " log-probabilities at most 1.9e-05 apart"
    )


def test_sides_that_fail_alike_share_a_notice_with_the_first_reason() -> None:
    assert notices({"before": LESS, "after": LESS}) == [
        "With all caches in use, before and after would not give the numbers of whole forward"
        " passes (mean KL 0.2 nats): every request reads the whole conversation again, in one"
        " piece."
    ]


def test_both_sides_in_one_pass_and_captured_steps_are_only_left_out() -> None:
    off = replace(LESS, use="none")
    assert notices({"together": off, "captured": off}) == [
        "With all caches in use, both sides in one pass would not give the numbers of whole"
        " forward passes (mean KL 0.2 nats): the two sides are computed one after the other.",
        "With all caches in use, captured steps would not give the numbers of whole forward"
        " passes (mean KL 0.2 nats): decoding steps are not captured as CUDA graphs.",
    ]


def test_lengths_that_were_not_crossed_are_named_once() -> None:
    some = replace(GOOD, unchecked=(4096,))
    assert notices({"before": some, "after": some}) == [
        "Replies beyond 4,096 tokens, where positions or masks change, were not compared with"
        " whole forward passes: that would take too long here."
    ]
    assert finding("after", some).endswith("unchecked beyond 4,096 tokens")
