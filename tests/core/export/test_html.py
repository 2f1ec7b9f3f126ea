"""The page that a conversation becomes, as a parser reads it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.page_tokens import CANDIDATES
from logit_amp_chat.core.records import Candidate, Change, Name, Note, Record
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.text import visible
from tests.core.samples import conversation, finish, message, reply, session, step

VOID = {"meta", "input", "br", "link", "img"}
HOSTILE = [
    "</script><script>document.title='x'</script>",
    '"><img src=x onerror=alert(1)>',
    "<!-- <script>",
    "</style></title></textarea>]]>",
    "${style} $style $title &lt; &amp;",
    "' onmouseover='alert(1)",
    "\x00\x1b]0;x\x07\u202e\u2028\x9b",
]
any_text = st.text(st.characters(exclude_categories=()) | st.sampled_from("<>&\"'$`\n\x1b\u202e"))


class Page(HTMLParser):
    """Elements with their attributes, and the text of each class, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            names = dict(attrs).get("class") or ""
            self._open.append(f"{tag}.{names}")

    def handle_endtag(self, tag: str) -> None:
        while self._open and not self._open.pop().startswith(f"{tag}."):
            pass

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str, inside: str = "") -> str:
        start = f"{tag}.{inside}"
        return "".join(text for place, text in self.texts if place.startswith(start))

    def data(self, id: str) -> Any:
        scripts = [text for place, text in self.texts if place == "script."]
        names = [attributes.get("id") for attributes in self.named("script")]
        return json.loads(scripts[names.index(id)])


def page(*records: Record) -> Page:
    return Page(to_html(records))


def test_the_text_is_there_token_by_token_with_its_marks() -> None:
    read = page(*conversation())
    assert read.text("div", "said") == "Otters?And crabs?"
    assert "By the way" in read.text("span")
    assert "‹α +2›" in read.text("mark")
    assert [a["class"] for a in read.named("article")] == ["lane before", "lane amplified"]
    assert read.text("h3").endswith("B beforeα +1 → α +2")


def test_lanes_of_one_turn_stand_side_by_side_and_other_replies_below() -> None:
    other = reply("r-9", alpha=1, lane="amplified")
    other = dataclasses.replace(other, seed=8)
    read = page(*conversation(), other, step(0, "Else", reply="r-9"), finish("r-9"))
    assert "2 other replies to this message" in read.text("summary")
    assert [a["class"] for a in read.named("div")].count("lanes") == 2


@pytest.mark.parametrize(
    ("alpha", "title", "colour"),
    [(-1, "B before", "before"), (-0.5, "α −0.5", "before"), (0, "A after", "after"),
     (0.5, "α +0.5", "amplified")],
)  # fmt: skip
def test_a_lane_has_the_title_and_colour_of_its_alpha_whatever_its_key(
    alpha: float, title: str, colour: str
) -> None:
    read = page(message(), reply(alpha=alpha), step(0, "a", alpha=alpha), finish())
    assert read.text("h3") == title
    assert read.named("article")[0]["class"] == f"lane {colour}"
    assert read.data("r1")[0][0] == title


def test_a_token_has_the_same_colour_as_on_the_screen() -> None:
    one = step(0, "a")
    read = page(message(), reply(), one, finish())
    classes = read.named("span")[0]["class"].split()
    for metric in TOKEN_METRICS.values():
        level, mark = metric.level(one), metric.mark(one)
        shown = f"{metric.id[0]}{level}".replace("-", "_")
        assert (shown in classes) == (level != 0)
        assert (f"{metric.id[0]}{mark[:1]}" in classes) == bool(mark)
    style = read.text("style")
    for metric in TOKEN_METRICS.values():
        for dark in (True, False):
            for level in range(1, len(metric.bounds) + 1):
                colours = metric.colours(level, dark=dark)
                assert colours
                assert f"--{metric.id[0]}{level}:{colours.ground};" in style


def test_the_numbers_of_a_step_are_in_the_page_to_the_last_digit() -> None:
    one = step(0, "a")
    read = page(message(), reply(), one, finish())
    (data,) = read.data("r1")
    assert data[0] == "α +1"
    assert read.data("tokens")[data[1]] == [one.token, "a"]
    assert data[2:5] == ["∞", one.kl_amplified, one.entropy]
    assert data[5] == [None, one.logp.after, one.logp.amplified]
    assert data[6] == [one.rank.before, one.rank.after, one.rank.amplified]


