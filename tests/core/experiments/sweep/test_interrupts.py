"""No estimate rests on replies that are there because they were short."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sampler, Sweep, run
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.protocol import Drain, Event
from logit_amp_chat.core.samples import SampledReply, SampleRequest
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import PROMPTS

SETTINGS = checked(SweepSettings(alphas=(0.0, 1.0), samples=3))


class Deaf(ToyEngine):
    """It is told to stop before it has begun, and forgets it."""

    on_sample: Callable[[], None]

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        self.on_sample()
        self.applied.clear()
        yield from super().sample(request)


class Failing(ToyEngine):
    """One reply ends with an error."""

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        for event in super().sample(request):
            if isinstance(event, SampledReply) and event.reply == "p2:+1.0:1":
                yield replace(event, finish="error", error="not a number")
            else:
                yield event


def stop(engine: Sampler, sweep: Sweep) -> None:
    engine.apply(Drain())
    sweep.begin_no_more()


def begin(path: Path, engine: ToyEngine) -> SweepFolder:
    return SweepFolder.begin(path, engine.opened.session, SETTINGS, PROMPTS)


def sweep_and_stop(path: Path, engine: ToyEngine, after: int) -> None:
    """Stop once so many replies of this run are there."""
    with contextlib.closing(begin(path, engine)) as folder:
        sweep, new = Sweep(folder), 0
        for event in run(engine, sweep):
            new += isinstance(event, SweepReply)
            if new == after and not sweep.stopping:
                stop(engine, sweep)


def is_settled(path: Path) -> bool:
    return SweepFolder.read(path).contents.settled


def kill(path: Path) -> None:
    """A run that loses the replies in flight."""
    engine = ToyEngine(stop_after=5)
    with contextlib.closing(begin(path, engine)) as folder, pytest.raises(KeyboardInterrupt):
        list(run(engine, Sweep(folder)))


def test_what_a_killed_run_lost_is_missed_until_all_is_there(tmp_path: Path) -> None:
    kill(tmp_path / "s")
    sweep_and_stop(tmp_path / "s", ToyEngine(), after=1)
    assert not is_settled(tmp_path / "s")
    sweep_and_stop(tmp_path / "s", ToyEngine(), after=99)
    assert is_settled(tmp_path / "s")


def test_a_reply_that_failed_is_missed(tmp_path: Path) -> None:
    sweep_and_stop(tmp_path / "s", Failing(), after=99)
    assert not is_settled(tmp_path / "s")


def test_an_engine_that_did_not_hear_the_stop_is_told_again(tmp_path: Path) -> None:
    engine = Deaf()
    with contextlib.closing(begin(tmp_path / "s", engine)) as folder:
        sweep = Sweep(folder)
        engine.on_sample = lambda: stop(engine, sweep)
        assert not [event for event in run(engine, sweep) if isinstance(event, SweepReply)]


def test_nothing_is_asked_of_a_sweep_that_was_stopped_before(tmp_path: Path) -> None:
    kill(tmp_path / "s")
    engine = ToyEngine()
    with contextlib.closing(begin(tmp_path / "s", engine)) as folder:
        sweep = Sweep(folder)
        sweep.begin_no_more()
        assert not list(run(engine, sweep))
    assert not engine.asked
    assert not is_settled(tmp_path / "s")
