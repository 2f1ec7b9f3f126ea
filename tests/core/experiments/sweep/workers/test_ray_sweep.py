"""Two engines on Ray, one of them killed: the folder is that of one engine."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from logit_amp_chat.core.api.open_workers import OpenWorkers, open_workers
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.settings import FREE, SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sampler, Sweep, run
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.protocol import Noticed
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.sampling import Sampling
from tests.core.experiments.sweep.toy_sweep import PROMPTS

# Imported with the settings that make it listen on this machine alone, and not before.
if importlib.util.find_spec("ray") is None:
    pytest.skip("ray is not installed", allow_module_level=True)

SETTINGS = checked(
    SweepSettings(
        alphas=(-1.0, 0.0, 1.0),
        samples=12,
        sampling=Sampling.model_validate({**FREE, "max_new_tokens": 12}),
    )
)


@pytest.fixture(scope="module")
def profile(tiny_pair: Callable[..., Profile]) -> Profile:
    return tiny_pair("llama", trust_caches=True)


@pytest.fixture(scope="module")
def workers(profile: Profile) -> Iterator[OpenWorkers]:
    """Starting Ray and two engines takes most of the time of these tests."""
    with open_workers(profile, "ray:2") as opened:
        yield opened


def actors() -> list[psutil.Process]:
    """The processes of this test's actors."""
    found = psutil.Process().children(recursive=True)
    return [one for one in found if "EngineActor" in " ".join(one.cmdline()[:1])]


def swept(
    engine: Sampler,
    session: Session,
    path: Path,
    rows: int,
    kill_after: int | None = None,
    victims: Callable[[], list[psutil.Process]] = actors,
) -> list[str]:
    """Sample it, and end a process with SIGKILL after so many replies; what was noticed."""
    said, replies = [], 0
    with contextlib.closing(SweepFolder.begin(path, session, SETTINGS, PROMPTS)) as folder:
        for event in run(engine, Sweep(folder, rows=rows)):
            replies += isinstance(event, SweepReply)
            if isinstance(event, Noticed):
                said.append(event.sentence)
            if isinstance(event, SweepReply) and replies == kill_after:
                victims()[0].send_signal(signal.SIGKILL)
    return said


def one_process(profile: Profile, path: Path, rows: int) -> Path:
    engine = LocalEngine.open(profile)
    with contextlib.closing(engine):
        swept(engine, engine.opened.session, path, rows)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    found = map(json.loads, (path / FILE).read_text().splitlines())
    return sorted((one for one in found if one["type"] == "sampled"), key=lambda one: one["id"])


def test_an_actor_that_is_killed_costs_nothing_and_the_replies_are_those_of_one_process(
    workers: OpenWorkers, profile: Profile, tmp_path: Path
) -> None:
    said = swept(workers.engine, workers.session, tmp_path / "two", rows=1, kill_after=15)
    one = one_process(profile, tmp_path / "one", rows=1)
    assert lines(tmp_path / "two") == lines(one)  # to the last bit: a row alone has no neighbours
    assert len(lines(one)) == SETTINGS.replies_to(len(PROMPTS))
    assert SweepFolder.read(tmp_path / "two").contents.settled
    assert "its process died, and it is started again" in said[0]


def test_ray_that_is_started_here_listens_on_this_machine_alone(workers: OpenWorkers) -> None:
    children = psutil.Process().children(recursive=True)
    found = {
        one.laddr.ip
        for process in (psutil.Process(), *children)
        for one in process.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    }
    assert actors()
    assert found
    assert {ipaddress.ip_address(ip.removeprefix("::ffff:")).is_loopback for ip in found} == {True}


def test_among_other_rows_the_tokens_are_the_same_and_the_numbers_but_for_rounding(
    workers: OpenWorkers, profile: Profile, tmp_path: Path
) -> None:
    swept(workers.engine, workers.session, tmp_path / "two", rows=8)
    one = one_process(profile, tmp_path / "one", rows=8)
    same_but_for_rounding(lines(tmp_path / "two"), lines(one))


def same_but_for_rounding(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    for here, there in zip(found, expected, strict=True):
        for exact in ("id", "seed", "tokens", "text", "finish"):
            assert here[exact] == there[exact]
        for number in ("before", "after", "kl"):
            assert here[number] == pytest.approx(there[number], abs=1e-4)
