"""The tables of raised and lowered tokens in documents: what is summed, and for which pair."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.export.token_table import HEAD, ROWS, pair_tables
from logit_amp_chat.core.records import LogProbs, Record, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from tests.core import samples

SECTION = "Tokens that training raised and lowered most"


def step(index: int, text: str, delta: float, reply: str = "r-1") -> Step:
    logp = LogProbs(-9.0, -9.0 + delta, -1.0)
    return replace(samples.step(index, text, reply=reply), token=ord(text[-1]), logp=logp)


def chat(*steps: Step) -> list[Record]:
    return [samples.session(), samples.message(), samples.reply(), *steps]


def test_a_row_has_the_figures_of_its_token() -> None:
    (pair,) = pair_tables(
        Conversation(chat(step(0, " a", 1.5), step(1, " b", -2), step(2, " a", 0.25)))
    )
    raised, lowered = pair.tables
    assert len(HEAD) == 7
    assert raised.rows == [
        ("“ a”", "97", "2", "+1.75", "+0.88", "+1.50", "message 1, α +1, token 1")
    ]
    assert lowered.rows == [
        ("“ b”", "98", "1", "−2.00", "−2.00", "−2.00", "message 1, α +1, token 2")
    ]
    assert "summed over 3 sampled tokens of 1 reply (1 × α +1)." in pair.summed


def test_a_table_ends_after_the_top_rows() -> None:
    many = [step(n, chr(0x3B1 + n % 24) + chr(97 + n), 0.1 * (n + 1)) for n in range(ROWS + 3)]
    (pair,) = pair_tables(Conversation(chat(*many)))
    assert [row[0] for row in pair.tables[0].rows] == [
        f"“{one.text}”" for one in sorted(many, key=lambda one: -one.index)[:ROWS]
    ]


def test_deltas_of_different_pairs_are_not_added_up() -> None:
    first = samples.session()
    second = replace(first, after=replace(first.after, model="org/other"))
    records = [
        *chat(step(0, " a", 1.5)),
        second,
        samples.reply("r-2"),
        step(0, " a", 4.0, "r-2"),
    ]
    tables = list(pair_tables(Conversation(records)))
    assert [pair.tables[0].rows[0][3] for pair in tables] == ["+1.50", "+4.00"]


@pytest.mark.parametrize("markdown", [True, False])
def test_a_document_without_a_token_has_no_tables(markdown: bool) -> None:
    assert SECTION not in to_document(chat(), markdown=markdown)
    assert SECTION not in to_html(chat())


def test_every_readable_document_has_them() -> None:
    records = chat(step(0, " a", 1.5))
    for document in (
        to_document(records, markdown=True),
        to_document(records, markdown=False),
        to_html(records),
    ):
        assert SECTION in document
        assert "+1.50" in document


def test_the_columns_of_a_text_are_aligned() -> None:
    text = to_document(chat(step(0, " a", 1.5), step(1, " ccc", 2.5)), markdown=False)
    lines = [line for line in text.splitlines() if "message 1, " in line]
    assert len(lines) == 2
    assert len({line.index("message 1,") for line in lines}) == 1