def test_of_many_candidates_the_most_probable_and_the_chosen_are_kept() -> None:
    many = tuple(Candidate(i, f"t{i}", -1.0 - i, -2.0 - i, -3.0 - i) for i in range(20))
    one = dataclasses.replace(step(0, "t19"), token=19, top=many)
    (data,) = page(message(), reply(), one, finish()).data("r1")
    assert len(data[7]) == 4 * (CANDIDATES + 1)
    assert data[7][1::4] == [*(-1.0 - i for i in range(CANDIDATES)), -20.0]


def test_candidates_that_tau_removed_are_told_apart() -> None:
    """By the τ that was in force at the step: here 0.01, then 0."""
    top = tuple(Candidate(i, f"t{i}", -1.0, math.log(p), -1.0) for i, p in enumerate((0.9, 1e-4)))
    first, second = (dataclasses.replace(step(i, "t0"), token=0, top=top) for i in range(2))
    change = Change(reply="r-1", index=1, sampling=Sampling(plausibility=0))
    read = page(message(), reply(), first, change, second, finish())
    tokens = read.data("tokens")
    assert [[tokens[i][1] for i in data[8]] for data in read.data("r1")] == [["t1"], []]


def test_forks_are_marked_in_every_lane() -> None:
    records: list[Record] = [message()]
    for name, lane, alpha, said in (("r-1", "before", -1, "ab"), ("r-2", "after", 0, "ac")):
        records += [reply(name, lane=lane, alpha=alpha)]
        for place, token in enumerate(said):
            one = step(place, token, reply=name, alpha=alpha)
            records.append(dataclasses.replace(one, token=ord(token)))
        records.append(finish(name))
    spans = [set(a.get("class", "").split()) for a in page(*records).named("span")]
    assert ["c" in classes for classes in spans] == [True, False, True, False]
    assert ["x" in classes for classes in spans] == [False, True, False, True]


def test_notes_and_names_are_shown_where_they_belong() -> None:
    said: list[Record] = [message(), reply(), step(0, "a"), finish()]
    notes: list[Record] = [Note(about="m-1", text="odd"), Note(about="r-1", text="rare", step=0),
             Name(reply="r-1", text="the habit")]  # fmt: skip
    read = page(*said, *notes)
    assert "Note: odd" in read.text("p", "note")
    assert "Note on token 1 “a”: rare" in read.text("p", "note")
    assert "noted" in read.named("span")[0]["class"]
    assert "the habit" in read.text("small")


def test_an_edit_says_what_it_follows_and_links_there() -> None:
    read = page(*conversation(), message("m-3", "r-2"))
    assert {"href": "#m1"} in read.named("a")
    assert "m1" in [a.get("id") for a in read.named("section")]


def test_it_needs_nothing_from_elsewhere_and_allows_nothing_else() -> None:
    said = to_html(conversation())
    read = Page(said)
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in read.elements}
    assert not any("src" in attributes or "style" in attributes for _, attributes in read.elements)
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    assert not re.search(r"url\(|@import|https?:", read.text("style"))
    policy = next(a["content"] for a in read.named("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; ")
    script = said.rsplit("<script>", 1)[1].split("</script>")[0]
    for text in (read.text("style"), script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def everywhere(text: str) -> list[Record]:
    """A conversation that has `text` wherever a text can be."""
    opened = session()
    opened.profile["title"] = text
    opened.versions[text] = text
    opened = dataclasses.replace(opened, device=text)
    one = step(0, text)
    one = dataclasses.replace(one, top=(Candidate(1, text, -1.0, -1.0, -1.0),))
    return [
        opened, message(text=text), reply(lane=text), one, finish(),
        Note(about="m-1", text=text), Note(about="r-1", text=text, step=0),
        Name(reply="r-1", text=text),
    ]  # fmt: skip


def shape(read: Page) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in read.elements]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    read = page(*everywhere(text))
    assert shape(read) == shape(page(*everywhere("plain")))
    shown = visible(text)
    assert read.text("div", "said") == shown
    assert read.text("title") == visible(text, newlines=False)
    assert [1, shown] in read.data("tokens")


@given(any_text.filter(bool))
def test_any_text_stays_text(text: str) -> None:
    read = page(*everywhere(text))
    assert shape(read) == shape(page(*everywhere("plain")))
    assert read.text("div", "said") == visible(text)


def test_a_thousand_tokens_are_half_a_megabyte() -> None:
    top = tuple(Candidate(i, f" token{i}", -11.123456, -12.123456, -13.123456) for i in range(20))
    steps = [dataclasses.replace(step(i, " token"), top=top) for i in range(1000)]
    assert len(to_html([message(), reply(), *steps, finish()]).encode()) < 600_000
