"""From token bytes to text, step by step."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.records import Step
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.transcripts.reply_text import ReplyText
from tests.core.samples import finish, reply, step


def pieces_of(*steps: Step) -> list[str]:
    text = ReplyText()
    return [*map(text.add, steps), text.finish()]


def test_a_split_character_belongs_to_the_last_of_its_tokens() -> None:
    steps = (step(0, "a"), step(1, "\ufffd", data=b"\xc3"), step(2, "\ufffd", data=b"\xa9b"))
    assert pieces_of(*steps) == ["a", "", "éb", ""]


def test_what_never_becomes_a_character_is_replaced_as_soon_as_that_is_known() -> None:
    broken = step(0, "\ufffd", data=b"\xc3")
    assert pieces_of(broken, step(1, "b")) == ["", "\ufffdb", ""]
    assert pieces_of(broken, step(1, ""), step(2, "b")) == ["", "", "\ufffdb", ""]
    assert pieces_of(broken) == ["", "\ufffd"]


def test_a_special_token_adds_nothing_and_breaks_no_character() -> None:
    special = step(1, "<|x|>", special=True)
    halves = step(0, "\ufffd", data=b"\xc3"), special, step(2, "\ufffd", data=b"\xa9")
    assert pieces_of(*halves) == ["", "", "é", ""]


@given(st.text(), st.data())
def test_the_pieces_join_up_wherever_the_bytes_are_cut(text: str, data: st.DataObject) -> None:
    whole = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    edges = zip([0, *cuts], [*cuts, len(whole)], strict=True)
    parts = [whole[start:end] for start, end in edges]
    steps = [step(i, part.decode("utf-8", "replace"), data=part) for i, part in enumerate(parts)]
    assert "".join(pieces_of(*steps)) == text
    log = ReplyLog(replace(reply(), raw=True))  # others leave out the blank before a first word
    for each in steps:
        log.add(each)
    log.add(finish())
    assert log.parts.marked == text
    if all(part.kind == "answer" for part in log.parts.parts):  # it spells no mark of thinking
        assert log.text == text
