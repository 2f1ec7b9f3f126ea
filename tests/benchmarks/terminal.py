"""How the chat feels at the end of a line: what a pty sees of the demo pair.

    python -m tests.benchmarks.terminal

measures, in a real pseudo-terminal, the time to the first paint and until the
demo can be talked to, the time from a key to its paint while a reply streams at
full speed, the speed in the app beside that of `reply` in turns with it, and
how many bytes a second are written at 60 tokens a second. One line of JSON a
figure, with its bound; the exit code is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pexpect

from logit_amp_chat.core.records import Finish
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.e2e.chat import environment
from tests.endless import endless

CHAT = [sys.executable, "-m", "logit_amp_chat"]
KEY = "§"  # in no reply, and one cell wide
TOKENS = 400
RATE = 60.0
SECONDS = 10.0


class Pty:
    """A command in a pty whose output is read as bytes and never interpreted."""

    def __init__(self, command: Sequence[str], columns: int, rows: int) -> None:
        self.raw = bytearray()
        self.began = time.perf_counter()
        self._child = pexpect.spawn(
            command[0],
            list(command[1:]),
            env=environment(),
            dimensions=(rows, columns),
            timeout=None,
        )
        self._child.delaybeforesend = None

    def until(self, there: Callable[[], bool], seconds: float = 120.0) -> float:
        """Read until something is there; returns the time."""
        end = time.perf_counter() + seconds
        while not there():
            if time.perf_counter() > end:
                raise TimeoutError(bytes(self.raw[-2000:]).decode("utf-8", "replace"))
            self.read(0.05)
        return time.perf_counter()

    def read(self, seconds: float) -> None:
        """Read what comes within `seconds`, at most once."""
        with contextlib.suppress(pexpect.TIMEOUT):
            self.raw += self._child.read_nonblocking(1 << 16, timeout=seconds)

    def see(self, text: str, after: int = 0) -> float:
        """Read until `text` was written; returns the time."""
        data = text.encode()
        return self.until(lambda: data in self.raw[after:])

    def write(self, text: str) -> None:
        """Type."""
        os.write(self._child.fileno(), text.encode())

    def close(self) -> None:
        """End it as a closed window would."""
        self._child.close(force=True)


def start(folder: Path, profile: str, columns: int = 80, rows: int = 24) -> Pty:
    """The chat, in a terminal of that size."""
    return Pty([*CHAT, "--profile", profile, "--transcripts", str(folder)], columns, rows)


def starting(folder: Path) -> dict[str, float]:
    """Seconds to the first paint, and until the demo answers at once."""
    chat = start(folder, "demo")
    try:
        painted = chat.see("essage") - chat.began  # the cursor may stand on its first letter
        ready = chat.see("cpu (") - chat.began
    finally:
        chat.close()
    return {"first_paint_s": painted, "ready_s": ready}


def typing(folder: Path, profile: Path, keys: int = 40) -> list[float]:
    """Seconds from a key to its paint while a reply streams, one for each key."""
    chat = start(folder, str(profile), columns=120, rows=40)
    found = []
    try:
        chat.see("cpu (")
        chat.write("Go on.\r")
        chat.see("tok/s")
        for count in range(1, keys + 1):
            at = len(chat.raw)
            began = time.perf_counter()
            chat.write(KEY)
            found.append(chat.see(KEY * count, at) - began)
            pause = time.perf_counter() + 0.037  # out of step with the frames
            while time.perf_counter() < pause:
                chat.read(0.005)
        chat.write("\x1b")
    finally:
        chat.close()
    return found


def speeds(folder: Path, profile: Path) -> tuple[float, float]:
    """Tokens a second in the app, and of `reply`: both by the finish that was recorded."""
    chat = start(folder / "app", str(profile))
    try:
        chat.see("cpu (")
        chat.write("Go on.\r")
        chat.see("Cut at the limit")
    finally:
        chat.close()
    (path,) = (folder / "app").glob("*.jsonl")
    in_app = next(r for r in read_records(path) if isinstance(r, Finish))
    command = [*CHAT, "reply", "--profile", str(profile), "--prompt", "Go on.", "--jsonl"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (path := folder / "reply.jsonl").write_text(lines)
    alone = next(r for r in read_records(path) if isinstance(r, Finish))
    return in_app.tokens / in_app.seconds, alone.tokens / alone.seconds


def written(columns: int, rows: int) -> float:
    """Bytes a second that are written while one lane streams at RATE."""
    chat = Pty([sys.executable, "-m", "tests.benchmarks.terminal", "--child"], columns, rows)
    try:
        chat.see("cpu")
        chat.write("Go on.\r")
        chat.see("tok/s")
        for _ in range(20):  # past the first screenful
            chat.read(0.1)
        before, began = len(chat.raw), time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            chat.read(0.05)
        return (len(chat.raw) - before) / (time.perf_counter() - began)
    finally:
        chat.close()


def child() -> None:
    """The app with an engine that says RATE tokens a second, of ordinary length."""
    from logit_amp_chat.core.chat.session import ChatSession
    from logit_amp_chat.tui.app import ChatApp
    from tests.tui.chat_driver import Engines, demo_profile

    engines = Engines()
    with tempfile.TemporaryDirectory() as folder:
        app = ChatApp(ChatSession(demo_profile(), Path(folder), engines))

        def play() -> None:
            while not engines.made or engines.last.profile is None:
                time.sleep(0.01)  # the app starts on another thread
            engine = engines.last
            engine.texts["amplified"] = "The otters of the river eat fish and crabs. " * 1000
            engine.load()
            began, said = time.perf_counter(), 0
            while not engine.closed:
                time.sleep(1 / RATE)  # the pace of a model
                if engine.request is None:
                    began, said = time.perf_counter() + 0.2, 0  # let the request begin
                    continue
                due = int((time.perf_counter() - began) * RATE)
                if due > said:
                    engine.step(due - said)
                    said = due

        threading.Thread(target=play, daemon=True).start()
        app.run()


def report(name: str, value: float, bound: float, *, most: bool = True) -> bool:
    """Print a figure; returns whether it keeps its bound."""
    kept = value <= bound if most else value >= bound
    figure = {"name": name, "value": round(value, 4), "bound": bound, "kept": kept}
    print(json.dumps(figure), flush=True)
    return kept


def main() -> int:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="for starts and speeds: the median")
    options = parser.parse_args()
    if options.child:
        child()
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        profile = endless(folder, TOKENS)
        rounds = range(options.rounds)
        starts = [starting(folder / "start") for _ in rounds]
        paces = [speeds(folder / f"speed-{i}", profile) for i in rounds]
        keys = sorted(typing(folder / "typing", profile))
        kept = [
            report("first_paint_s", statistics.median(s["first_paint_s"] for s in starts), 0.8),
            report("ready_s", statistics.median(s["ready_s"] for s in starts), 6.0),
            report("key_to_paint_p50_s", statistics.median(keys), 0.05),
            report("key_to_paint_p95_s", keys[int(0.95 * (len(keys) - 1))], 0.05),
            report("reply_tokens_per_s", statistics.median(b for _, b in paces), 0, most=False),
            report("app_to_reply", statistics.median(a / b for a, b in paces), 0.97, most=False),
            report("bytes_per_s_80x24", written(80, 24), 15_000),
            report("bytes_per_s_200x60", written(200, 60), 15_000),
        ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
