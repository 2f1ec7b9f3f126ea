"""The shipped profiles name the commit of every model, so that a citation stays true."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from logit_amp_chat.core.config.profile import load_profile, shipped_folder

NAMES = sorted({path.stem for path in shipped_folder().glob("*.yaml")} - {"demo", "demo-chain"})
COMMIT = re.compile(r"[0-9a-f]{40}")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_pins_its_models(name: str) -> None:
    profile = load_profile(name)
    for side in (*profile.stages, profile.before, profile.after):
        assert side.revision is not None
        assert COMMIT.fullmatch(side.revision)


def test_one_model_is_the_same_commit_in_every_profile() -> None:
    commits: dict[str, set[str | None]] = defaultdict(set)
    for profile in map(load_profile, NAMES):
        for side in (*profile.stages, profile.before, profile.after):
            commits[side.model].add(side.revision)
    assert {name: found for name, found in commits.items() if len(found) != 1} == {}
