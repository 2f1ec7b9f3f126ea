"""Texts that were read, on the page, as a parser reads it."""

from __future__ import annotations

import pytest
from hypothesis import given

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.readings import MOST_TOKENS, QUIET
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.text import visible
from tests.core import samples
from tests.core.export.test_html import HOSTILE, Page, any_text, page, shape
from tests.core.read_texts import document, finish, reading, step, steps

WORDS = [("one ", 0.0), ("two ", -1.0), ("three ", 2.5), ("four", 0.5)]
LOW = [*WORDS, (" low", -3.0)]


def test_a_text_has_its_facts_and_its_hunks() -> None:
    read = page(samples.session(), *reading(WORDS, source="notes.txt", place="text 2"))
    assert read.text("h2") == "notes.txt text 2"
    assert "4 scored tokens of 5" in read.text("p", "meta")
    assert read.text("h3") == "1:9"
    assert "log-ratio +2.50 · mean KL 2.50" in read.text("small")
    assert read.text("span") == "one two three four"
    wanted = read.text("p", "wanted") + read.text("b", "before") + read.text("b", "after")
    assert "“three ” +2.50 nats, p 0.050 → 0.607" in wanted
    assert " wanted “ other” 0.500  “three ” 0.050" in wanted


def test_a_token_has_the_colours_of_a_replys_and_a_frame_where_it_stands_out() -> None:
    spans = page(*reading(LOW)).named("span")
    shift = TOKEN_METRICS["shift"]
    for attributes, one in zip(spans, steps(LOW), strict=True):
        classes = attributes.get("class", "").split()
        if level := shift.level(one):
            assert f"s{level}".replace("-", "_") in classes
        ratio = one.logp.after - one.logp.before
        assert ("x" in classes) == (abs(ratio) >= 2)
        assert ("more" in classes, "less" in classes) == (ratio >= 2, ratio <= -2)


def test_the_script_finds_every_number_of_a_hunks_tokens() -> None:
    words = [*[("x", 0.0)] * 20, ("loud", 3.0)]
    read = page(*reading(words))
    (text,) = (a for a in read.named("div") if a.get("class") == "text")
    assert (text["data-first"], text["data-total"]) == ("12", "21")
    data = read.data(text["data-steps"])
    assert len(data) == 9
    one = step(20, "loud", 3.0)
    tokens = read.data("tokens")
    assert data[-1][0] == "α 0"
    assert tokens[data[-1][1]] == [1, "loud"]
    assert data[-1][2:5] == [one.kl, one.kl_amplified, one.entropy]
    assert data[-1][5] == [one.logp.before, one.logp.after, one.logp.amplified]
    assert data[-1][6] == [4, 3, 3]
    assert [tokens[n][1] for n in data[-1][7][::4]] == ["loud", " other"]
    assert data[0][7] == []


def test_a_page_of_texts_alone_is_coloured_by_what_makes_a_hunk() -> None:
    checked = {a["id"] for a in page(*reading(WORDS)).named("input") if "checked" in a}
    assert "by-shift" in checked
    both = page(*samples.conversation(), *reading(WORDS))
    assert "by-kl" in {a["id"] for a in both.named("input") if "checked" in a}
    assert "one two three four" in both.text("span")


def test_without_a_name_for_the_pair_the_page_is_a_diff() -> None:
    assert page(*reading(WORDS)).text("title") == "Diff"


def test_texts_without_a_hunk_come_last_and_many_are_counted() -> None:
    quiet = [reading([("a", 0.0)], id=f"d-{n}", source=f"{n}.txt") for n in range(QUIET + 3)]
    records: list[Record] = [record for text in quiet for record in text]
    read = page(*records, *reading(WORDS, id="d-x", source="last.txt"))
    assert read.text("h2").startswith("last.txt0.txt1.txt")
    assert f"{QUIET - 1}.txt" in read.text("h2")
    assert f"{QUIET}.txt" not in read.text("h2")
    assert "3 more texts without a hunk here." in read.text("p", "meta")


def test_several_texts_have_an_overview_first_with_links_to_them() -> None:
    """“<b>” has no hunk, so that it stands below the other."""
    quiet = reading([("a", 0.0)], id="d-2", source="<b>")
    read = page(*quiet, *reading(WORDS))
    assert read.text("caption") == "Texts by mean KL(after‖before)"
    assert read.text("a") == "notes.txt<b>"
    assert [a["href"] for a in read.named("a")] == ["#d1", "#d2"]
    assert [a["id"] for a in read.named("section") if "id" in a] == ["d1", "d2"]
    assert read.text("h2") == "notes.txt<b>"
    assert "all 2 texts5" in read.text("td")
    assert page(*reading(WORDS)).named("table") == []


def test_the_page_says_how_many_hunks_it_has_not() -> None:
    """Every other token stands out, in hunks of 200 tokens."""
    words = [("loud", 3.0), ("x", 0.0)] * (MOST_TOKENS // 2 + 200)
    read = page(*reading(words))
    assert "The strongest 200 of 202 hunks are shown." in read.text("p", "meta")
    assert len(read.named("span")) == MOST_TOKENS


def everywhere(text: str) -> list[Record]:
    """A text that was read, with `text` wherever a text can be."""
    words = [(text, 3.0), (text, 0.0)]
    read = document(words, source=text, place=text)
    return [samples.session(), read, *steps(words), finish(2)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    read = Page(to_html(everywhere(text)))
    assert shape(read) == shape(Page(to_html(everywhere("plain"))))
    shown = visible(text, newlines=False)
    assert read.text("h2") == f"{shown} {shown}"
    assert read.text("span") == shown + visible(text)
    assert [1, visible(text)] in read.data("tokens")


@given(any_text.filter(bool))
def test_any_text_stays_text(text: str) -> None:
    read = Page(to_html(everywhere(text)))
    assert shape(read) == shape(Page(to_html(everywhere("plain"))))
    assert read.text("span") == visible(text, newlines=False) + visible(text)
