"""What a token's colour says."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from logit_amp_chat.core.analysis.palette import contrast, luminance
from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS, TokenMetric
from logit_amp_chat.core.records import LogProbs, Ranks, Step

LEVELS = range(1, 6)
# What protanopes and deuteranopes see of linear RGB (Viénot, Brettel and Mollon 1999).
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.112, 0.888, 0.0), (0.112, 0.888, 0.0), (0.004, -0.004, 1.0)),
    "deutan": ((0.292, 0.708, 0.0), (0.292, 0.708, 0.0), (-0.022, 0.022, 1.0)),
}


def step(**changed: object) -> Step:
    plain = Step(
        reply="r",
        index=0,
        alpha=1.0,
        token=1,
        text="x",
        logp=LogProbs(-1.0, -1.0, -1.0),
        rank=Ranks(1, 1, 1),
        kl=0.0,
        kl_amplified=0.0,
        entropy=0.0,
    )
    return dataclasses.replace(plain, **changed)  # type: ignore[arg-type]


def seen(colour: str, matrix: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    """CIE Lab of a colour as an eye sees it."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    r, g, b = (max(0.0, sum(m * v for m, v in zip(row, linear, strict=True))) for row in matrix)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize(
    ("name", "shown", "value"),
    [
        ("kl", step(kl=1.5), 1.5),
        ("shift", step(logp=LogProbs(-3.0, -1.0, -0.5)), 2.0),
        ("rank", step(rank=Ranks(50, 12, 2)), 10),
        ("entropy", step(entropy=0.7), 0.7),
    ],
)
def test_each_tells_one_number_of_the_step(name: str, shown: Step, value: float) -> None:
    assert TOKEN_METRICS[name].value(shown) == value


@pytest.mark.parametrize("metric", TOKEN_METRICS.values(), ids=lambda c: c.id)
def test_levels_begin_at_their_bounds(metric: TokenMetric) -> None:
    plain = dataclasses.replace(metric, value=lambda step: step.kl)
    for level, bound in enumerate(metric.bounds, 1):
        assert plain.level(step(kl=bound)) == level
        assert plain.level(step(kl=math.nextafter(bound, 0))) == level - 1
        assert plain.level(step(kl=-bound)) == (-level if metric.diverging else 0)
    assert plain.level(step(kl=math.inf)) == len(metric.bounds)
    assert plain.level(step(kl=math.nan)) == 0


def test_what_stands_out_has_a_mark_and_a_colour() -> None:
    shift = TOKEN_METRICS["shift"]
    rise, fall = (step(logp=LogProbs(-2.0, -2.0 + d, -2.0)) for d in (1.5, -1.5))
    assert (shift.mark(rise), shift.mark(fall), shift.mark(step())) == ("bold", "underline", "")
    assert TOKEN_METRICS["kl"].mark(step(kl=1.0)) == "underline"
    for metric in TOKEN_METRICS.values():
        assert metric.hunk in metric.bounds


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("metric", TOKEN_METRICS.values(), ids=lambda c: c.id)
def test_the_text_can_be_read_at_every_level(metric: TokenMetric, dark: bool) -> None:
    assert metric.colours(0, dark=dark) is None
    for level in LEVELS:
        for signed in (level, -level) if metric.diverging else (level,):
            colours = metric.colours(signed, dark=dark)
            assert colours is not None
            assert contrast(*colours) >= 4.5
            for part in (colours.text[1:], colours.ground[1:]):
                cube = {"00", "5f", "87", "af", "d7", "ff"}
                grey = part[:2] == part[2:4] == part[4:] and (int(part[:2], 16) - 8) % 10 == 0
                assert grey or {part[:2], part[2:4], part[4:]} <= cube, "one of the 256"


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("diverging", ["kl", "shift"])
def test_a_higher_level_is_further_from_the_background(diverging: str, dark: bool) -> None:
    metric = TOKEN_METRICS[diverging]
    for sign in (1, -1) if metric.diverging else (1,):
        found = [metric.colours(sign * level, dark=dark) for level in LEVELS]
        light = [luminance(colours.ground) for colours in found if colours]
        assert light == sorted(light, reverse=not dark)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("eyes", BLINDNESS)
def test_more_and_less_differ_for_colour_blind_eyes(eyes: str, dark: bool) -> None:
    shift = TOKEN_METRICS["shift"]
    for level in LEVELS:
        grounds = [c.ground for s in (1, -1) if (c := shift.colours(s * level, dark=dark))]
        a, b = (seen(ground, BLINDNESS[eyes]) for ground in grounds)
        assert math.dist(a, b) > 10, (level, grounds)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("eyes", BLINDNESS)
def test_neighbouring_levels_differ_for_all_eyes(eyes: str, dark: bool) -> None:
    for name, sign in (("kl", 1), ("shift", 1), ("shift", -1)):
        found = [TOKEN_METRICS[name].colours(sign * level, dark=dark) for level in LEVELS]
        grounds = [colours.ground for colours in found if colours]
        for first, second in itertools.pairwise(grounds):
            a, b = seen(first, BLINDNESS[eyes]), seen(second, BLINDNESS[eyes])
            assert math.dist(a, b) > 5, (name, first, second)
