"""From what a caller asks for to settings, and whether a folder has it all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.asked import AskedSweep, has_all, settings_of
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.settings import GRID, SAMPLES, SweepSettings
from logit_amp_chat.core.sampling import Sampling
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import PROMPTS, SETTINGS, toy_sweep

SAMPLING = SETTINGS.sampling


def test_a_new_sweep_has_the_usual_grid_and_samples() -> None:
    settings = settings_of(AskedSweep(), SAMPLING, None)
    assert (settings.alphas, settings.samples) == (GRID, SAMPLES)


def test_alphas_and_samples_are_as_asked_and_0_is_among_them() -> None:
    asked = AskedSweep(alphas=(2.0, 1.0), samples=7, coupled=True, amplify_first=3, top=2)
    assert settings_of(asked, SAMPLING, None) == SweepSettings(
        alphas=(0.0, 1.0, 2.0), samples=7, sampling=SAMPLING, coupled=True, amplify_first=3, top=2
    )


def test_what_is_not_said_is_as_in_the_folder(tmp_path: Path) -> None:
    settings = replace(SETTINGS, samples=3, coupled=True, amplify_first=4, top=1)
    folder = toy_sweep(tmp_path / "s", settings)
    assert settings_of(AskedSweep(), SAMPLING, folder) == settings
    more = settings_of(AskedSweep(alphas=(2.0,), further=(0.0,)), SAMPLING, folder)
    assert more.alphas == (-1.0, 0.0, 1.0, 2.0)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(UsageError, match="temperature 0"):
        settings_of(AskedSweep(), Sampling(temperature=0), None)
    with pytest.raises(UsageError, match="samples"):
        settings_of(AskedSweep(samples=0), SAMPLING, None)


def test_a_folder_that_has_more_than_is_asked_for_has_it_all(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    for settings in (
        SETTINGS,
        replace(SETTINGS, samples=2),
        replace(SETTINGS, alphas=(0.0,)),
        replace(SETTINGS, target=1.0),
    ):
        assert has_all(folder, settings, PROMPTS)
    for settings in (
        replace(SETTINGS, samples=61),
        replace(SETTINGS, alphas=(0.0, 3.0)),
        replace(SETTINGS, target=0.3),
        replace(SETTINGS, further=(0.3,)),
        replace(SETTINGS, sampling=Sampling(temperature=0.5)),
        replace(SETTINGS, coupled=True),
    ):
        assert not has_all(folder, settings, PROMPTS)
    assert not has_all(folder, SETTINGS, PROMPTS[:1])


def test_a_sweep_that_was_cut_off_lacks_something(tmp_path: Path) -> None:
    assert not has_all(toy_sweep(tmp_path / "s", engine=ToyEngine(stop_after=9)), SETTINGS, PROMPTS)


def test_replies_without_the_numbers_of_an_added_alpha_lack_something(tmp_path: Path) -> None:
    toy_sweep(tmp_path / "s")
    more = replace(SETTINGS, further=(0.3,))
    assert has_all(toy_sweep(tmp_path / "s", more), more, PROMPTS)
    path = tmp_path / "s" / FILE
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert not has_all(SweepFolder.read(tmp_path / "s"), more, PROMPTS)


def test_a_folder_is_aimed_at_a_target_that_was_measured(tmp_path: Path) -> None:
    folder = toy_sweep(tmp_path / "s")
    folder.aim(1.0)
    assert (folder.settings.target, folder.settings.alphas) == (1.0, SETTINGS.alphas)
