"""Bad profiles: one message with the file, the line and the remedy, and its exit code."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import (
    load_profile,
    shipped_folder,
)
from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.tui.commands import main as cli
from tests.security.mutation import mutated

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_profile_loads_or_says_where_it_is_wrong(part: int, tmp_path: Path) -> None:
    """1,000 files, from the shipped ones."""
    chance = random.Random(part)
    originals = [p.read_bytes() for p in sorted(shipped_folder().glob("*.yaml"))]
    outcomes = {"loaded": 0, "refused": 0}
    for n in range(250):
        path = tmp_path / f"p{n}.yaml"
        path.write_bytes(mutated(chance.choice(originals), chance))
        try:
            load_profile(str(path))
            outcomes["loaded"] += 1
        except ProfileError as error:
            outcomes["refused"] += 1
            said = str(error)
            assert said.startswith(str(path)) or f"The profile {path}" in said
            assert "line " in said or "nested too deeply" in said
            assert said.isprintable()
            assert len(said) < 2000
    assert min(outcomes.values()) > 5


def test_a_folder_of_profiles_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert cli.run(["profiles"]) == 3
    assert "Cannot read the folder of profiles" in capsys.readouterr().err
