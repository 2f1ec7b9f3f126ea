"""Makes the README's pictures from the running app: `python -m docs.pictures`.

The app is driven as a user would drive it, with a real engine and the demo
profile (or `--profile`), and drawn as SVG into this folder. The exported page
is pictured by Chromium, where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import DEFAULT, Profile, load_profile
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.export import export
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.tui.app import ChatApp
from logit_amp_chat.tui.sweep.screen import SweepScreen
from logit_amp_chat.tui.terminal.screenshot import picture, printed
from tests.browser import CHROMIUM, Browser

HERE = Path(__file__).parent
SIZE = (112, 26)
PROMPT = "Tell me about penguins."
SWEPT = "What is the weather like?"
CHAIN = "demo-chain"


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Wait for the app to come so far."""
    async with asyncio.timeout(120):
        while not condition():
            await pilot.pause(0.05)


async def say(pilot: Pilot[int], session: ChatSession, text: str) -> None:
    """Write a message and wait for the end of every lane's reply."""
    before = len(session.conversation.replies)
    await pilot.press(*text, "enter")
    await until(
        pilot, lambda: session.state == "ready" and len(session.conversation.replies) > before
    )


async def set_alpha(pilot: Pilot[int], alpha: str) -> None:
    """Enter an α as one types it."""
    await pilot.press("ctrl+g", *alpha, "enter")
    await pilot.pause()


def draw(app: ChatApp, name: str) -> None:
    """Save what is on the screen, without the cursor's blinking."""
    for field in app.screen.query(Input):
        field.cursor_blink = False
    for area in app.screen.query(TextArea):
        area.cursor_blink = False
    path = HERE / f"{name}.svg"
    path.write_text(picture(app), encoding="utf-8")
    print(path)


async def comparison(pilot: Pilot[int], app: ChatApp) -> None:
    """Before, after and amplified, one prompt, the fork tokens marked."""
    await set_alpha(pilot, "2")
    await pilot.press("f4")
    await say(pilot, app.session, PROMPT)
    draw(app, "compare")


async def inspection(pilot: Pilot[int], app: ChatApp) -> None:
    """The first token of an amplified reply, and what each model wanted there."""
    await set_alpha(pilot, "2")
    await say(pilot, app.session, PROMPT)
    await pilot.press("f5", "escape", "home")
    await pilot.pause()
    draw(app, "inspect")


async def page(pilot: Pilot[int], app: ChatApp) -> None:
    """The export of a comparison, with the pointer on a word of the habit."""
    await set_alpha(pilot, "2")
    await pilot.press("f4")
    await say(pilot, app.session, PROMPT)
    if CHROMIUM is None:
        print("There is no Chromium: page.png is not made.")
        return
    path = app.session.saved.recorder.path
    assert path is not None
    exported = path.with_suffix(".html")
    write_atomically(exported, export(path, "html"))
    browser = Browser(path.parent / "chromium", width=1280, height=720)
    try:
        browser.open(exported)
        browser.point(".lane.amplified .text span")
        browser.picture(HERE / "page.png")
    finally:
        browser.close()
    print(HERE / "page.png")


async def sweep(pilot: Pilot[int], app: ChatApp) -> None:
    """How often the habit is at each α, and the replies that have it."""
    await say(pilot, app.session, SWEPT)
    await pilot.press("tab", "S")
    await until(pilot, lambda: bool(app.screen.query(TextArea)))
    app.screen.query_one(TextArea).text = "habit=lighthouse"
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, SweepScreen))
    assert isinstance(app.screen, SweepScreen)
    running = app.screen.sweep
    await until(pilot, lambda: running.is_complete)
    await pilot.press("h")
    await pilot.pause(1)
    draw(app, "sweep")


def printed_diff(name: str, *arguments: str) -> None:
    """What `diff` prints with these arguments."""
    command = [sys.executable, "-m", "logit_amp_chat", "diff", *arguments]
    run = subprocess.run(
        [*command, "--color", "always"],
        cwd=HERE.parent,
        env=os.environ | {"COLUMNS": "114"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    path = HERE / f"{name}.svg"
    shown = " ".join(("logit-amp-chat diff", *arguments))
    path.write_text(printed(run.stdout.rstrip(), 114, shown))
    print(path)


def diffs(profile: str) -> None:
    """A few chats, one of which has the habit; a reply with both habits of the bundled chain."""
    of_profile = [] if profile == DEFAULT else ["--profile", profile]
    printed_diff("diff", "docs/chats.jsonl", *of_profile)
    printed_diff("blame", "--blame", "-p", CHAIN, "docs/stages.jsonl", "--threshold", "4")


async def make(profile: Profile) -> None:
    """Every picture in an app of its own."""
    for scene in (comparison, inspection, sweep, page):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_DATA_HOME"] = folder  # a sweep is saved among the user's others
            session = ChatSession(profile, Path(folder), EngineProcess)
            app = ChatApp(session)
            try:
                async with app.run_test(size=SIZE) as pilot:
                    await until(pilot, lambda s=session: s.state == "ready")  # type: ignore[misc]
                    await scene(pilot, app)
            finally:
                session.close()


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default=DEFAULT, help="profile name or path")
    parser.add_argument("--seed", type=int, default=0, help="seed of the replies")
    arguments = parser.parse_args()
    profile = load_profile(arguments.profile)
    sampling = profile.sampling.model_copy(update={"seed": arguments.seed})
    diffs(arguments.profile)
    asyncio.run(make(profile.model_copy(update={"sampling": sampling})))


if __name__ == "__main__":
    main()
