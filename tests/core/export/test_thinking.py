"""Thinking in exports: folded, never merged into the answer."""

from __future__ import annotations

import re

from logit_amp_chat.core.export import describe
from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.export.notebook import replies_fragment
from logit_amp_chat.core.records import Record, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.samples import finish, message, reply, step

HARMONY = (
    *("<|channel|>", "analysis", "<|message|>", "User asks", " a sum.", "<|end|>", "<|start|>"),
    *("assistant", "<|channel|>", "final", "<|message|>", "It is", " 4.", "<|return|>"),
)
QWEN = ("<think>", "\n", "Hm", "\n", "</think>", "\n\n", "Four", ".")


def steps(said: tuple[str, ...]) -> list[Step]:
    return [step(n, text, special=text.startswith("<|")) for n, text in enumerate(said)]


def records(said: tuple[str, ...]) -> list[Record]:
    return [message(), reply(), *steps(said), finish(tokens=len(said))]


def log(said: tuple[str, ...]) -> ReplyLog:
    return Conversation(records(said)).replies["r-1"]


def test_a_document_has_the_thinking_apart() -> None:
    for said, thought, answer in ((HARMONY, "User asks a sum.", "It is 4."), (QWEN, "Hm", "Four.")):
        found = [*describe.passages(log(said))]
        assert [(one.text, one.thought > 0) for one in found] == [(thought, True), (answer, False)]
    assert describe.passages(log(HARMONY)).__next__().thought == 2


def test_a_header_that_was_cut_off_is_nothing_that_was_said() -> None:
    cut = log(HARMONY[:9])
    assert [one.text for one in describe.passages(cut)] == ["User asks a sum."]
    assert cut.text == ""


def test_markdown_folds_it() -> None:
    text = to_document(records(HARMONY), markdown=True)
    folded = "<details><summary>thinking, 2 tokens</summary>\n\n```text\nUser asks a sum.\n```"
    assert f"{folded}\n\n</details>\n\n```text\nIt is 4.\n```" in text
    assert "analysisUser" not in text


def test_plain_text_names_it() -> None:
    text = to_document(records(QWEN), markdown=False)
    assert "thinking, 3 tokens:\n\n        Hm\n\n    Four." in text


def test_the_page_folds_it_and_keeps_one_element_a_token() -> None:
    page = to_html(records(HARMONY))
    text = re.search(r'data-steps="r1">(.*?)</div>', page, re.DOTALL)
    assert text is not None
    assert text[1].count("<span") == len(HARMONY)
    folded, said = text[1].split("</details>")
    assert folded.startswith('<details class="thought"><summary>thinking, 2 tokens</summary>')
    assert "asks" in folded
    assert "4." in said
    assert "final" in said


def test_thinking_without_an_answer_stands_open() -> None:
    assert '<details class="thought" open>' in to_html(records(QWEN[:3]))


def test_a_notebook_folds_it() -> None:
    fragment = replies_fragment([log(QWEN)])
    assert fragment.count("<details><summary") == 1
    assert fragment.count("<span title") == len(QWEN)


def test_a_reply_without_thinking_is_as_it_was() -> None:
    (only,) = describe.passages(log(("Ot", "ters", "<|end|>")))
    assert only == ("Otters", 0)
    assert [*describe.passages(log(()))] == [("", 0)]
    assert "<details class" not in to_html(records(("Ot", "ters")))
