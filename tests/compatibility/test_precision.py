"""What the page of precisions says; `python -m tests.compatibility.precision` measures it."""

from __future__ import annotations

import re

from tests.compatibility.precision import DEMO, KINDS, PAGE, PRECISIONS

ROW = re.compile(r"^\| ([^|]+?) \| (\w+) \|.*\| ([\d.e+-]+) \|$", re.MULTILINE)


def rooms(heading: str) -> dict[tuple[str, str], float]:
    """Room by pair and precision, in the section under a heading."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return {(pair, precision): float(room) for pair, precision, room in ROW.findall(section)}


def test_every_right_pair_passes_with_room_to_spare() -> None:
    measured = rooms("One by one")
    assert {pair for pair, _ in measured} == {*KINDS, DEMO} - {"jamba"}
    assert min(measured.values()) > 1.5
    assert min(room for (_, precision), room in measured.items() if precision != "int8") > 2


def test_what_is_wrong_passes_in_no_16_bits_and_not_in_32() -> None:
    measured = rooms("Wrong in chunks")
    assert {*PRECISIONS} >= {precision for _, precision in measured} >= {"bfloat16", "float16"}
    assert max(room for (_, precision), room in measured.items() if precision != "int8") < 1
