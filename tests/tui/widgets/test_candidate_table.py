"""The table of candidates: what it says of each token, and what it leaves out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rich.style import Style

from logit_amp_chat.core.analysis.alpha_crossover import Overtaking
from logit_amp_chat.core.records import Candidate
from logit_amp_chat.tui.widgets.candidate_table import CandidateTable, ordered, overtakes_at
from tests.core.samples import step


@pytest.mark.parametrize(
    ("at", "above", "shown"),
    [(2.3, True, "≥+2.30"), (-0.4, False, "≤−0.40"), (-0.001, True, "≥0.00"),
     (10.0, True, "≥+10.00"), (10.01, True, "–"), (-140.6, False, "–")],
)  # fmt: skip
def test_an_alpha_that_no_one_would_use_is_not_shown(at: float, above: bool, shown: str) -> None:
    assert overtakes_at(Overtaking(at, above, ahead=False)) == shown


def candidate(id: int, text: str, after: float, amplified: float) -> Candidate:
    return Candidate(id, text, math.log(0.01), math.log(after), math.log(amplified))


CHOSEN, LIKELY = candidate(1, "in", 0.6, 0.02), candidate(2, "on", 0.3, 0.02)
REMOVED = candidate(3, "black", 0.001, 0.96)
STEP = replace(step(0, "in"), token=1, top=(REMOVED, CHOSEN, LIKELY))


def table(order: str = "α", masked: frozenset[int] = frozenset({3})) -> CandidateTable:
    """Wide, with styles that only have the name that was asked for."""
    found = ordered(STEP, order, masked)
    return CandidateTable(STEP, found, masked, order, 100, lambda name: Style(meta={"is": name}))


def test_a_candidate_that_tau_removed_is_marked_and_muted_and_overtakes_nothing() -> None:
    removed, chosen, likely = (table().row(place) for place in range(3))
    assert [line[0].text for line in (removed, chosen, likely)] == ["×", "▸", " "]
    assert {part.style.meta["is"] for part in removed if part.style} == {"muted"}
    assert len({part.style.meta["is"] for part in likely if part.style}) > 1
    assert removed[-1].text.strip() == ""
    assert likely[-1].text.strip() != ""
    unmasked = table(masked=frozenset()).row(0)
    assert unmasked[0].text == " "
    assert unmasked[-1].text.strip() != ""


def test_a_given_token_that_tau_would_have_removed_is_still_the_chosen_one() -> None:
    assert table(masked=frozenset({1})).row(1)[0].text == "▸"


def test_what_tau_removed_is_no_rival() -> None:
    assert [one.id for one in ordered(STEP, "closest rival", frozenset({3}))] == [1, 2, 3]


def test_a_crossing_with_a_token_that_alpha_does_not_change_is_not_shown() -> None:
    found = ordered(STEP, "α")
    style = {"width": 100, "style": lambda name: Style(meta={"is": name})}
    lines = [
        "".join(part.text for part in CandidateTable(
            STEP, found, frozenset(), "α", fixed=fixed, **style,  # type: ignore[arg-type]
        ).row(found.index(LIKELY)))
        for fixed in (frozenset[int](), frozenset({2}))
    ]  # fmt: skip
    assert [line.split()[-1] for line in lines] != ["–", "–"]
    assert lines[1].split()[-1] == "–"
