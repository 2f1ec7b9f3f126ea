"""What vLLM itself reads of other pairs, and spread over two processes; these run on request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, Side, load_profile
from tests.core.vllm import test_against_vllm
from tests.core.vllm.environment import needs_all
from tests.core.vllm.test_against_vllm import (
    SETTINGS,
    Engines,
    check,
    long_text,
    opened,
    readings,
    rescored,
)
from tests.models import VOCABULARY, save_side


@pytest.fixture
def unequal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    """Heads of unequal size, whose padding rows are no tokens."""
    needs_all()
    folders = (
        save_side(tmp_path / "before", seed=1),
        save_side(tmp_path / "after", seed=2, rows=VOCABULARY + 64),
    )
    before, after = (Side(model=str(folder)) for folder in folders)
    profile = Profile(
        name="t", before=before, after=after, dtype="float32", quantization="none", device="cpu"
    )
    yield from opened(profile, monkeypatch)


@pytest.fixture
def parallel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    needs_all()
    spread = SETTINGS.model_copy(update={"tensor_parallel": 2})
    monkeypatch.setattr(test_against_vllm, "SETTINGS", spread)
    yield from opened(load_profile("demo"), monkeypatch)


def test_heads_of_unequal_size_are_read_where_both_have_rows(unequal: Engines) -> None:
    check(unequal, readings, rescored)


def test_two_processes_read_as_one_does(parallel: Engines) -> None:
    check(parallel, readings, rescored, long_text)
