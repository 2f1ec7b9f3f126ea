"""Workers that sample together: the same folder as one engine makes, whoever is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import EngineError, PairError
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Progress, Sweep, SweepEvent, run
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.experiments.sweep.workers.blocks import SMALLEST
from logit_amp_chat.core.experiments.sweep.workers.pool import RESTARTS, WorkerPool
from logit_amp_chat.core.protocol import Drain, Failed, Loading, Noticed
from tests.core.experiments.sweep.toy_sweep import PROMPTS, SETTINGS, toy_sweep
from tests.core.experiments.sweep.workers.toy_worker import (
    ToyPool,
    ToyWorker,
    everybody,
    unopenable,
)


def unseen(_: Loading) -> None:
    """Loading that no one looks at."""


@pytest.fixture
def expected(tmp_path: Path) -> list[SweepReply]:
    """The replies of one engine."""
    return by_id(toy_sweep(tmp_path / "one"))


def by_id(folder: SweepFolder) -> list[SweepReply]:
    return sorted(folder.replies(), key=lambda reply: reply.id)


def swept(
    pool: WorkerPool,
    path: Path,
    settings: SweepSettings = SETTINGS,
    told: Callable[[SweepEvent, Sweep], None] = lambda *_: None,
) -> Sweep:
    """What the pool's workers sample into a folder."""
    pool.open(unseen)
    begun = SweepFolder.begin(path, pool.opened.session, settings, PROMPTS)
    with contextlib.closing(begun) as folder, contextlib.closing(pool):
        sweep = Sweep(folder)
        for event in run(pool, sweep):
            told(event, sweep)
    return sweep


def events_of(pool: WorkerPool, path: Path) -> Iterator[SweepEvent]:
    seen: list[SweepEvent] = []
    swept(pool, path, told=lambda event, _: seen.append(event))
    return iter(seen)


def test_together_they_sample_what_one_engine_does(
    tmp_path: Path, expected: list[SweepReply]
) -> None:
    pool = ToyPool(workers=3)
    sweep = swept(pool, tmp_path / "three")
    folder = SweepFolder.read(tmp_path / "three")
    assert by_id(folder) == expected
    assert sweep.is_complete
    assert folder.contents.settled
    assert all(worker.engine.asked for worker in pool.made)
    assert all(worker.ended for worker in pool.made)


def test_a_lost_worker_costs_nothing_that_was_sampled(
    tmp_path: Path, expected: list[SweepReply]
) -> None:
    pool = ToyPool(7, None)
    said = [one.sentence for one in events_of(pool, tmp_path / "two") if isinstance(one, Noticed)]
    assert by_id(SweepFolder.read(tmp_path / "two")) == expected
    assert len(pool.made) == 3  # it was started again
    assert "Worker 1 was lost: its process died, and it is started again" in said[0]
    assert pool.status == "0 of 2 workers, 1 lost"
    draws = [draw.reply for one in pool.asked for draw in getattr(one, "draws", ())]
    assert len(draws) - len(set(draws)) == SMALLEST - 7  # the rest of its block


def test_without_any_worker_it_ends_and_goes_on_another_time(
    tmp_path: Path, expected: list[SweepReply]
) -> None:
    with pytest.raises(EngineError, match="with the same replies"):
        swept(ToyPool(10, 0, mortal=True, workers=1), tmp_path / "again")
    there = SweepFolder.read(tmp_path / "again")
    assert len(by_id(there)) == 10
    assert not there.contents.settled
    swept(ToyPool(), tmp_path / "again")
    assert by_id(SweepFolder.read(tmp_path / "again")) == expected


def test_a_worker_that_is_lost_in_turn_is_given_up(tmp_path: Path) -> None:
    # A reply between two losses, so that no reply can be why.
    lives = [1] * (RESTARTS + 1)
    with pytest.raises(EngineError, match="No worker is left, of 1: Worker 1 was lost"):
        swept(ToyPool(*lives, mortal=True, workers=1), tmp_path / "lost")


def test_an_interrupt_lets_all_workers_finish_and_begins_no_more(tmp_path: Path) -> None:
    pool = ToyPool()

    def stop(event: SweepEvent, sweep: Sweep) -> None:
        if isinstance(event, SweepReply) and not sweep.stopping:
            pool.apply(Drain())
            sweep.begin_no_more()

    sweep = swept(pool, tmp_path / "stopped", told=stop)
    assert 0 < len(by_id(SweepFolder.read(tmp_path / "stopped"))) < 60
    assert not sweep.aborted
    assert SweepFolder.read(tmp_path / "stopped").contents.settled
    assert all(Drain() in worker.engine.applied for worker in pool.made)


def test_what_is_lost_while_nothing_more_is_begun_is_no_sample(tmp_path: Path) -> None:
    """Short replies end first, so that a folder without the lost ones would be no fair one."""
    pool = ToyPool(3, 3)

    def stop(event: SweepEvent, sweep: Sweep) -> None:
        if isinstance(event, SweepReply) and not sweep.stopping:
            for worker in pool.made:  # it is lost before it hears
                worker.is_deaf = True
            pool.apply(Drain())
            sweep.begin_no_more()

    sweep = swept(pool, tmp_path / "stopped", told=stop)
    assert sweep.aborted
    assert not SweepFolder.read(tmp_path / "stopped").contents.settled
    assert len(pool.made) == 2  # none is started for nothing


def test_alphas_that_are_added_are_measured_by_all(tmp_path: Path) -> None:
    swept(ToyPool(), tmp_path / "grown")
    further = checked(replace(SETTINGS, further=(0.5,)))
    pool = ToyPool()
    swept(pool, tmp_path / "grown", further)
    for reply in by_id(SweepFolder.read(tmp_path / "grown")):
        assert set(reply.grid) == set(further.grid)
    assert all(worker.engine.asked for worker in pool.made)


def test_progress_is_that_of_all(tmp_path: Path) -> None:
    shown = [one for one in events_of(ToyPool(), tmp_path / "two") if isinstance(one, Progress)]
    assert max(one.rows for one in shown) == 2  # one row of each toy
    assert [one.replies for one in shown] == sorted(one.replies for one in shown)
    assert shown[-1].wanted == SETTINGS.replies_to(len(PROMPTS))


def test_loading_says_which_worker_it_is_of() -> None:
    seen: list[Loading] = []
    ToyPool().open(seen.append)
    assert {one.detail for one in seen} <= {"worker 1: after", "worker 2: after"}


def test_what_none_can_open_is_said_as_one_engine_says_it() -> None:
    failed = Failed(message="There is no model here.", remedy="Look.", exit_code=4)
    with pytest.raises(PairError, match="There is no model here"):
        unopenable(failed, 2).open(unseen)


def test_where_none_is_heard_of_for_long_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logit_amp_chat.core.experiments.sweep.workers.pool.PATIENCE", 0.0)
    pool = WorkerPool(lambda _: ToyWorker(), lambda *_: [], 2)
    with pytest.raises(EngineError, match="No worker could be started"):
        pool.open(unseen)


def test_workers_with_different_pairs_do_not_sample_together() -> None:
    one, other = ToyWorker(), ToyWorker()
    session = replace(other.engine.opened.session, vocabulary="by-id")
    other.open_as(session)
    made = iter([one, other])
    with pytest.raises(PairError, match="another pair"):
        WorkerPool(lambda _: next(made), everybody, 2).open(unseen)
