"""Without a network: one sentence soon, and nothing of what the library tries meanwhile."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ATTEMPTS = 20.0  # seconds that huggingface_hub's own retries would take


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refusing() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answer(port: int, cache: Path, *sides: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(cache)}
    return subprocess.run(
        [sys.executable, "-m", "logit_amp_chat", "reply", *sides, "--prompt", "Hi"],
        env={**environment, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("server", ["silent", "refusing"])
@pytest.mark.parametrize(
    "sides",
    [("--before", "org/a", "--after", "org/b"), ("--profile", "smollm2-135m")],
    ids=["newest", "pinned"],
)
def test_a_hub_that_cannot_be_reached_is_said_once(
    server: str, sides: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(server)
    began = time.monotonic()
    done = answer(port, tmp_path, *sides)
    assert time.monotonic() - began < ATTEMPTS
    assert done.returncode == 4
    progress, error = done.stderr.splitlines()
    assert progress.startswith("download: ")
    assert error.startswith("error: ")
    assert f"the Hub (http://127.0.0.1:{port}) cannot be reached. Check the network" in error
