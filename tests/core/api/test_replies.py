"""Replies by position and by α, as a table, and as a notebook shows them."""

from __future__ import annotations

import math
import sys

import pytest

from logit_amp_chat import UsageError
from logit_amp_chat.core.api.replies import PairReply, Replies
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core import samples

HOSTILE = "</span><script>alert(1)</script>\x1b[31m\u202e&"


def reply(alpha: float = 1.0, text: str = " otters", name: str = "r-1") -> PairReply:
    log = ReplyLog(samples.reply(name, alpha=alpha))
    log.add(samples.step(0, "By", reply=name, alpha=alpha))
    log.add(samples.step(1, text, reply=name, alpha=alpha))
    return PairReply(log)


def test_by_position_and_by_alpha() -> None:
    replies = Replies([reply(-1), reply(2)])
    assert (len(replies), replies[-1].alpha, replies[0:1][0].alpha) == (2, 2, -1)
    assert replies.at(alpha=2) is replies[1]
    assert replies.at(2.0).text == "By otters" == str(replies.at(2.0))
    with pytest.raises(IndexError):
        replies[2]
    with pytest.raises(UsageError, match=r"no reply at α 0\. There are replies at −1, \+2"):
        replies.at(0)
    with pytest.raises(UsageError, match=r"\+2 with seed 9. There are .* \+2 with seed 7"):
        replies.at(2, seed=9)
    with pytest.raises(UsageError, match="expected a number, found '2'"):
        replies.at("2")  # type: ignore[arg-type]


def test_a_table_has_a_row_a_token() -> None:
    table = Replies([reply(-1), reply(2)]).to_pandas()
    assert list(table["alpha"]) == [-1, -1, 2, 2]
    assert list(table["text"]) == ["By", " otters"] * 2
    step = reply(2).steps[1]
    last = table.iloc[-1]
    assert (last["logp_after"], last["rank_before"]) == (step.logp.after, step.rank.before)
    assert (last["kl"], last["entropy"]) == (step.kl, step.entropy)
    assert math.isfinite(last["kl_amplified"])
    assert len(reply().to_pandas()) == 2
    assert list(Replies([]).to_pandas().columns) == list(table.columns)


def test_a_part_has_its_own_records() -> None:
    names = ("r-1", "r-2")
    records: list[Record] = [
        samples.session(),
        samples.message(),
        *(samples.reply(name) for name in names),
        *(samples.step(0, "By", reply=name) for name in names),
    ]
    part = Replies([reply(name=name) for name in names], records)[1:]
    assert [record.type for record in part.records] == ["session", "message", "reply", "step"]
    assert part.records[-1] == records[-1]


def test_without_pandas_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        reply().to_pandas()


def test_a_notebook_shows_text_as_text() -> None:
    shown = Replies([reply(text=HOSTILE), reply(2)])._repr_html_()
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "&lt;script&gt;" in shown
    assert shown.count("<span title=") == 4
    assert "α +2" in shown


def test_a_reply_says_in_a_line_what_it_is() -> None:
    assert repr(reply(2)) == "<reply at α +2, seed 7: 2 tokens, running: 'By otters'>"
