"""How a reply ended, in words."""

from __future__ import annotations

from typing import get_args

import pytest

from logit_amp_chat.core.records import Finish, FinishReason
from logit_amp_chat.core.transcripts.reply_endings import as_recorded, cut_off, phrase, sentence
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.samples import reply, step


def ended(reason: FinishReason, tokens: int = 2, error: str | None = None) -> ReplyLog:
    finish = Finish(reply="r-1", reason=reason, tokens=tokens, seconds=0.5, error=error)
    return ReplyLog(reply(), finish=finish)


@pytest.mark.parametrize("reason", [r for r in get_args(FinishReason) if r != "stop"])
def test_every_early_end_has_its_words(reason: FinishReason) -> None:
    log = ended(reason)
    assert log.finish is not None
    assert sentence(log, {})[-1:] == "."
    assert phrase(log.finish)
    assert as_recorded(log.finish).endswith(" 2 tokens")


def test_documents_say_how_every_reply_ended() -> None:
    said = [as_recorded(end) for reason in get_args(FinishReason) if (end := ended(reason).finish)]
    assert said == [
        "ended after 2 tokens",
        "cut at the limit of 2 tokens",
        "ended with the context full after 2 tokens",
        "cancelled after 2 tokens",
        "broken off after 2 tokens",
    ]


def test_an_ordinary_end_needs_none() -> None:
    log = ended("stop")
    assert log.finish is not None
    assert sentence(log, {"stop": "no"}) == phrase(log.finish) == ""


def test_a_stop_string_is_named_as_one_types_it() -> None:
    finish = Finish(reply="r-1", reason="stop", tokens=2, seconds=0.5, stop="\nUser\x1b:")
    said = 'by the stop string "\\nUser\\u001b:"'
    assert sentence(ReplyLog(reply(), finish=finish), {}) == f"Ended {said}."
    assert phrase(finish) == f"ended {said}"
    assert as_recorded(finish) == f"ended after 2 tokens {said}"


def test_a_sentence_ends_with_the_remedy_or_the_error() -> None:
    log = ended("length", 1)
    assert sentence(log, {"length": "ask for more"}) == "Cut at the limit of 1 token; ask for more."
    broken = ended("error", error="no\nluck")
    assert sentence(broken, {}) == "Broken off after 2 tokens: no␊luck"


def test_a_phrase_ends_with_the_error() -> None:
    finish = ended("error", error="no luck").finish
    assert finish is not None
    assert phrase(finish) == "ended by an error: no luck"
    assert as_recorded(finish, seconds=True) == "broken off after 2 tokens, 0.5 s (no luck)"


def test_a_record_that_was_cut_off() -> None:
    log = ReplyLog(reply(), steps=[step(0, "a")])
    assert cut_off(log) == "cut off after 1 token"
    assert sentence(log, {}) == ""
    log.cut_off = True
    assert sentence(log, {}) == "Cut off after 1 token: no more was saved."
    said = "Cut off after 1 token: no more was saved; go on."
    assert sentence(log, {"cut off": "go on"}) == said
