"""The report of a sweep, as a parser reads it: every count can be checked, text stays text."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.counted import CountedSweep, counted
from logit_amp_chat.core.experiments.sweep.counts import Counts
from logit_amp_chat.core.experiments.sweep.functions import Function
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.report import to_html
from logit_amp_chat.core.experiments.sweep.report_replies import MOST, Shown, marked
from logit_amp_chat.core.text import visible
from tests.core import samples
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import toy_sweep
from tests.core.export.test_html import HOSTILE, Page, any_text


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> CountedSweep:
    folder = toy_sweep(tmp_path_factory.mktemp("toy") / "s")
    length = Function("length", lambda text: float(len(text)))
    return counted(folder, [Pattern("habit", "lighthouse"), length])


def page(sweep: CountedSweep, **how: Any) -> Page:
    return Page(to_html(sweep, samples.session(), **how))


def everywhere(sweep: CountedSweep, text: str) -> CountedSweep:
    """The sweep with `text` wherever a text can be."""
    result = sweep.result
    habit, length = result.behaviours
    assert habit.estimate
    estimate = replace(habit.estimate, warnings=(text,))
    habit = replace(habit, name=text, kind=text, definition={text: text}, estimate=estimate)
    prompts = [
        replace(
            one, messages=(("system", text), ("user", text)), begin=text, source=text, place=text
        )
        for one in result.prompts
    ]
    first, *rest = sweep.replies
    marks = Verdict(1.0, spans=((0, len(text)),))
    hit = replace(
        first,
        text=text,
        verdicts={text: marks, "length": Verdict(math.nan, refused=text)},
        weights={text: 1.0, "length": math.nan},
    )
    others = [
        replace(
            one,
            verdicts={text: one.verdicts["habit"], "length": one.verdicts["length"]},
            weights={text: one.weights["habit"], "length": 1.0},
        )
        for one in rest[:5]
    ]
    result = replace(result, behaviours=(habit, length), prompts=tuple(prompts), profile=text)
    return CountedSweep(result, (hit, *others), Counts((), (), ()))


def test_it_needs_no_network_and_no_script(swept: CountedSweep) -> None:
    html = to_html(swept, samples.session())
    read = Page(html)
    (policy,) = [a["content"] for a in read.named("meta") if "content" in a and "http-equiv" in a]
    (style,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not read.named("script")
    assert not any("style" in attributes for _, attributes in read.elements)
    assert not [a for _, a in read.elements if "src" in a]
    assert all(a["href"].startswith("#b") for a in read.named("a"))


def test_every_count_can_be_checked(swept: CountedSweep) -> None:
    read = page(swept)
    hits = [one for one in swept.replies if one.verdicts["habit"].value]
    marks = [text for place, text in read.texts if place.startswith("mark")]
    assert marks == ["lighthouse"] * len(hits)
    articles = [attributes["class"] for attributes in read.named("article")]
    assert articles.count("reply hit") == len(hits)
    assert len(articles) == 2 * len(swept.replies)  # once for each behaviour
    tallies = [text for place, text in read.texts if place.startswith("summary")]
    for alpha, title in ((-1.0, "before"), (0.0, "after"), (1.0, "α +1")):
        for prompt in ("p1", "p2"):
            some = [one for one in swept.replies if (one.alpha, one.prompt) == (alpha, prompt)]
            number = sum(one.verdicts["habit"].value == 1 for one in some)
            noun = "hit" if number == 1 else "hits"
            assert f"{title} · {number} {noun} in 60 replies" in tallies


def test_hits_come_first_with_id_seed_length_and_weight(swept: CountedSweep) -> None:
    html = to_html(swept, samples.session())
    part = html[html.index('<section id="b1">') : html.index('<section id="b2">')]
    for group in part.split("<details><summary>α +1 ")[1:]:
        kinds = re.findall('<article class="(reply hit|reply)">', group.split("</details>")[0])
        assert kinds == sorted(kinds, reverse=True)
    one = next(one for one in swept.replies if one.verdicts["habit"].value)
    weight = f"{one.weights['habit']:.3g}"
    about = f"{one.id} · seed {one.seed} · 2 tokens · hit · weight {weight}"
    assert f'<p class="meta">{about}</p>' in html


def test_numbers_are_in_their_order_with_their_value(swept: CountedSweep) -> None:
    html = to_html(swept, samples.session())
    part = html[html.index('<section id="b2">') :]
    group = part.split("<details><summary>after ")[1].split("</details>")[0]
    found = [float(value) for value in re.findall(r"2 tokens · ([\d.]+) · weight", group)]
    assert len(found) == 60
    assert found == sorted(found, reverse=True)


def test_it_says_what_was_sampled_with_what_and_what_it_is_for(swept: CountedSweep) -> None:
    read = page(swept)
    about = read.text("li")
    for said in ("before: ", "after: ", "torch", "seed 0", "360 replies to 2 prompts", "tokens in"):
        assert said in about
    claims = read.text("p", "claim")
    assert "The rate of habit in replies of after (α 0, τ 0.01, T 1, at most 512 tokens)" in claims
    assert "they are for discovery" in claims
    assert "at most 512 tokens) to p2 is estimated at" in claims
    assert [a["href"] for a in read.named("a")] == ["#b1", "#b2"]
    assert len(read.named("svg")) == 2


def test_fewer_replies_say_so(swept: CountedSweep) -> None:
    read = page(swept, replies=4)
    assert len(read.named("article")) == 2 * 2 * 3 * 4
    assert read.text("summary").count("4 of 60 shown") == 2 * 2 * 3


def test_more_replies_than_open_well_are_cut_for_all_alike() -> None:
    assert Shown.of(MOST, 1, 60, None).each is None
    assert Shown.of(MOST + 60, 1, 60, None).each == MOST // 60
    assert Shown.of(MOST, 2, 60, None).each == MOST // 2 // 60
    assert Shown.of(10**9, 3, 10**6, None).each == 1
    assert Shown.of(10**9, 3, 10, 10**6).each == 10**6


def test_without_a_behaviour_there_are_the_replies(tmp_path: Path) -> None:
    read = page(counted(toy_sweep(tmp_path / "s"), []))
    assert len(read.named("article")) == 360
    assert not read.named("svg")
    assert not read.named("mark")


def test_a_sweep_that_was_cut_off_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s", engine=ToyEngine(stop_after=7))
    read = page(counted(folder, [Pattern("habit", "lighthouse")]))
    assert len(read.named("article")) == 7
    assert "provisional" in read.text("p", "claim")
    none = page(counted(toy_sweep(tmp_path / "none", engine=ToyEngine(stop_after=0)), []))
    assert "There are no replies yet." in none.text("p")


def test_marks_are_within_the_text_and_do_not_overlap() -> None:
    spans = [(4, 6), (-3, 2), (1, 3), (5, 99), (7, 7), (50, 60)]
    assert "".join(marked("abcdefgh", spans)) == (
        "<mark>ab</mark><mark>c</mark>d<mark>ef</mark><mark>gh</mark>"
    )


def shape(read: Page) -> list[tuple[str, str]]:
    return [(name, attributes.get("class", "")) for name, attributes in read.elements]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(swept: CountedSweep, text: str) -> None:
    read = page(everywhere(swept, text))
    assert shape(read) == shape(page(everywhere(swept, "plain")))
    assert read.text("mark") == visible(text)
    shown = visible(text, newlines=False)
    assert shown in read.text("h2")
    assert f"not judged: {shown}" in read.text("p", "meta")
    assert f"every reply begins with: {shown}" in read.text("p", "meta")


@given(any_text.filter(bool))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_stays_text(swept: CountedSweep, text: str) -> None:
    read = page(everywhere(swept, text))
    assert shape(read) == shape(page(everywhere(swept, "plain")))
    assert read.text("mark") == visible(text)
