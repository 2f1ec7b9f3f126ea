"""Ray: a cluster that is joined or started here, and what of it each worker gets."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logit_amp_chat.core.errors import EngineError, UsageError, first_line
from logit_amp_chat.core.experiments.sweep.workers.asked_workers import AskedWorkers

ADDRESS = "RAY_ADDRESS"
"""The environment variable that names a cluster to join, as Ray itself has it."""

INSTALL = "Run: pip install 'logit-amp-chat[ray]'"

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray prints what it finds worth knowing to stdout, which is for results.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Without clusters, as Ray is on Windows and macOS, it listens on 127.0.0.1 alone."""

CONNECT_SECONDS = 10.0

JOIN_SECONDS = 60.0
"""Ray waits without end for an address where something else listens."""

JOIN = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"

STORE_BYTES = 128 * 1024 * 1024
"""For what is on its way: replies are small, and models are no objects of Ray's."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many workers there are, and what each of them has."""

    workers: int
    cpus: int
    gpus: int


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """While Ray is there: the cluster of RAY_ADDRESS, else one of this machine alone.

    The latter is ended at the end. Where Ray is in use already, that is used and left; where it
    was only imported, it has read its settings then, and listens as they say. Raises UsageError
    without the extra `ray`, EngineError where Ray cannot be reached or started.
    """
    if "ray" in sys.modules and need_ray().is_initialized():
        yield
        return
    address = os.environ.get(ADDRESS, "")
    is_local = address in ("", "local")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_environment(QUIET | LOOPBACK if is_local else QUIET))
        if address.startswith("ray://"):
            raise UsageError(
                f"{ADDRESS} is that of Ray's client, which cannot stream replies.",
                "Run the sweep on a machine of the cluster, with RAY_ADDRESS=auto.",
            )
        if not is_local:
            stack.enter_context(_environment(_token_mode()))
            _check_reachable(address)
        ray = need_ray()
        if not is_local:
            _check_joins(address)
        settings: dict[str, Any] = {"address": address}
        if is_local:
            folder = _scratch()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            settings = {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": STORE_BYTES,
                "_temp_dir": folder,
            }
        stack.callback(ray.shutdown)
        try:
            ray.init(log_to_driver=False, logging_level="ERROR", **settings)
        except (OSError, RuntimeError, ValueError) as error:
            what = "cannot be started" if is_local else f"cannot be reached at {address}"
            raise EngineError(
                f"Ray {what}: {first_line(error)}",
                f"Unset {ADDRESS} to use this machine alone. A cluster with tokens wants"
                " RAY_AUTH_MODE=token and its ~/.ray/auth_token."
                if not is_local
                else "",
            ) from error
        yield


def _check_reachable(address: str) -> None:
    """Raise EngineError where nothing listens: Ray would try for long."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return  # none, or one that Ray looks up
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise EngineError(
            f"Ray cannot be reached at {address}: {first_line(error)}.",
            f"Start it there, or unset {ADDRESS} to use this machine alone.",
        ) from error


def _token_mode() -> dict[str, str]:
    """Use a token that is there, as `ray start` does; by an address Ray would join without."""
    token = os.environ.get("RAY_AUTH_TOKEN")
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    return {"RAY_AUTH_MODE": "token"} if token or Path(path).is_file() else {}


def _check_joins(address: str, seconds: float = JOIN_SECONDS) -> None:
    """Join once in a process that can be ended. Raises EngineError, also after so many seconds."""
    command = [sys.executable, "-P", "-c", JOIN, address]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"Ray cannot be reached at {address}: nothing was answered in {seconds:g} s.",
            f"Is it Ray that listens there? Unset {ADDRESS} to use this machine alone.",
        ) from error
    except subprocess.CalledProcessError as error:
        if "AuthenticationError" in error.stderr:
            raise EngineError(
                f"Ray at {address} refused the token, or there was none.",
                "Set RAY_AUTH_TOKEN, or ~/.ray/auth_token, to the token of the cluster.",
            ) from error
        last = error.stderr.strip().rpartition("\n")[2]
        raise EngineError(
            f"Ray cannot be reached at {address}: {first_line(RuntimeError(last))}.",
            f"Unset {ADDRESS} to use this machine alone.",
        ) from error


def need_ray() -> Any:
    """The module `ray`. Raises UsageError where the extra is missing."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError("Ray is not installed.", INSTALL) from error


def share(
    asked: AskedWorkers, nodes: Sequence[Mapping[str, Any]], *, on_gpus: bool, gpus_each: int = 1
) -> Share:
    """What each worker gets of these machines, as Ray describes them.

    On GPUs `gpus_each`, all of one machine; without any an equal share of the cores. Raises
    UsageError for more workers than there is room for.
    """
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    if on_gpus and any(machine.get("GPU") for machine in machines):
        room = sum(int(machine.get("GPU", 0)) // gpus_each for machine in machines)
        workers = asked.count or room
        if not 0 < workers <= room:
            what = "a GPU" if gpus_each == 1 else f"{gpus_each} GPUs of one machine"
            raise _too_many(max(1, workers), room, what)
        return Share(workers, cpus=1, gpus=gpus_each)
    cores = [n for machine in machines if (n := int(machine.get("CPU", 0)))]
    workers = asked.count or len(cores)
    if not cores or workers > sum(cores):
        raise _too_many(workers, sum(cores), "a core")
    # The largest share of which so many fit, as none goes across machines.
    fits = (each for each in range(max(cores), 0, -1) if sum(n // each for n in cores) >= workers)
    return Share(workers, cpus=next(fits), gpus=0)


def _too_many(wanted: int, there: int, what: str) -> UsageError:
    return UsageError(
        f"Ray has room for {there:,} workers with {what} each, not for {wanted:,}.",
        f"Write ray:{max(1, there)}, or add machines to the cluster.",
    )


def _scratch() -> str:
    """A folder for Ray's own files. It makes sockets there, whose names may not be long."""
    usual = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="lac-ray-", dir=usual if len(usual) <= 16 else "/tmp")


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set what is not set; processes that are started meanwhile have it."""
    added = [name for name in variables if name not in os.environ]
    os.environ.update({name: variables[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
