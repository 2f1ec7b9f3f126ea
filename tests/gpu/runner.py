"""Runs steps in processes of their own, each as long as it may take, and keeps what they find."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from tests.gpu import page
from tests.gpu.pairs import Place
from tests.gpu.plan import Step, pending
from tests.gpu.results import Results, State, StepResult

LEAST = 20.0
"""Seconds that must be left for a step to be begun."""
TAIL = 2000
"""Characters of a failed step's errors that are kept."""
ROOT = Path(__file__).parents[2]


def run(results: Results, place: Place, minutes: float, only: Sequence[str] | None) -> bool:
    """Run the pending steps that fit into `minutes`; returns whether all are done.

    A step whose estimate does not fit is left for the next call, unless it is the first one.
    """
    end = time.monotonic() + 60 * minutes
    left = [step for step in pending(results) if not only or step.name in only]
    _write(results)
    for n, step in enumerate(left):
        seconds = end - time.monotonic()
        if seconds < LEAST or (n and seconds < 60 * step.minutes and not place.small):
            print(f"{step.name}: left for the next call, {seconds:.0f} s are not enough")
            continue
        print(f"{step.name}: {step.title} …", flush=True)
        run_step(results, step, place, min(60 * step.limit, seconds))
        done = results.steps[step.name]
        print(f"{step.name}: {done.state} after {done.seconds:.0f} s {done.error}".rstrip())
    return all(results.is_done(step.name) for step in left)


def run_step(results: Results, step: Step, place: Place, seconds: float) -> None:
    """Run one step for at most `seconds`; every finding is written as it comes."""
    found = StepResult(
        "running",
        commit(),
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        attempts=results.attempts(step.name) + 1,
    )
    results.steps[step.name] = found
    _write(results)
    began = time.monotonic()
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    process = step_process(step.name, place)
    errors = bytearray()
    readers = [
        threading.Thread(target=_read, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, errors.extend), daemon=True),
    ]
    for reader in readers:
        reader.start()
    ended = _take(results, found, lines, process, began + seconds)
    _kill(process)
    found.seconds = round(time.monotonic() - began, 1)
    found.state = ended or _state(step, seconds)
    if found.state == "failed":
        readers[1].join(timeout=5)
        found.error = errors.decode(errors="replace")[-TAIL:].strip()
    _write(results)


def step_process(name: str, place: Place) -> subprocess.Popen[bytes]:
    """A step that is running; it ends when its input is closed, as with this process."""
    command = [sys.executable, "-m", "tests.gpu", "--watched", "--step", name]
    return subprocess.Popen(
        command + ["--dry-run"] * place.small,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )


def _take(
    results: Results,
    found: StepResult,
    lines: queue.SimpleQueue[bytes],
    process: subprocess.Popen[bytes],
    end: float,
) -> State | None:
    """Keep findings until the step ends; None if its time is over first."""
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return None
        if not line:
            break
        try:
            finding = json.loads(line)
        except ValueError:
            continue  # what a library prints
        if isinstance(finding, dict) and "name" in finding:
            found.findings.append(finding)
            _write(results)
    return "done" if process.wait() == 0 else "failed"


def _read(stream: IO[bytes] | None, take: Callable[[bytes], object]) -> None:
    """Take every line of a stream, and b"" at its end."""
    assert stream is not None
    for line in stream:
        take(line)
    take(b"")


def _state(step: Step, seconds: float) -> State:
    return "out of time" if seconds >= 60 * step.limit else "cut off"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a step with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def commit() -> str:
    """The commit of the code, "" where there is no repository."""
    try:
        asked = ["git", "rev-parse", "--short", "HEAD"]
        return subprocess.run(
            asked, capture_output=True, text=True, cwd=ROOT, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _write(results: Results) -> None:
    results.write()
    page.write(results)
