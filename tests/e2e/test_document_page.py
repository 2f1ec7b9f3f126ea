"""The page of texts that were read, in a real Chromium: figures, keyboard and hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.readings import MOST_TOKENS
from logit_amp_chat.core.text import visible
from tests.browser import CHROMIUM, Browser
from tests.core.export.test_document_page import everywhere
from tests.core.export.test_html import HOSTILE
from tests.core.read_texts import Word, reading
from tests.core.samples import session

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="neither Chromium nor Chrome is installed (Debian: apt-get install chromium)",
)

PANEL = "document.getElementById('panel').innerText"
SECONDS = 20.0
"""What the largest page may take to open here, where two cores are shared."""

GAP: list[Word] = [(" x", 0.0)] * 20
WORDS: list[Word] = [*GAP, (" loud", 3.0), (" x", 1.5), *GAP, (" low", -2.5), *GAP]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("chromium"))
    yield one
    one.close()


def opened(browser: Browser, folder: Path, page: str) -> tuple[Path, float]:
    browser.messages.clear()
    browser.requests.clear()
    path = folder / "diff.html"
    path.write_text(page, encoding="utf-8")
    return path, browser.open(path)


def test_a_token_of_a_hunk_shows_its_figures_and_candidates(
    browser: Browser, tmp_path: Path
) -> None:
    path, _ = opened(browser, tmp_path, to_html([session(), *reading(WORDS)]))
    browser.point(".hunk span.x")
    panel = browser.look(PANEL)
    assert "token 21 of 63" in panel
    assert "“·loud”" in panel
    assert "+3.00 nats" in panel
    assert "“·other”" in panel
    browser.point(".hunk span:not(.x)")
    assert "No candidates were kept here." in browser.look(PANEL)
    assert browser.requests == [path.as_uri()]
    assert browser.messages == []


def test_the_keys_go_to_the_tokens_that_reach_the_threshold(
    browser: Browser, tmp_path: Path
) -> None:
    """“ x” with 1.5 nats stands out as a reply's token would, and not in this text."""
    opened(browser, tmp_path, to_html(reading(WORDS)))
    browser.point(".hunk span.x", click=True)
    assert "token 21 of 63" in browser.look(PANEL)
    browser.press("n")
    assert "token 43 of 63" in browser.look(PANEL)
    browser.press("ArrowLeft")
    assert "token 42 of 63" in browser.look(PANEL)
    browser.press("N")
    assert "token 21 of 63" in browser.look(PANEL)


def test_what_stands_out_has_a_frame_and_a_sign_in_every_colouring(
    browser: Browser, tmp_path: Path
) -> None:
    opened(browser, tmp_path, to_html(reading(WORDS)))
    frame = "getComputedStyle(document.querySelector('.hunk span{}')).boxShadow"
    for choice in ("by-", "by-kl", "by-shift"):
        browser.look(f"document.getElementById('{choice}').click()")
        assert "2px" in browser.look(frame.format(".x"))
        assert browser.look(frame.format(":not(.x)")) == "none"
    sign = "getComputedStyle(document.querySelector('.hunk .{}'), '::before').content"
    assert [browser.look(sign.format(name)) for name in ("more", "less")] == ['"+"', '"−"']


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(
    browser: Browser, tmp_path: Path, text: str
) -> None:
    path, _ = opened(browser, tmp_path, to_html(everywhere(text)))
    browser.point(".text span")
    assert browser.look("document.title") == "A pair"
    shown = browser.look("document.querySelector('.text span').textContent")
    assert shown == visible(text, newlines=False)
    assert browser.look("document.scripts.length") == 3
    assert browser.look("document.images.length") == 0
    assert browser.requests == [path.as_uri()]
    assert browser.messages == []


def test_the_largest_page_opens(browser: Browser, tmp_path: Path) -> None:
    """40,000 tokens that all stand out and have candidates."""
    words: list[Word] = [("loud", 3.0)] * (MOST_TOKENS + 1000)
    path, seconds = opened(browser, tmp_path, to_html(reading(words)))
    assert path.stat().st_size < 25_000_000
    assert seconds < SECONDS
    browser.point(".hunk span.x")
    assert f"token 1 of {MOST_TOKENS + 1000}" in browser.look(PANEL)
