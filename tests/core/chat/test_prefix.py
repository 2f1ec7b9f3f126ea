"""An edited text keeps the tokens of its unchanged part, and types the rest anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logit_amp_chat.core.chat.prefix import EditedReply, Prefix
from logit_amp_chat.core.records import FinishReason
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.samples import finish, reply, session, step

END = 99


def log_of(*words: str | bytes, ended: FinishReason | None = "stop") -> ReplyLog:
    """A reply of these tokens, numbered from 0; those in angle brackets are special."""
    log = ReplyLog(reply(), replace(session(), end_of_turn=(END,)))
    for n, word in enumerate(words):
        text = word if isinstance(word, str) else word.decode(errors="replace")
        one = step(n, text, data=word if isinstance(word, bytes) else None)
        special = text.startswith("<")
        log.add(replace(one, token=END if text == "<end>" else n, special=special))
    if ended is not None:
        log.add(replace(finish(), reason=ended))
    return log


OTTERS = log_of("The", " otter", " sleeps", " well", ".", "<end>")


def prefix(log: ReplyLog, text: str) -> tuple[tuple[int, ...], str]:
    found = EditedReply(log).prefix(text)
    assert found.edits == log.id
    return found.ids, found.text


@pytest.mark.parametrize(
    ("text", "ids", "typed"),
    [
        ("The otter swims well.", (0, 1), " swims well."),
        ("A otter sleeps well.", (), "A otter sleeps well."),
        ("The otter sleeps well. And", (0, 1, 2, 3, 4), " And"),
        ("The otter", (0, 1), ""),
        ("The otter ", (0, 1), " "),
        ("The otter sl", (0, 1), " sl"),
        ("The otter sleeps well.", (0, 1, 2, 3, 4), ""),
        ("", (), ""),
    ],
)
def test_the_longest_unchanged_run_of_tokens_is_kept(
    text: str, ids: tuple[int, ...], typed: str
) -> None:
    assert prefix(OTTERS, text) == (ids, typed)


def test_a_word_that_was_changed_is_typed_from_its_beginning() -> None:
    assert prefix(OTTERS, "The otters sleep.") == ((0,), " otters sleep.")
    parts = log_of("The", " ot", "ter", " sleeps", ended="length")
    assert prefix(parts, "The otters") == ((0,), " otters")
    assert prefix(parts, "The otter, it sleeps") == ((0, 1, 2), ", it sleeps")


def test_special_tokens_between_what_is_kept_stay() -> None:
    log = log_of("<a>", "Think", "ing", "<b>", "It", " is", " 4", "<end>")
    assert EditedReply(log).text == "ThinkingIt is 4"
    assert prefix(log, "ThinkingIt is 5") == ((0, 1, 2, 3, 4, 5), " 5")
    assert prefix(log, "Thinking. That is") == ((0, 1, 2, 3), ". That is")
    assert EditedReply(log).lost("ThinkingIt is 5") == 0


def test_special_tokens_after_the_change_are_lost() -> None:
    log = log_of("<a>", "Think", " twice", "<b>", "<c>", "It", "<end>")
    assert prefix(log, "Think once. It") == ((0, 1), " once. It")
    assert EditedReply(log).lost("Think once. It") == 2


def test_the_end_of_the_turn_is_not_gone_on_from() -> None:
    older = replace(session(), end_of_turn=())  # files that do not name it
    log = log_of("So", "<end>")
    log.session = older
    assert prefix(log, "So it") == ((0,), " it")
    cut = log_of("So", " it", ended="length")
    assert prefix(cut, "So it") == ((0, 1), "")


def test_a_character_that_is_not_complete_is_not_kept() -> None:
    log = log_of("a ", b"\xf0\x9f", b"\x99\x82", " b", ended="length")
    assert EditedReply(log).text == "a 🙂 b"
    assert prefix(log, "a 🙂 c") == ((0, 1, 2), " c")
    assert prefix(log, "a 🙃 b") == ((0,), "🙃 b")
    assert prefix(log, "a ") == ((0,), "")


def test_what_an_editor_cannot_hold_is_no_change() -> None:
    log = log_of("a", "\x1b[2J", " b\r\n", "c", ended="length")
    edited = EditedReply(log)
    assert edited.text == "a[2J b\nc"
    assert edited.prefix(edited.text) == Prefix((0, 1, 2, 3), "", log.id)
    assert prefix(log, "a[2J b\nd") == ((0, 1, 2), "d")


def test_the_blank_that_separates_a_reply_from_its_prompt_stays_out_of_sight() -> None:
    log = log_of(" The", " otter", "<end>")
    assert EditedReply(log).text == log.text == "The otter"
    assert prefix(log, "The fox") == ((0,), " fox")
    assert prefix(log, "A fox") == ((), " A fox")
    assert EditedReply(log).offset(1) == 3


def test_the_stop_string_that_ended_it_is_left_out() -> None:
    log = log_of("So", " it is", ".\nUs", "er: and", ended=None)
    log.add(replace(finish(), stop="\nUser:"))
    assert EditedReply(log).text == log.text == "So it is."
    assert prefix(log, "So it is.") == ((0, 1), ".")
    assert prefix(log, "So it is. And") == ((0, 1), ". And")


@pytest.mark.parametrize(
    ("words", "stop", "text", "ids"),
    [
        (("So", " it is", "<end>"), "<end>", "So it is", (0, 1)),
        (("So", " it is", "<a>", "User:"), "<a>User:", "So it is", (0, 1)),
        (("So", " it is", b"\xc3", "<a>"), "<a>", "So it is", (0, 1)),
        (("So", " it is", ".\r\n", "User:"), "\r\nUser:", "So it is.", (0, 1)),
        (("So", " it is", "\x1b", "User:"), "\x1bUser:", "So it is", (0, 1)),
        (("So", " it is", b"\xc3", b"\xa9 and"), "é", "So it is", (0, 1)),
    ],
    ids=["end", "special", "half a character", "lines", "control", "bytes"],
)
def test_no_more_than_the_stop_string_is_left_out(
    words: tuple[str | bytes, ...], stop: str, text: str, ids: tuple[int, ...]
) -> None:
    log = log_of(*words, ended=None)
    log.add(replace(finish(), stop=stop))
    edited = EditedReply(log)
    assert edited.text == log.text == text
    assert edited.prefix(text) == Prefix(ids, text.removeprefix("So it is"), log.id)


def test_a_step_has_its_place_in_the_text() -> None:
    log = log_of("<a>", "The", " otter", "<end>")
    edited = EditedReply(log)
    assert [edited.offset(n) for n in range(5)] == [0, 0, 3, 9, 9]
