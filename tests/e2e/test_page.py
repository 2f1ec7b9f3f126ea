"""The exported page in a real Chromium: colours, figures, keyboard, paper, and hostile text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.records import Candidate, Record
from logit_amp_chat.core.text import visible
from tests.browser import CHROMIUM, Browser
from tests.core.export.test_html import HOSTILE, everywhere
from tests.core.samples import conversation, finish, message, reply, step

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="neither Chromium nor Chrome is installed (Debian: apt-get install chromium)",
)

PANEL = "document.getElementById('panel').innerText"
BACKGROUND = "getComputedStyle(document.querySelector('{}')).backgroundColor"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("chromium"))
    yield one
    one.close()


@pytest.fixture
def quiet(browser: Browser) -> Browser:
    """The browser, with nothing said and nothing asked for yet."""
    browser.messages.clear()
    browser.requests.clear()
    browser.dark(False)
    return browser


def shown(browser: Browser, folder: Path, records: Iterable[Record]) -> Path:
    path = folder / "chat.html"
    path.write_text(to_html(records), encoding="utf-8")
    browser.open(path)
    return path


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_it_loads_nothing_else_and_complains_of_nothing(quiet: Browser, tmp_path: Path) -> None:
    path = shown(quiet, tmp_path, conversation())
    assert quiet.requests == [path.as_uri()]
    assert quiet.messages == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(quiet: Browser, tmp_path: Path, text: str) -> None:
    path = shown(quiet, tmp_path, everywhere(text))
    quiet.point(".text span")
    assert quiet.look("document.title").split() == visible(text, newlines=False).split()
    assert quiet.look("document.querySelector('.said').textContent") == visible(text)
    assert quiet.look("document.querySelector('.text span').textContent") == visible(text)
    assert quiet.look("document.scripts.length") == 3
    assert quiet.look("document.images.length") == 0
    token = visible(text).replace(" ", "·").replace("\t", "␉")
    assert f"“{token}”" in quiet.look(PANEL)
    assert quiet.requests == [path.as_uri()]
    assert quiet.messages == []


def test_what_is_injected_all_the_same_may_not_run(quiet: Browser, tmp_path: Path) -> None:
    page = to_html([message(), reply(), step(0, "a"), finish()])
    path = tmp_path / "changed.html"
    bad = "<script>document.title='ran'</script><img src=http://127.0.0.1:9/x onerror=x()>"
    path.write_text(page.replace("</main>", f"{bad}</main>"), encoding="utf-8")
    quiet.open(path)
    assert quiet.look("document.title") == "Conversation"
    assert quiet.look("document.images[0].naturalWidth") == 0
    assert any("Content Security Policy" in said for said in quiet.messages)


def test_the_pointer_and_the_keys_show_what_each_model_wanted(
    quiet: Browser, tmp_path: Path
) -> None:
    shown(quiet, tmp_path, [message(), reply(), step(0, "By"), step(1, " the"), finish()])
    assert "Point at a token" in quiet.look(PANEL)
    quiet.point(".text span:nth-of-type(2)")
    panel = quiet.look(PANEL)
    assert "token 2 of 2" in panel
    assert "“·the”" in panel
    assert "−∞" in panel  # log p before
    assert "0.368" in panel  # exp(−1), after
    assert "∞ nats" in panel  # the divergence
    quiet.point("h1")
    assert "Point at a token" in quiet.look(PANEL)
    quiet.look("document.getElementById('by-kl').focus()")
    quiet.press("Tab", "Tab")  # over the choice of a theme
    assert "token 1 of 2" in quiet.look(PANEL)
    quiet.press("ArrowRight")
    assert "token 2 of 2" in quiet.look(PANEL)
    quiet.press("Home")
    assert "token 1 of 2" in quiet.look(PANEL)
    quiet.press("n")
    assert "token 2 of 2" in quiet.look(PANEL)
    quiet.press("Escape")
    assert "Point at a token" in quiet.look(PANEL)


def test_thinking_is_folded_until_the_keys_enter_it(quiet: Browser, tmp_path: Path) -> None:
    said = ["<think>", "Hm", "</think>", "Four", "."]
    shown(quiet, tmp_path, [message(), reply(), *map(step, range(5), said), finish(tokens=5)])
    opened = "document.querySelector('details').open"
    assert quiet.look(opened) is False
    quiet.point(".text > span")
    assert "token 4 of 5" in quiet.look(PANEL)
    quiet.look("document.querySelector('summary').focus()")
    quiet.press("Tab")
    assert "token 4 of 5" in quiet.look(PANEL)
    quiet.press("ArrowLeft", "ArrowLeft")
    assert "token 2 of 5" in quiet.look(PANEL)
    assert quiet.look(opened) is True


def test_a_candidate_that_tau_removed_has_a_mark(quiet: Browser, tmp_path: Path) -> None:
    top = tuple(Candidate(i, f"t{i}", -1.0, math.log(p), -1.0) for i, p in enumerate((0.9, 1e-4)))
    shown(quiet, tmp_path, [message(), reply(), replace(step(0, "t0"), token=0, top=top), finish()])
    quiet.point(".text span")
    mark = "getComputedStyle(document.querySelector('tr.masked td.name'), '::before').content"
    assert quiet.look(mark) == '"×"'
    assert quiet.look("document.querySelector('tr.masked').innerText").startswith("“t1”")
    assert quiet.look("document.querySelectorAll('tr.masked').length") == 1


def test_light_and_dark_follow_the_system_until_one_is_chosen(
    quiet: Browser, tmp_path: Path
) -> None:
    records: list[Record] = [message(), reply(), step(0, "By"), finish()]
    shown(quiet, tmp_path, records)
    entropy = TOKEN_METRICS["entropy"]
    level = entropy.level(step(0, "By"))
    light, dark = (entropy.colours(level, dark=dark) for dark in (False, True))
    assert light
    assert dark
    ground = BACKGROUND.format(".text span")
    quiet.look("document.getElementById('by-entropy').click()")
    assert quiet.look(ground) == rgb(light.ground)
    quiet.dark(True)
    assert quiet.look(ground) == rgb(dark.ground)
    quiet.look("document.getElementById('light').click()")
    assert quiet.look(ground) == rgb(light.ground)
    quiet.look("document.getElementById('dark').click()")
    quiet.dark(False)
    assert quiet.look(ground) == rgb(dark.ground)
    quiet.look("document.getElementById('by-').click()")
    assert quiet.look(ground) == "rgba(0, 0, 0, 0)"


def test_without_scripts_the_text_and_its_colours_are_there(quiet: Browser, tmp_path: Path) -> None:
    quiet.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shown(quiet, tmp_path, conversation())
        assert "By the way" in quiet.look("document.querySelector('main').textContent")
        assert "scripts are switched off" in quiet.look(PANEL)
        assert quiet.look(BACKGROUND.format(".k5")) != "rgba(0, 0, 0, 0)"
    finally:
        quiet.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_on_paper_there_are_no_controls_and_nothing_is_folded(
    quiet: Browser, tmp_path: Path
) -> None:
    more: list[Record] = [reply("r-9"), step(0, "Folded", reply="r-9"), finish("r-9")]
    shown(quiet, tmp_path, [*conversation(), *more])
    quiet.look("dispatchEvent(new Event('beforeprint')), 0")
    quiet.ask("Emulation.setEmulatedMedia", media="print")
    try:
        assert quiet.look("document.getElementById('panel').offsetHeight") == 0
        assert quiet.look("document.querySelector('fieldset').offsetHeight") == 0
        assert quiet.look("document.querySelector('details').open")
    finally:
        quiet.ask("Emulation.setEmulatedMedia", media="")
    paper = tmp_path / "chat.pdf"
    quiet.paper(paper)
    assert paper.read_bytes().startswith(b"%PDF")
