"""What the README says of keys, exit codes, files and settings is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from logit_amp_chat.tui.commands.main import EXIT_CODES
from logit_amp_chat.tui.keys.actions import ACTIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_it_opens_with_the_two_commands_and_a_picture() -> None:
    head = README.split("\n## ", 1)[0]
    assert "\n    ./setup.sh chat " in head
    assert "\n    ./setup.sh test " in head
    assert head.index("./setup.sh test") < head.index("![")


KEY = r"`(F\d+|ctrl\+.|esc|enter|tab|home|[^\w ]|[a-z1])`"


@pytest.mark.parametrize("title", ["Keys", "Five minutes"])
def test_every_key_in_it_exists(title: str) -> None:
    known = {action.display for action in ACTIONS}
    assert set(re.findall(KEY, section(title))) - known == set()


def test_every_exit_code_is_explained() -> None:
    listed = set(re.findall(r"^\| (\d+) \|", README, re.MULTILINE))
    assert listed == set(re.findall(r"\b\d+\b", EXIT_CODES))


@pytest.mark.parametrize(("package", "next_"), [("core", "tui/"), ("tui", "profiles/")])
def test_the_architecture_names_every_module(package: str, next_: str) -> None:
    picture = section("Architecture").split("```")[1]
    room = picture.split(f"\n{package}/", 1)[1].split(f"\n{next_}", 1)[0]
    modules = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    assert modules - set(re.findall(r"\w+", room)) == set()


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(((?!http)[^)]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_settings_are_those_of_setup() -> None:
    setup = (ROOT / "setup.sh").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE):
        assert f"\n{name} " in setup
