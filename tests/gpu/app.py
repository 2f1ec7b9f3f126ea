"""The chat itself, without a screen: its tokens a second beside those of `reply`."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from textual.pilot import Pilot

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.records import Finish
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.app import ChatApp
from tests.endless import endless
from tests.gpu.pairs import Place
from tests.gpu.results import Finding

SECONDS = 120.0
QUESTION = "Go"


def findings(place: Place) -> Iterator[Finding]:
    """Both, turn by turn, on the bundled pair, whose tokens are the cheapest there are."""
    rounds, tokens = (1, 16) if place.small else (3, 400)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        profile = endless(folder, tokens, place.device)
        in_app, alone = [], []
        for n in range(rounds):
            in_app.append(asyncio.run(in_the_app(folder / f"{n}", profile)))
            alone.append(in_reply(folder, profile))
    ratios = [a / b for a, b in zip(in_app, alone, strict=True)]
    yield {
        "name": "bundled pair",
        "in_the_app": round(statistics.median(in_app), 1),
        "reply": round(statistics.median(alone), 1),
        "share": [round(ratio, 3) for ratio in (statistics.median(ratios), *sorted(ratios))],
    }


async def in_the_app(folder: Path, profile: Path) -> float:
    """Tokens a second of a reply in the chat, by the finish that it recorded."""
    session = ChatSession(load_profile(str(profile)), folder, EngineProcess)
    try:
        async with ChatApp(session).run_test(size=(120, 40)) as pilot:
            await _until(pilot, lambda: session.state == "ready")
            await pilot.press(*QUESTION, "enter")
            await _until(pilot, lambda: any(folder.glob("*.jsonl")) and _finishes(folder))
    finally:
        session.close()
    return _finishes(folder)[0]


def in_reply(folder: Path, profile: Path) -> float:
    """Tokens a second of the same by the command."""
    command = [sys.executable, "-m", "logit_amp_chat", "reply", "--profile", str(profile)]
    done = subprocess.run(
        [*command, "--prompt", QUESTION, "--jsonl"], capture_output=True, text=True, check=True
    )
    (path := folder / "reply.jsonl").write_text(done.stdout)
    return _speed(path)[0]


def _finishes(folder: Path) -> list[float]:
    (path,) = folder.glob("*.jsonl")
    return _speed(path)


def _speed(path: Path) -> list[float]:
    return [r.tokens / r.seconds for r in read_records(path) if isinstance(r, Finish)]


async def _until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    """Wait until something is true. Raises TimeoutError."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError("The chat did not get there.")
        await pilot.pause(0.02)
