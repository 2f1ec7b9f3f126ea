"""What a sweep would take, without a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.sweep.dry_run import BYTES, dry_run
from logit_amp_chat.core.experiments.sweep.folder import FILE
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import PROMPTS, SETTINGS, toy_sweep


def test_a_new_sweep_has_limits_alone() -> None:
    found = dry_run(SETTINGS, PROMPTS, None)
    assert (found.replies, found.there) == (2 * 3 * 60, 0)
    assert found.most_tokens == 360 * SETTINGS.sampling.max_new_tokens
    assert found.bytes == found.most_tokens * (3 + 3) * BYTES
    assert (found.likely_tokens, found.likely_bytes, found.seconds) == (None, None, None)


def test_what_is_there_is_not_counted_again_and_tells_the_rest(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    assert folder.contents.timed_tokens == 720
    folder.contents.seconds = 36.0
    found = dry_run(replace(SETTINGS, samples=100), PROMPTS, folder)
    assert (found.replies, found.there) == (2 * 3 * 40, 360)
    assert found.likely_tokens == 240 * 2
    assert found.seconds == pytest.approx(36 * 480 / 720)
    size = (tmp_path / "s" / FILE).stat().st_size
    assert found.likely_bytes == round(480 * size / 720)


def test_more_alphas_take_more_room(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    found = dry_run(replace(SETTINGS, alphas=(-1.0, 0.0, 1.0, 2.0)), PROMPTS, folder)
    size = (tmp_path / "s" / FILE).stat().st_size
    assert (found.replies, found.likely_tokens) == (120, 240)
    assert found.likely_bytes == pytest.approx(240 * size / 720 * 7 / 6, abs=1)


def test_the_speed_is_that_of_the_runs_that_came_to_their_end(tmp_path: Path) -> None:
    """The replies of one that was killed took a time that nobody wrote down."""
    toy_sweep(tmp_path / "s", engine=ToyEngine(stop_after=350))
    folder = toy_sweep(tmp_path / "s")
    folder.contents.seconds = 1.0
    found = dry_run(replace(SETTINGS, samples=70), PROMPTS, folder)
    assert found.seconds == pytest.approx(60 * 2 / (10 * 2))


def test_a_run_that_never_came_to_its_end_tells_no_time(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s", engine=ToyEngine(stop_after=10))
    found = dry_run(SETTINGS, PROMPTS, folder)
    assert (found.replies, found.there, found.likely_tokens) == (350, 10, 700)
    assert found.seconds is None
