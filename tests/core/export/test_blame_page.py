"""Blamed texts as a page and for a notebook: every token, marked by what the chain did to it."""

from __future__ import annotations

import re

import pytest

from logit_amp_chat.core.analysis.stage_blame import BlamedToken, StageStats
from logit_amp_chat.core.export.blame_page import blame_fragment, blame_page, likeliest
from logit_amp_chat.core.records import Document

STAGES = ("base", "<sft>", "dpo")
TEXT = "An owl & a <fox> sees"
NAMES = {7: "cat"}


def document() -> Document:
    ends = [2, 6, 8, 10, 16, 21]
    offsets = tuple(zip([0, *ends], ends, strict=False))[1:]
    return Document(
        id="d",
        source="a.txt",
        text=TEXT,
        tokens=6,
        offsets=offsets,
        threshold=2.0,
        window=9,
        stride=4,
    )


def tokens(*logp: tuple[float, float, float]) -> list[BlamedToken]:
    """Tokens that no stage found likeliest."""
    return [
        BlamedToken(index=n, token=n, logp=one, best=((7, -0.5),) * 3, kl=(0.1, None))
        for n, one in enumerate(logp)
    ]


FOUND = tokens(
    (-9.0, -2.0, -1.0),  # likelier, by sft
    (-1.0, -1.0, -1.0),
    (-1.0, -1.5, -8.0),  # less likely, by dpo
    (-9.0, -1.0, -9.0),  # undone
    (-1.0, -1.0, -1.0),
)


def page() -> str:
    stats = StageStats(STAGES, 2.0)
    stats.add(FOUND)
    return blame_page(STAGES, [(document(), FOUND)], 2.0, stats, NAMES)


def fragment() -> str:
    return blame_fragment(STAGES, document(), FOUND, NAMES, "a blame")


def words(html: str) -> str:
    return re.sub(r"<sub>.*?</sub>|<[^>]*>", "", html)


def test_tokens_that_stand_out_are_marked_by_what_became_of_them() -> None:
    marked = re.findall(r'<span class="(\w+)" title="[^"]*">([^<]*)</span>', page())
    assert marked == [("up", " owl"), ("down", " a"), ("undone", " &lt;fox&gt;")]


def test_a_stage_is_named_where_it_begins() -> None:
    assert re.findall(r"<sub>(.*?)</sub><span class=", page()) == [
        "&lt;sft&gt;",
        "dpo",
        "&lt;sft&gt;",
    ]


def test_pointing_at_a_token_tells_its_chain_and_what_stages_wanted() -> None:
    (told, *_) = re.findall(r'<span class="up" title="([^"]*)"', page())
    base, sft, dpo = told.split("\n")
    assert re.fullmatch(r"base: p \S+  wanted “cat” 0.607", base)
    assert re.fullmatch(r"&lt;sft&gt;: p 0\.135  \+7\.00  wanted “cat” 0.607", sft)
    assert re.fullmatch(r"dpo: p 0\.368  \+1\.00  wanted “cat” 0.607", dpo)


def test_the_whole_text_is_there_what_is_not_scored_grey() -> None:
    assert '<span class="unscored">An</span>' in page()
    assert "An owl &amp; a &lt;fox&gt; sees" in words(page())


def test_the_table_says_where_kl_was_not_measured() -> None:
    dpo = re.search(r"<tr><td>dpo</td>(.*?)</tr>", page())
    assert dpo is not None
    assert "not measured" in dpo[1]


def test_for_a_notebook_styles_are_in_the_elements() -> None:
    html = fragment()
    assert "class=" not in html
    assert "An owl &amp; a &lt;fox&gt; sees" in words(html)
    assert html.count("border-bottom") == 3


def test_of_a_long_text_a_notebook_shows_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logit_amp_chat.core.export.blame_page.MOST_TOKENS", 2)
    assert "… 3 more tokens not shown" in fragment()
    assert "fox" not in fragment()


def test_of_a_text_that_was_not_read_to_its_end_no_rest_is_shown() -> None:
    html = blame_fragment(STAGES, document(), FOUND[:2], NAMES, "a blame")
    assert "fox" not in html


def test_what_is_written_is_what_stages_wanted_where_tokens_stand_out() -> None:
    assert likeliest([(document(), FOUND)]) == [7]
    assert likeliest([(document(), FOUND[1:2])]) == []
