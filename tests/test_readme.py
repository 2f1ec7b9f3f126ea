"""What the README says of keys, exit codes, rooms, files and settings is so."""

from __future__ import annotations

import re
import tomllib
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


TASKS = ["Chat and change α", "Compare", "Inspect and branch", "Export and share"]


@pytest.mark.parametrize("title", ["Keys", "Five minutes", *TASKS])
def test_every_key_in_it_exists(title: str) -> None:
    known = {action.display for action in ACTIONS}
    assert set(re.findall(KEY, section(title))) - known == set()


def test_every_exit_code_is_explained() -> None:
    listed = set(re.findall(r"^\| (\d+) \|", README, re.MULTILINE))
    assert listed == set(re.findall(r"\b\d+\b", EXIT_CODES))


@pytest.mark.parametrize("package", ["core", "tui"])
def test_the_architecture_names_every_room_and_top_level_module(package: str) -> None:
    tree = section("Architecture").split("```")[1]
    listed = tree.split(f"\n{package}/", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    folder = ROOT / package
    rooms = {f"{file.parent.relative_to(folder)}/" for file in folder.rglob("*/__init__.py")}
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert {line.split()[0] for line in listed} == rooms | modules
    assert all(len(line.split()) > 1 for line in listed)


@pytest.mark.parametrize("package", ["core", "tui"])
def test_the_architecture_is_in_the_order_in_which_rooms_may_import(package: str) -> None:
    tree = section("Architecture").split("```")[1].split(f"\n{package}/", 1)[1]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (
        contract["layers"]
        for contract in contracts["contracts"]
        if contract.get("containers") == [f"logit_amp_chat.{package}"]
    )
    names = re.findall(r"^  (\w+)/? ", tree.split("\n\n", 1)[0], re.MULTILINE)
    floor = {room: n for n, layer in enumerate(layers) for room in layer.split(" | ")}
    assert names == sorted(names, key=lambda name: floor[name])


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(((?!http)[^)]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_settings_are_those_of_setup() -> None:
    setup = (ROOT / "setup.sh").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE):
        assert f"\n{name} " in setup
