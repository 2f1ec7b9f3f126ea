"""vLLM's engine in a process of its own Python, at the other end of a pipe."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from logit_amp_chat.core.config.folders import temporary_folder
from logit_amp_chat.core.engine.process_end import death, printed, scratch_file, seconds_of
from logit_amp_chat.core.engine.vllm_failures import RELOAD, ROOM, explained
from logit_amp_chat.core.engine.vllm_opening import OpeningProgress, Report
from logit_amp_chat.core.errors import EngineError, PairError
from logit_amp_chat.core.system import vllm_environment

CHILD = "logit_amp_chat.core.vllm.child"
PLUGIN = "logit_amp_chat.core.vllm.plugin:register"
CLOSE_SECONDS = 5.0
PROGRESS_SECONDS = 0.25
BEAT_SECONDS = 1.0
PROGRESS_FILE = "progress"
PREFIX, LEFT_SECONDS = "logit-amp-vllm-", 86_400
# Of a main environment, which vLLM's Python must not see.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class VllmProcess:
    """A process that answers one message after the other; any death is an EngineError."""

    def __init__(
        self,
        asked: Mapping[str, Any],
        *,
        threads: int,
        cache_gb: int,
        sizes: Mapping[str, int],
        report: Report = lambda _: None,
    ) -> None:
        """Start it and load the pair that is `asked` for (see `PairEngine`).

        `threads` and `cache_gb` (of the KV cache) are those of a CPU; `sizes` are the bytes of each
        side's weights, for the progress that is reported. Raises PairError.
        """
        python = vllm_environment.python()
        if python is None:
            raise PairError("vLLM's environment is not there.", vllm_environment.REMEDY)
        try:
            self._folder = _plugin_folder()
            environment = _environment(self._folder, threads, cache_gb, v2=asked["v2"])
            self._process, self._pipe, self._errors = _started(python, environment)
        except OSError as error:  # no memory, no folder for temporary files, no permission
            raise PairError(
                f"vLLM's process cannot be started with {python}: {error.strerror or error}.",
                vllm_environment.REMEDY,
            ) from error
        self.beat: Callable[[], None] = lambda: None
        progress = OpeningProgress(self._folder / PROGRESS_FILE, sizes, report)
        try:
            self.facts: dict[str, Any] = self._opened(asked, progress)
        except BaseException:
            self.close()
            raise
        # All is imported: a process that is killed cannot leave the folder behind.
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, kind: str, *arguments: Any) -> Any:
        """What a method of `PairEngine` returns. Raises EngineError once the process is gone."""
        self._send((kind, *arguments))
        return self._answer()

    def fileno(self) -> int:
        """The descriptor of the pipe, on which only a failure is told unasked."""
        return self._pipe.fileno()

    def check_alive(self) -> None:
        """Raise EngineError if the process failed."""
        if self._pipe.poll():
            self._answer()
            raise EngineError("The vLLM process said something that it was not asked.", RELOAD)

    def _opened(self, asked: Mapping[str, Any], progress: OpeningProgress) -> dict[str, Any]:
        """What the process tells of the pair once that is open. Raises PairError."""
        try:
            self._send(asked)
            while not self._pipe.poll(PROGRESS_SECONDS):
                progress.tell()
            kind, *told = self._received()
        except EngineError as error:
            raise PairError(f"vLLM cannot open this pair: {error.message}", ROOM) from error
        if kind == "failed":
            message, remedy = explained(told[0], told[1], printed(self._errors))
            raise PairError(f"vLLM cannot open this pair: {message}", remedy)
        facts: dict[str, Any] = told[0]
        return facts

    def _answer(self) -> Any:
        """What comes next. Raises EngineError."""
        kind, *told = self._received()
        if kind == "failed":
            raise EngineError(explained(told[0], told[1], printed(self._errors))[0], RELOAD)
        return told[0]

    def _send(self, message: Any) -> None:
        try:
            self._pipe.send(message)
        except (OSError, ValueError) as error:
            # It may have told why it ended.
            with contextlib.suppress(EOFError, OSError):
                if self._pipe.poll():
                    return
            raise self._death() from error

    def _received(self) -> tuple[Any, ...]:
        used = seconds_of(self.pid)
        try:
            while not self._pipe.poll(BEAT_SECONDS):
                before, used = used, seconds_of(self.pid)
                if used > before:  # it computes, and does not merely hang
                    self.beat()
            message: tuple[Any, ...] = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        return message

    def _death(self) -> EngineError:
        return EngineError(death("The vLLM process", self._process.wait(), self._errors), RELOAD)

    def close(self) -> None:
        """End the process; closing twice is fine."""
        self._pipe.close()
        self._process.terminate()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _started(
    python: Path, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], Connection, IO[bytes]]:
    """A process, the pipe to it, and what it prints. Raises OSError."""
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as failing, theirs:
        failing.enter_context(ours)
        errors = failing.enter_context(scratch_file())
        process = subprocess.Popen(
            [python, "-P", "-m", CHILD, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            env=environment,
        )
        failing.pop_all()
    return process, Connection(ours.detach()), errors


def _clear_away(parent: Path) -> None:
    """Delete the folders of processes that were killed while they opened a pair."""
    for left in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _plugin_folder() -> Path:
    """A folder for vLLM's import path: our package, and the entry point that vLLM looks for.

    So nothing of ours is installed there, and what runs is the version that asks.
    """
    parent = temporary_folder()
    if parent is not None:
        _clear_away(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    package = vllm_environment.package_folder()
    (folder / package.name).symlink_to(package, target_is_directory=True)
    about = folder / "logit_amp_chat_vllm-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: logit-amp-chat-vllm\nVersion: 1\n"
    )
    (about / "entry_points.txt").write_text(f"[vllm.general_plugins]\nlogit_amp = {PLUGIN}\n")
    return folder


def _environment(folder: Path, threads: int, cache_gb: int, *, v2: bool) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    chosen = {
        "PYTHONPATH": str(folder),
        vllm_environment.PROGRESS: str(folder / PROGRESS_FILE),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        # The engine's steps are asked for one by one, in the process that is asked.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_USE_V2_MODEL_RUNNER": "1" if v2 else "0",
    }
    defaults = {
        "VLLM_CPU_KVCACHE_SPACE": str(cache_gb),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(threads),
        "VLLM_LOGGING_LEVEL": "WARNING",
    }
    return defaults | kept | chosen
