"""`sweep` from Python: a pair opened for it, here or in workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat import OpenPair, PairSweep, UsageError, sweep
from logit_amp_chat.core.config.profile import Profile
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.workers.toy_worker import ToyPool, opened

OWLS = "Tell me about owls."
HABIT = {"habit": "lighthouse"}


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[ToyPool]:
    """Workers that were opened; the first one is lost after three replies."""
    made: list[ToyPool] = []

    def open_workers(profile: Profile, workers: str, report: object) -> object:
        made.append(ToyPool(3))
        return opened(made[-1])

    def open_pair(profile: Profile, report: object) -> OpenPair:
        return OpenPair(profile, ToyEngine())  # type: ignore[arg-type]

    monkeypatch.setattr("logit_amp_chat.core.api.open_workers.open_workers", open_workers)
    monkeypatch.setattr("logit_amp_chat.core.api.open_pair.open_pair", open_pair)
    return made


def replies(found: PairSweep) -> set[tuple[str, str]]:
    return {(reply.id, reply.text) for reply in found.replies()}


def test_workers_sample_what_one_process_does(pools: list[ToyPool], tmp_path: Path) -> None:
    one = sweep("demo", OWLS, behaviours=HABIT, samples=20, out=tmp_path / "one")
    with pytest.warns(UserWarning, match="Worker 1 was lost"):
        two = sweep("demo", OWLS, behaviours=HABIT, samples=20, workers="ray", out=tmp_path / "two")
    assert replies(two) == replies(one)
    assert two.behaviour("habit").rates == one.behaviour("habit").rates
    assert two.complete


def test_workers_have_ended_when_it_returns(pools: list[ToyPool], tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="lost"):
        sweep("demo", OWLS, samples=20, workers="ray:2", out=tmp_path / "s")
    assert all(worker.ended for worker in pools[0].made)


def test_what_cannot_be_counted_is_refused_before_anything_opens(pools: list[ToyPool]) -> None:
    with pytest.raises(UsageError):
        sweep("demo", OWLS, behaviours={"habit": "("}, workers="ray")
    assert pools == []
