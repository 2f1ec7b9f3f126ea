"""A stranger's text through every widget and every export, read back from a real pty.

LOGIT_AMP_HOSTILE=10000 makes the long run of it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import re
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from textual.screen import Screen
from textual.widget import Widget

import logit_amp_chat.tui
from logit_amp_chat.core.export import FORMATS, export
from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.e2e.chat import environment
from tests.e2e.terminal import Terminal
from tests.security.hostile import hostile_texts, raw_controls
from tests.security.hostile_app import conversation
from tests.tui.chat_driver import demo_profile

CASES = int(os.environ.get("LOGIT_AMP_HOSTILE", "100"))
BATCH = 100
ROOT = Path(__file__).parents[2]
COLUMNS, ROWS = 120, 240
SILENT, LONGEST = 60.0, 600.0  # seconds: a tour that hangs says nothing

# Parts of words and emoji, which stay in a text that is edited.
JOINERS = "\u200c\u200d"

# Everything that the app itself may send: colours, places on this screen, modes, and questions
# to the terminal that it asks when it starts.
OURS = re.compile(
    r"\x1b\[[0-9;]*m"
    r"|\x1b\[(\d+);(\d+)H"
    r"|\x1b\[\?(?:1000|1002|1003|1004|1006|1015|1016|1049|2004|2026|2031|2048|25|7)[hl]"
    r"|\x1b\[\?(?:2026|2048)\$p"
    r"|\x1b\[[<>][0-9;]*u"
    r"|\x1b\]22;[a-z]*\x07|\x1b\[\?1u|\x1b\[c|\x1b\[6n|\x1b\[\?996n|\x1b\[16t|\x1b\[H"
)


def left_over(raw: bytes) -> list[str]:
    """What a terminal would obey and the app did not mean to send; raises on broken UTF-8."""
    text = raw.decode()
    for place in OURS.finditer(text):
        if place[1]:
            assert int(place[1]) <= ROWS
            assert int(place[2]) <= COLUMNS
    plain = OURS.sub("", text)
    return [
        f"{found!r} in {plain[max(0, at - 30) : at + 30]!r}"
        for at, found in enumerate(plain)
        if raw_controls(found, allowed=f"\r\n{JOINERS}")
    ]


def every_widget() -> set[str]:
    """The widgets and screens that are ours, but for those that only others derive from."""
    found: set[type] = set()
    ours = "logit_amp_chat.tui."
    for module in pkgutil.walk_packages(logit_amp_chat.tui.__path__, ours):
        loaded = importlib.import_module(module.name)
        found |= {
            kind
            for _, kind in inspect.getmembers(loaded, inspect.isclass)
            if issubclass(kind, Widget | Screen) and kind.__module__.startswith(ours)
        }
    bases = {base for kind in found for base in kind.__mro__[1:]}
    return {kind.__name__ for kind in found - bases}


def exit_code(terminal: Terminal) -> int:
    """Read to the end; fails where nothing comes for a minute, or it takes too long in all."""
    began = time.monotonic()
    while not terminal.ended:
        read = len(terminal.raw)
        terminal.until(lambda: terminal.ended or len(terminal.raw) > read, SILENT)  # noqa: B023
        assert time.monotonic() - began < LONGEST
    return terminal.exit_code()


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return hostile_texts(CASES)


def test_every_widget_in_a_terminal(
    texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where pictures of the screen are put
    seen: set[str] = set()
    for number in range(0, len(texts), BATCH):
        folder = tmp_path / str(number)
        folder.mkdir()
        batch = texts[number : number + BATCH]
        (folder / "texts.json").write_text(json.dumps(batch + ["x"] * max(0, 3 - len(batch))))
        terminal = Terminal(
            [sys.executable, "-m", "tests.security.hostile_app", str(folder)],
            environment(
                XDG_CONFIG_HOME=str(folder / "config"),
                PYTHONPATH=str(ROOT),
                VISUAL="true",  # an editor that leaves the message as it is; vi would wait
            ),
            columns=COLUMNS,
            rows=ROWS,
        )
        terminal._stream.feed = lambda _: None  # the bytes are what is looked at
        code = exit_code(terminal)
        terminal.close()
        assert code == 0, bytes(terminal.raw[-3000:]).decode(errors="replace")
        assert left_over(bytes(terminal.raw)) == []
        seen |= set(json.loads((folder / "seen.json").read_text()))
    assert every_widget() <= seen


class Tags(HTMLParser):
    """The elements and attributes of a page, and what of it would run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, tuple(name for name, _ in attrs)))
        self.scripts += tag == "script"


def page(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    return tags


def test_every_export(texts: list[str], tmp_path: Path) -> None:
    """No export has an unseen character; a page has the elements of a harmless one, no more."""
    path = tmp_path / "chat.jsonl"

    def write(words: list[str]) -> None:
        lines = [to_line(record) for record in conversation(words, demo_profile(title=words[0]))]
        path.write_text("".join(f"{line}\n" for line in lines))

    write([*["plain", "words", "and", "nothing", "else"] * (BATCH // 5), "x"])
    harmless = page(export(path, "html"))
    for number in range(0, len(texts), BATCH):
        write([*texts[number : number + BATCH], "x"])
        for form in FORMATS:
            document = export(path, form)
            if form == "json":
                json.loads(document)
            else:
                assert not raw_controls(document), form
        found = page(export(path, "html"))
        assert found.elements <= harmless.elements
        assert found.scripts == harmless.scripts
