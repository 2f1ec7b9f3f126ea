"""The report of a sweep in a real Chromium: folded replies, marks, themes, and hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.sweep.counted import CountedSweep, counted
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.report import to_html
from logit_amp_chat.core.text import visible
from tests.browser import CHROMIUM, Browser
from tests.core import samples
from tests.core.experiments.sweep.test_report import everywhere, swept
from tests.core.experiments.sweep.toy_sweep import toy_sweep
from tests.core.export.test_html import HOSTILE

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="neither Chromium nor Chrome is installed (Debian: apt-get install chromium)",
)

SECONDS = 20.0
"""What the largest page may take to open here, where two cores are shared."""

SENTENCE = "Penguins are black and white. They live in the cold south and eat fish and krill. "

__all__ = ["swept"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("chromium"))
    yield one
    one.close()


def opened(browser: Browser, folder: Path, sweep: CountedSweep) -> tuple[Path, float]:
    browser.messages.clear()
    browser.requests.clear()
    path = folder / "sweep.html"
    path.write_text(to_html(sweep, samples.session()), encoding="utf-8")
    return path, browser.open(path)


def test_replies_are_folded_up_until_they_are_wanted(
    browser: Browser, tmp_path: Path, swept: CountedSweep
) -> None:
    path, _ = opened(browser, tmp_path, swept)
    assert browser.look("document.querySelector('mark').checkVisibility()") is False
    browser.point("#b1 > details > summary", click=True)
    browser.point("#b1 > details[open] > details:last-of-type > summary", click=True)
    shown = "#b1 > details[open] > details[open] .reply"
    assert browser.look(f"document.querySelector('{shown} mark').checkVisibility()") is True
    assert browser.look(f"document.querySelectorAll('{shown}').length") == 60
    assert browser.requests == [path.as_uri()]
    assert browser.messages == []


def test_a_mark_stands_out_in_both_themes(
    browser: Browser, tmp_path: Path, swept: CountedSweep
) -> None:
    opened(browser, tmp_path, swept)
    ground = "getComputedStyle(document.querySelector('mark')).backgroundColor"
    colours = {}
    for theme in ("light", "dark"):
        browser.point(f"#{theme}", click=True)
        colours[theme] = browser.look(ground)
    assert colours == {"light": "rgb(175, 95, 0)", "dark": "rgb(255, 175, 95)"}


def test_the_curve_is_drawn_in_the_colours_of_the_lanes(
    browser: Browser, tmp_path: Path, swept: CountedSweep
) -> None:
    opened(browser, tmp_path, swept)
    box = "document.querySelector('svg').getBoundingClientRect().{}"
    assert browser.look(box.format("width")) > 400
    assert browser.look(box.format("height")) > 150
    fill = "getComputedStyle(document.querySelector('svg circle.{}')).fill"
    assert browser.look(fill.format("before")) == "rgb(0, 95, 175)"
    assert browser.look(fill.format("amplified")) == "rgb(175, 95, 0)"


def test_a_narrow_screen_scrolls_down_alone(
    browser: Browser, tmp_path: Path, swept: CountedSweep
) -> None:
    browser.ask("Emulation.setDeviceMetricsOverride", width=420, height=800,
                deviceScaleFactor=1, mobile=False)  # fmt: skip
    try:
        opened(browser, tmp_path, swept)
        assert browser.look("document.documentElement.scrollWidth") <= 420
    finally:
        browser.ask("Emulation.setDeviceMetricsOverride", width=1400, height=900,
                    deviceScaleFactor=1, mobile=False)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(
    browser: Browser, tmp_path: Path, swept: CountedSweep, text: str
) -> None:
    path, _ = opened(browser, tmp_path, everywhere(swept, text))
    assert browser.look("document.title") == "Sweep: A pair"
    assert browser.look("document.querySelector('mark').textContent") == visible(text)
    assert browser.look("document.scripts.length") == 0
    assert browser.look("document.images.length") == 0
    assert browser.requests == [path.as_uri()]
    assert browser.messages == []


def test_ten_thousand_replies_open(browser: Browser, tmp_path: Path) -> None:
    """Of 250 characters each, all of them on the page."""
    found = counted(toy_sweep(tmp_path / "s"), [Pattern("habit", "lighthouse")])
    replies = [
        replace(one, id=f"{one.id}:{copy}", text=SENTENCE * 3 + one.text)
        for copy in range(28)
        for one in found.replies
    ]
    swept = CountedSweep(found.result, tuple(replies), found.counts)
    path, seconds = opened(browser, tmp_path, swept)
    assert len(replies) == 10_080
    assert path.stat().st_size < 10_000_000
    assert seconds < SECONDS
    assert browser.look("document.querySelectorAll('.reply').length") == 10_080
    browser.look("document.querySelectorAll('details').forEach(d => d.open = true)")
    browser.point("mark")
    assert browser.look("document.querySelector('mark').checkVisibility()") is True
