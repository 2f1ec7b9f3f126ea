"""What workers get of a cluster, from what Ray says of its machines."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.errors import EngineError, UsageError
from logit_amp_chat.core.experiments.sweep.workers import ray_cluster
from logit_amp_chat.core.experiments.sweep.workers.asked_workers import AskedWorkers
from logit_amp_chat.core.experiments.sweep.workers.ray_cluster import Share


def machines(*resources: dict[str, float]) -> list[dict[str, Any]]:
    return [{"Alive": True, "Resources": one} for one in resources]


GPUS = machines({"CPU": 64, "GPU": 8}, {"CPU": 64, "GPU": 4}, {"CPU": 8})


def share(count: int | None, nodes: list[dict[str, Any]], on_gpus: bool = True) -> Share:
    return ray_cluster.share(AskedWorkers(count), nodes, on_gpus=on_gpus)


def test_each_has_a_gpu_of_its_own() -> None:
    assert share(None, GPUS) == Share(12, cpus=1, gpus=1)
    assert share(3, GPUS) == Share(3, cpus=1, gpus=1)


def test_more_workers_than_gpus_are_refused() -> None:
    with pytest.raises(UsageError, match="room for 12 workers with a GPU each, not for 13"):
        share(13, GPUS)


def test_a_group_of_gpus_is_of_one_machine() -> None:
    asked = AskedWorkers(None)
    assert ray_cluster.share(asked, GPUS, on_gpus=True, gpus_each=4) == Share(3, cpus=1, gpus=4)
    with pytest.raises(UsageError, match="room for 0 workers with 16 GPUs of one machine each"):
        ray_cluster.share(asked, GPUS, on_gpus=True, gpus_each=16)


def test_without_gpus_there_are_as_many_as_machines_with_their_cores() -> None:
    assert share(None, machines({"CPU": 16}, {"CPU": 16})) == Share(2, cpus=16, gpus=0)


@pytest.mark.parametrize(("count", "cpus"), [(2, 6), (3, 4), (4, 3), (5, 2), (6, 2), (12, 1)])
def test_cores_are_shared_equally_and_no_share_crosses_machines(count: int, cpus: int) -> None:
    assert share(count, machines({"CPU": 8}, {"CPU": 6})) == Share(count, cpus=cpus, gpus=0)


def test_a_profile_on_the_cpu_takes_no_gpu() -> None:
    assert share(None, GPUS, on_gpus=False) == Share(3, cpus=32, gpus=0)


def test_machines_that_are_gone_have_nothing() -> None:
    gone = [{"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}, *machines({"CPU": 2})]
    assert share(None, gone) == Share(1, cpus=2, gpus=0)


@pytest.mark.parametrize("nodes", [[], machines({"CPU": 2})])
def test_more_workers_than_cores_are_refused(nodes: list[dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match="workers with a core each, not for 3"):
        share(3, nodes)


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with (
        pytest.raises(EngineError, match=f"Ray cannot be reached at 127.0.0.1:{port}"),
        ray_cluster.connected(),
    ):
        pass


def test_where_something_else_listens_it_is_said_within_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(EngineError, match=r"nothing was answered in 0\.5 s"):
            ray_cluster._check_joins(address, seconds=0.5)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ("ray.exceptions.AuthenticationError: no\nConnectionError: x", "refused the token"),
        ("Traceback\nRuntimeError: Version mismatch", "RuntimeError: Version mismatch"),
    ],
)
def test_what_ray_says_of_a_cluster_that_it_cannot_join_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, said: str, match: str
) -> None:
    monkeypatch.setattr(ray_cluster, "JOIN", f"import sys; sys.exit({said!r})")
    with pytest.raises(EngineError, match=match):
        ray_cluster._check_joins("127.0.0.1:1")


def test_a_token_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert ray_cluster._token_mode() == {}
    (tmp_path / "token").write_text("secret")
    assert ray_cluster._token_mode() == {"RAY_AUTH_MODE": "token"}


def test_the_client_of_ray_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    with pytest.raises(UsageError, match="RAY_ADDRESS=auto"), ray_cluster.connected():
        pass


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UsageError, match=r"pip install 'logit-amp-chat\[ray\]'"),
        ray_cluster.connected(),
    ):
        pass
