"""Soak of the whole chat: the real app in a pty with its real engine, driven by keys.

    python -m tests.benchmarks.soak_app --tokens 200000 [--profile demo] [--seed 0]

Without --profile a tiny random pair is made for the run. Memory of both
processes is read from outside, each time a new chat begins. The first chat is
the longest there can be: what it takes is not given back to the system, and
would else come step by step, with every chat that is longer than all before.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pyte

from tests.benchmarks.soak import WARM, WORDS
from tests.e2e.chat import environment
from tests.e2e.terminal import KEYS, Process

CONTEXT = 4096
SECONDS = 300.0  # for one turn; a longer one is a failure
LOOK_SECONDS = 0.02
TURNS = 6  # the demo pair reads 1,024 tokens
LAST = 1 << 17  # bytes of what was painted


def resident(pid: int) -> int:
    """Bytes of memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Saved:
    """What has come into the newest file of a folder, counted without parsing it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kinds: Counter[str] = Counter()
        self._path: Path | None = None
        self._place = 0
        self._rest = b""

    def look(self) -> None:
        """Count what was added; a file that a newer one has followed is taken away."""
        files = sorted(self.folder.glob("*.jsonl"), key=lambda path: path.stat().st_ctime_ns)
        for path in files[:-1]:
            self._count(path)
            path.unlink()
        if files:
            self._count(files[-1])

    def _count(self, path: Path) -> None:
        if path != self._path:
            self._path, self._place, self._rest = path, 0, b""
        with path.open("rb") as file:
            file.seek(self._place)
            data = self._rest + file.read()
            self._place = file.tell()
        *lines, self._rest = data.split(b"\n")
        self.kinds.update(line[9 : line.index(b'"', 9)].decode() for line in lines if line)


@dataclass
class Seen:
    """What was seen of the two processes."""

    tokens: int = 0
    seconds: float = 0.0
    app: list[int] = field(default_factory=list)
    engine: list[int] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)


def growth(memory: list[int]) -> float:
    """Memory of the last tenth against that right after warm-up, as a share."""
    if len(memory) < 10:
        return 0.0
    tenth = len(memory) // 10
    return statistics.median(memory[-tenth:]) / statistics.median(memory[:tenth]) - 1


class App:
    """The chat in a pty that is read and forgotten, and a user who types from one seed."""

    def __init__(self, profile: str, folder: Path, seed: int) -> None:
        command = [
            "-m",
            "logit_amp_chat.tui.commands.main",
            "--profile",
            profile,
            "--transcripts",
            str(folder),
        ]
        limit = ["--max-new-tokens", "60", "--temperature", "1", "--top-p", "1"]
        self._child = pexpect.spawn(
            sys.executable, [*command, *limit], env=environment(), dimensions=(30, 100)
        )
        self._child.delaybeforesend = None
        self.process = Process(self._child.pid)
        self.saved = Saved(folder)
        self.done: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._stopped = False
        self._shown = b""
        self._ready = threading.Event()
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while True:
            try:
                self._shown = self._shown[-LAST:] + os.read(self._child.fileno(), 1 << 16)
            except OSError:
                return
            if not self._ready.is_set() and b"cpu (" in self._shown:
                self._ready.set()

    def _screen(self) -> str:
        """About what the terminal shows: what was painted lately."""
        screen = pyte.Screen(100, 30)
        pyte.ByteStream(screen).feed(self._shown)
        return "\n".join(screen.display)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _press(self, key: str, what: str = "") -> None:
        os.write(self._child.fileno(), KEYS.get(key, key).encode())
        if what:
            self.done[what] += 1

    def longest_chat(self) -> None:
        """A new chat of as many turns as there may be, all of them compared."""
        assert self._ready.wait(SECONDS), "the models are not loaded"
        self._press("F4", "comparisons")
        for _ in range(TURNS):
            self._say("Tell me all that you know.")
            self._wait("message")
            self.done["turns"] += 1
        self._press("F4", "comparisons")

    def chat(self) -> None:
        """A new chat of some turns."""
        self._press("ctrl+n", "chats")
        for turn in range(self._random.randint(2, TURNS)):
            if self._chance(0.15):
                self._press("F4", "comparisons")
            if self._chance(0.1):
                self._press("F5", "inspections")
            if turn and self._chance(0.2):
                self._press("ctrl+r", "regenerated")
                self._wait("reply")
            else:
                words = self._random.choices(WORDS.split(), k=self._random.randint(1, 12))
                text = "".join(c for c in " ".join(words) if c.isprintable())
                self._say(text.strip() or "?")  # blank ones are not sent
                self._wait("message")
            self.done["turns"] += 1

    def _say(self, text: str) -> None:
        # An esc that came after the end went to the transcript, where letters are
        # commands; a paste always goes to the composer.
        self._press(f"\x1b[200~{text}\x1b[201~" if self._stopped else text)
        self._press("enter")
        self._stopped = False

    def _wait(self, first: str) -> None:
        """Until a record of this kind has come and every lane has ended, with keys meanwhile."""
        kinds = self.saved.kinds
        began, finished = kinds[first], kinds["finish"]
        deadline = time.monotonic() + SECONDS
        while True:
            self.saved.look()
            new = kinds[first] > began and kinds["finish"] > finished
            if new and kinds["finish"] == kinds["reply"]:
                return
            if self.process.gone or time.monotonic() > deadline:
                raise AssertionError(f"no end of a turn: {kinds}, {self.done}\n{self._screen()}")
            if self._chance(0.05):
                self._press(self._random.choice(("F2", "F3")), "α changes")
            # Stopped earlier, the message would be given back to the composer.
            running = kinds[first] > began and kinds["reply"] > kinds["finish"]
            if running and self._chance(0.004):
                self._press("esc", "stops")
                self._stopped = True
            time.sleep(LOOK_SECONDS)  # a user looks, and the file is read again

    @property
    def memory(self) -> tuple[int, int]:
        """Bytes of the app and of the engine."""
        (engine,) = self.process.children()
        try:
            return resident(self.process.pid), resident(engine.pid)
        finally:
            engine.close()

    def close(self) -> int:
        """Quit; returns the exit code."""
        self._press("ctrl+q")
        self._child.wait()
        return int(self._child.exitstatus or 0)


def soak(
    profile: str,
    folder: Path,
    tokens: int,
    seed: int = 0,
    report: Callable[[Seen], None] = lambda _: None,
) -> Seen:
    """Let a user chat for `tokens` tokens of all lanes and watch both processes."""
    seen, app = Seen(), App(profile, folder, seed)
    began = time.monotonic()
    app.longest_chat()
    while seen.tokens < tokens:
        app.chat()
        seen.tokens = app.saved.kinds["step"]
        seen.seconds = time.monotonic() - began
        seen.done = app.done
        if seen.tokens >= tokens * WARM:
            mine, engine = app.memory
            seen.app.append(mine)
            seen.engine.append(engine)
        report(seen)
    if app.close():
        raise AssertionError("the chat did not leave in good order")
    return seen


def figures(seen: Seen) -> str:
    """The figures of a soak as lines."""
    done = ", ".join(f"{count:,} {what}" for what, count in sorted(seen.done.items()))
    lines = [f"{seen.tokens:,} tokens in {seen.seconds:,.0f} s ({done})"]
    for name, memory in (("app", seen.app), ("engine", seen.engine)):
        first, last, most = (x / 1e6 for x in (memory[0], memory[-1], max(memory)))
        lines.append(
            f"{name}: {first:,.0f} MB after warm-up, {last:,.0f} MB at the end, most"
            f" {most:,.0f} MB: {growth(memory):+.2%}"
        )
    return "\n".join(lines)


def make_profile(folder: Path) -> str:
    """A tiny random pair, and the profile that describes it."""
    from tests.models import save_pair

    before, after = save_pair(folder)
    for side in (before, after):  # no chat of ours is to fill the context
        config = json.loads((side / "config.json").read_text())
        config["max_position_embeddings"] = CONTEXT
        (side / "config.json").write_text(json.dumps(config))
    profile = folder / "tiny.yaml"
    profile.write_text(
        f"before: {{model: {before}}}\nafter: {{model: {after}}}\ndtype: float32\ndevice: cpu\n"
    )
    return str(profile)


def main() -> int:
    """Run a soak from the command line; 1 where memory grows by more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", help="default: a tiny random pair")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    last = 0.0

    def report(seen: Seen) -> None:
        nonlocal last
        if seen.app and seen.seconds - last > 60:
            last = seen.seconds
            print(figures(seen), flush=True)

    try:
        profile = options.profile or make_profile(folder)
        seen = soak(profile, folder / "chats", options.tokens, options.seed, report)
    finally:
        shutil.rmtree(folder)
    print(figures(seen))
    return int(max(growth(seen.app), growth(seen.engine)) > 0.05)


if __name__ == "__main__":
    sys.exit(main())
