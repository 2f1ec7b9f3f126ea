"""What a transcript has of a reply's tokens under every stage."""

from __future__ import annotations

from dataclasses import replace

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.transcripts.blamed_tokens import blamed_token, blamed_tokens
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core import samples

ROWS = ((-9.0, -1.0, -0.5), (-1.0, -1.5, -4.0))
LIKELIEST = (((7, -0.1), (8, -0.2), (8, -0.3)), ((7, -0.4), (7, -0.5), (9, -0.6)))


def log() -> ReplyLog:
    found = ReplyLog(samples.reply(), samples.session())
    for index in range(2):
        found.add(samples.step(index, "x"))
    return found


def blamed(rows: int = 2) -> Blamed:
    return Blamed(
        reply="r-1",
        chain=("base", "sft", "dpo"),
        log_probs=ROWS[:rows],
        likeliest=LIKELIEST[:rows],
        divergences=((2.0, None), (0.5, 0.25))[:rows],
    )


def test_each_token_has_its_row() -> None:
    found = log()
    found.blamed = blamed()
    first, second = blamed_tokens(found)
    assert [first.token, second.token] == [step.token for step in found.steps]
    assert (first.logp, second.logp) == ROWS
    assert (first.best, second.best) == LIKELIEST
    assert first.kl == (2.0, None)
    assert [first.blamed, second.blamed] == [1, 2]


def test_a_reply_that_was_not_read_has_none() -> None:
    assert blamed_tokens(log()) == []
    assert blamed_token(log(), 0) is None


def test_tokens_that_a_damaged_file_has_no_row_for_have_none() -> None:
    found = log()
    found.blamed = blamed(rows=1)
    assert len(blamed_tokens(found)) == 1
    assert blamed_token(found, 1) is None


def test_a_damaged_record_is_none() -> None:
    whole = Blamed(
        reply="r-1",
        chain=("base", "sft"),
        log_probs=((-1.0, -2.0),),
        likeliest=(((7, -0.1), (8, -0.1)),),
        divergences=((0.5,),),
    )
    assert whole.is_whole
    for damaged in (
        replace(whole, chain=("base",)),
        replace(whole, log_probs=((-1.0,),)),
        replace(whole, likeliest=()),
        replace(whole, divergences=((0.5, 0.5),)),
    ):
        assert not damaged.is_whole
