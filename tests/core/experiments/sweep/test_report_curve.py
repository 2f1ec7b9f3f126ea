"""The curve of the report, as a drawing: points and intervals are where their numbers are."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.experiments.sweep.report_curve import ASIDE, curve
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, Rate

ESTIMATE = Estimate(
    rate=0.25, low=0.125, high=0.5, error=0.1, hits=9, effective_size=9.0, mean_weight=1.0,
    mean_weight_error=0.1, plain_equivalent=20.0, unseen=0.02, warnings=(),
)  # fmt: skip


def rate(alpha: float, low: float, middle: float | None, high: float) -> Rate:
    return Rate(alpha=alpha, replies=9, hits=3, rate=middle, low=low, high=high)


def found(*rates: Rate, **changed: object) -> BehaviourResult:
    one = BehaviourResult(
        name="<habit>", kind="pattern", numeric=False, definition={}, refused=0, rates=rates,
        estimate=ESTIMATE, curve=(), by_prompt=(),
    )  # fmt: skip
    return replace(one, **changed)  # type: ignore[arg-type]


RATES = (rate(-1, 0.0, 0.1, 0.3), rate(0, 0.1, 0.2, 0.4), rate(2, 0.6, 0.8, 1.0))


def drawn(behaviour: BehaviourResult, target: float = 0.0) -> ET.Element:
    return ET.fromstring(curve(behaviour, target))


def numbers(element: ET.Element, *names: str) -> list[float]:
    return [float(element.get(name, "nan")) for name in names]


def test_points_lie_where_their_alpha_and_rate_are() -> None:
    circles = drawn(found(*RATES)).findall("circle")[:3]
    (x1, y1), (x2, y2), (x3, y3) = (numbers(one, "cx", "cy") for one in circles)
    assert (x3 - x2) / (x2 - x1) == pytest.approx(2, abs=0.01)
    assert (y1 - y2) / (y2 - y3) == pytest.approx(0.1 / 0.6, abs=0.01)
    assert [one.get("class") for one in circles] == ["before", "after", "amplified"]


def test_intervals_reach_from_limit_to_limit() -> None:
    svg = drawn(found(*RATES))
    by_kind = {one.get("class"): one for one in svg.findall("line")}
    circle = svg.findall("circle")[2]
    x1, y1, x2, y2 = numbers(by_kind["limits amplified"], "x1", "y1", "x2", "y2")
    (cx, cy) = numbers(circle, "cx", "cy")
    assert x1 == x2 == cx
    assert (y1 - cy) == pytest.approx(cy - y2, abs=0.2)  # 0.8 is between 0.6 and 1
    assert y2 < cy < y1


def test_the_estimate_stands_beside_its_alpha_with_its_own_interval() -> None:
    svg = drawn(found(*RATES))
    after = numbers(svg.findall("circle")[1], "cx")[0]
    (limits,) = [one for one in svg.findall("line") if one.get("class") == "limits estimate"]
    x, low, high = numbers(limits, "x1", "y1", "y2")
    assert x == pytest.approx(after + ASIDE, abs=0.1)
    scale = (low - high) / (ESTIMATE.high - ESTIMATE.low)
    (path, _legend) = (one.get("d", "") for one in svg.findall("path"))
    tip = float(path.removeprefix("M").split("l")[0].split()[1]) + 6
    assert low - tip == pytest.approx(scale * 0.125, abs=0.2)


def test_every_limit_is_inside_the_drawing() -> None:
    svg = drawn(found(*RATES))
    ticks = [one.text for one in svg.findall("text") if one.get("class") == "up"]
    assert ticks == ["0%", "20%", "40%", "60%", "80%", "100%"]
    rare = drawn(found(rate(0, 0.0, 0.0001, 0.0004), estimate=None))
    assert [one.text for one in rare.findall("text") if one.get("class") == "up"] == [
        *("0%", "0.01%", "0.02%", "0.03%", "0.04%"),
    ]


def test_axes_are_labelled() -> None:
    texts = [one.text for one in drawn(found(*RATES)).findall("text")]
    assert {"α", "share of replies", "before", "after", "−1", "0", "+2"} <= {*texts}
    assert "seen at an α, with 95% interval" in texts
    assert "estimate for after" in texts
    assert "mean" in [one.text for one in drawn(found(*RATES, numeric=True)).findall("text")]


def test_a_mean_may_be_below_0_and_without_limits() -> None:
    svg = drawn(found(rate(0, -math.inf, -3.0, math.inf), numeric=True, estimate=None))
    assert not [one for one in svg.findall("line") if one.get("class", "").startswith("limits")]
    labels = [one.text or "" for one in svg.findall("text") if one.get("class") == "up"]
    assert labels[0] in ("−3", "−4")


def test_a_limit_alone_has_no_diamond() -> None:
    svg = drawn(found(*RATES, estimate=replace(ESTIMATE, rate=None, low=0.0, high=0.02)))
    assert len(svg.findall("path")) == 1  # that of the legend
    assert "limits estimate" in [one.get("class") for one in svg.findall("line")]


def test_without_a_rate_there_is_no_drawing() -> None:
    assert curve(found(rate(0, 0.0, None, 1.0)), 0.0) == ""
    assert curve(found(), 0.0) == ""


def test_many_alphas_have_labels_that_do_not_touch() -> None:
    svg = drawn(found(*(rate(n / 10, 0.0, 0.1, 0.2) for n in range(31))))
    places = [
        numbers(one, "x")[0]
        for one in svg.findall("text")
        if one.get("class") == "across" and (one.text or "").strip("+−0123456789.") == ""
    ]
    assert all(b - a >= 30 for a, b in itertools.pairwise(places))
    assert len(svg.findall("circle")) == 31 + 1
