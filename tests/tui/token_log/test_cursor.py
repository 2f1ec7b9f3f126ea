"""Where each movement of the cursor leads, on a page without a screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from logit_amp_chat.tui.token_log.cursor import Cursor, Navigator
from logit_amp_chat.tui.token_log.layout import MARGIN, Page
from tests.core.samples import finish, reply, step


def block(id: str, *texts: str, given: int = 0) -> ReplyBlock:
    log = ReplyLog(replace(reply(id), forced=given), finish=finish(id))
    for index, text in enumerate(texts):
        log.add(step(index, text, reply=id))
    return ReplyBlock(log, heading=False)


@pytest.fixture
def navigator() -> Navigator:
    """Two replies with one that is empty between them; the first takes two lines."""
    page = Page()
    page.set_width(12)
    for each in (block("r-1", "otters", " eat", " cr", "abs"), block("r-2"), block("r-3", "yes")):
        page.append(each)
    assert [line.rstrip() for line in page.text()][:2] == [" otters eat", " crabs"]
    return Navigator(page)


def test_both_ends(navigator: Navigator) -> None:
    assert navigator.first() == Cursor("r-1", 0)
    assert navigator.last() == Cursor("r-3", 0)
    assert Navigator(Page()).first() is Navigator(Page()).last() is None


def test_tokens_go_on_in_the_next_reply(navigator: Navigator) -> None:
    assert navigator.by_token(Cursor("r-1", 2), 1) == Cursor("r-1", 3)
    assert navigator.by_token(Cursor("r-1", 3), 1) == Cursor("r-3", 0)
    assert navigator.by_token(Cursor("r-3", 0), -2) == Cursor("r-1", 2)
    assert navigator.by_token(Cursor("r-1", 0), -1) == Cursor("r-1", 0)
    assert navigator.by_token(Cursor("r-3", 0), 1) is None


def test_a_word_begins_with_a_space_or_a_reply(navigator: Navigator) -> None:
    assert navigator.by_word(Cursor("r-1", 1), 1) == Cursor("r-1", 2)
    assert navigator.by_word(Cursor("r-1", 2), 1) == Cursor("r-3", 0)
    assert navigator.by_word(Cursor("r-3", 0), -1) == Cursor("r-1", 2)


def test_a_reply_begins_with_its_first_token(navigator: Navigator) -> None:
    assert navigator.by_reply(Cursor("r-1", 2), 1) == Cursor("r-3", 0)
    assert navigator.by_reply(Cursor("r-1", 2), -1) == Cursor("r-1", 0)
    assert navigator.by_reply(Cursor("r-3", 0), 1) is None


def test_lines_without_a_token_are_passed(navigator: Navigator) -> None:
    assert navigator.by_line(Cursor("r-1", 0), 1, MARGIN) == Cursor("r-1", 2)
    assert navigator.by_line(Cursor("r-1", 2), 1, MARGIN) == Cursor("r-3", 0)
    assert navigator.by_line(Cursor("r-3", 0), -1, MARGIN + 4) == Cursor("r-1", 3)
    assert navigator.by_line(Cursor("r-1", 0), -1, MARGIN) == Cursor("r-1", 0)
    assert navigator.by_line(Cursor("r-3", 0), 1, MARGIN) is None


def test_a_token_is_where_its_word_is(navigator: Navigator) -> None:
    """And not where the space before it was left behind."""
    assert navigator.position_of(Cursor("r-1", 2)) == (1, MARGIN)
    assert navigator.position_of(Cursor("r-9", 0)) is None
    assert navigator.token_near(0, MARGIN + 7) == Cursor("r-1", 1)


def test_tokens_that_were_given_are_no_hunk() -> None:
    """The user forced them: that they stand out says nothing about the reply."""
    page, metric = Page(), TOKEN_METRICS["kl"]
    page.set_width(40)
    branch = block("r-1", "By", " the", " way", " otters", given=2)
    page.append(branch)
    assert all(metric.is_hunk(step) for step in branch.log.steps)
    navigator = Navigator(page)
    assert navigator.by_hunk(Cursor("r-1", 0), 1, metric) == Cursor("r-1", 2)
    assert navigator.by_hunk(Cursor("r-1", 3), -1, metric) == Cursor("r-1", 2)
    assert navigator.by_hunk(Cursor("r-1", 2), -1, metric) is None
