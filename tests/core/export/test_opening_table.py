"""Openings in documents: where they stand, and what is said of whose they are."""

from __future__ import annotations

import dataclasses

import pytest

from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.export.opening_table import ROWS, cells
from logit_amp_chat.core.records import Candidate, Record
from logit_amp_chat.core.transcripts.opening_log import OpeningLog
from tests.core.samples import message, opening, reply, session

BY = Candidate(0, "By", -9.0, -4.0, -1.0)
HOSTILE = Candidate(0, "</td><script>\x1b[31m", -9.0, -4.0, -1.0)


def documents(*records: Record) -> dict[str, str]:
    return {
        "html": to_html(records),
        "md": to_document(records, markdown=True),
        "txt": to_document(records, markdown=False),
    }


def test_they_stand_between_the_message_and_its_replies() -> None:
    for text in documents(session(), message(), reply(), opening()).values():
        places = [text.index(said) for said in ("Otters?", "Openings at α +1", "seed 7")]
        assert places == sorted(places)


def test_the_page_has_a_table_with_the_colours_of_the_sides() -> None:
    page = to_html([session(), message(), opening(), opening(BY)])
    assert "<summary>2 openings</summary>" in page
    assert "<h3>Openings after “By” at α +1</h3>" in page
    assert (
        '<tr><td class="name">“The”</td><td class="before">0.600</td>'
        '<td class="after">0.300</td><td class="amplified">0.100</td><td>−0.69</td></tr>'
    ) in page


@pytest.mark.parametrize("kind", ["html", "md", "txt"])
def test_a_later_one_replaces_the_same_and_another_alpha_stands_beside_it(kind: str) -> None:
    newer = dataclasses.replace(opening(), kl=0.75)
    text = documents(session(), message(), opening(), newer, opening(alpha=2.0))[kind]
    assert text.count("0.75") == 1
    assert text.count("Openings at α +1") == text.count("Openings at α +2") == 1


@pytest.mark.parametrize("kind", ["html", "md", "txt"])
def test_those_of_another_pair_say_so(kind: str) -> None:
    first = session()
    other = dataclasses.replace(first.after, model="org/other")
    text = documents(
        first, message(), opening(), dataclasses.replace(first, id="s-2", after=other), opening()
    )[kind]
    assert "Openings at α +1 · before: org/base@abc" in text.replace("\\", "")
    assert "after: org/other@abc" in text


@pytest.mark.parametrize("kind", ["html", "md", "txt"])
def test_those_of_a_message_that_is_lost_are_there_too(kind: str) -> None:
    assert "Openings at α +1" in documents(session(), opening(parent="m-9"))[kind]


def test_a_long_list_is_cut_to_what_changed_most_and_the_rest() -> None:
    top = tuple(Candidate(n, f"t{n}", -5.0 - n / 10, -5.0, -5.0) for n in range(50))
    habit = Candidate(50, "By", -20.0, -6.8, -5.0)
    table = cells(OpeningLog(dataclasses.replace(opening(), top=(*top, habit)), session()))
    assert len(table) == ROWS + 2
    assert [row[0] for row in table[:3]] == ["“By”", "“t49”", "“t48”"]
    assert [row[0] for row in table[-2:]] == ["“t30”", "the rest"]


def test_a_token_of_a_stranger_does_nothing() -> None:
    strange = dataclasses.replace(opening(HOSTILE), top=(HOSTILE,))
    for text in documents(session(), message(), strange).values():
        assert "\x1b" not in text
    assert "<script>\x1b" not in to_html([session(), message(), strange])
    assert "&lt;/td&gt;&lt;script&gt;␛" in to_html([session(), message(), strange])


def test_ends_that_are_not_mixed_are_said_and_stand_beside_those_that_are() -> None:
    kept = dataclasses.replace(opening(), ends="after")
    for text in documents(session(), message(), opening(), kept).values():
        assert text.count("Openings at α +1") == 2
        assert "Openings at α +1 · ends after" in text
