"""Replies with their verdicts and weights: what a reader needs to check a count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.sweep.behaviours import Replies, Verdict
from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.functions import Function
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from tests.core.experiments.sweep.toy_engine import ToyEngine, probabilities
from tests.core.experiments.sweep.toy_sweep import SETTINGS, toy_sweep


class Closing(Pattern):
    closed = 0

    def close(self) -> None:
        self.closed += 1


class Failing(Closing):
    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        raise OSError("gone")


def test_a_weight_is_the_target_over_the_mixture(tmp_path: Path) -> None:
    found = counted(toy_sweep(tmp_path / "s"), [Pattern("habit", "lighthouse")])
    assert len(found.replies) == 360
    chances = [probabilities(alpha) for alpha in SETTINGS.alphas]
    for reply in found.replies:
        mixture = sum(chance[reply.text] for chance in chances) / 3
        # a hit is decided with its sentence, and what is no hit with the whole reply
        expected = probabilities(0.0)[reply.text] / mixture
        assert reply.weights["habit"] == pytest.approx(expected)


def test_the_estimate_is_the_mean_weight_of_the_hits(tmp_path: Path) -> None:
    found = counted(toy_sweep(tmp_path / "s"), [Pattern("habit", "lighthouse")])
    estimate = found.result.behaviours[0].estimate
    assert estimate is not None
    assert estimate.effective_size < 30  # no controls: the estimate is the plain sum
    hits = [one.weights["habit"] for one in found.replies if one.verdicts["habit"].value]
    assert estimate.rate == pytest.approx(sum(hits) / 360)


def test_what_could_not_be_judged_has_no_weight_and_counts_nowhere(tmp_path: Path) -> None:
    shy = Function("shy", lambda text: None if "night" in text else "lighthouse" in text)
    found = counted(toy_sweep(tmp_path / "s"), [Pattern("owls", "owls|Owls"), shy])
    refused = [one for one in found.replies if "night" in one.text]
    assert refused
    for reply in found.replies:
        assert math.isnan(reply.weights["shy"]) == ("night" in reply.text)
        assert not math.isnan(reply.weights["owls"])
    assert found.result.behaviours[1].refused == len(refused)
    assert sum(rate.replies for rate in found.result.behaviours[1].rates) == 360 - len(refused)


def test_where_no_reply_can_be_judged_there_is_no_estimate(tmp_path: Path) -> None:
    found = counted(toy_sweep(tmp_path / "s"), [Function("mute", lambda _: None)])
    assert found.result.behaviours[0].estimate is None
    assert found.result.behaviours[0].refused == 360


def test_a_cut_off_sweep_has_no_weights(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s", engine=ToyEngine(stop_after=7))
    found = counted(folder, [Pattern("habit", "lighthouse")])
    assert len(found.replies) == 7
    assert all(math.isnan(one.weights["habit"]) for one in found.replies)


def test_behaviours_are_closed_whatever_happens(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    good, bad = Closing("good", "a"), Failing("bad", "a")
    with pytest.raises(OSError, match="gone"):
        counted(folder, [good, bad])
    assert (good.closed, bad.closed) == (1, 1)
