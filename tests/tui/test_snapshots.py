"""What the chat looks like, at four sizes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from logit_amp_chat.tui.app import ChatApp
from tests.tui.chat_driver import Chat, Engines, make_session
from tests.tui.reading.reader import RATIOS, TEXT, read

SIZES = [(80, 24), (120, 40), (200, 60), (40, 15)]


async def empty(chat: Chat) -> None:
    await chat.frame()


async def streaming(chat: Chat) -> None:
    await chat.say("Tell me about otters")
    await chat.step(5)
    await chat.press("f3")
    await chat.step(3)


async def comparing(chat: Chat) -> None:
    await streaming(chat)
    await chat.finish()
    await chat.press("f4")
    await chat.finish()


async def inspecting(chat: Chat) -> None:
    await streaming(chat)
    await chat.finish()
    await chat.press("f5")
    await chat.read()
    await chat.press("left", "left")


async def both(chat: Chat) -> None:
    await comparing(chat)
    await chat.press("f5")
    await chat.read()
    await chat.press("home", "right", "right")


async def choosing(chat: Chat) -> None:
    await inspecting(chat)
    await chat.press("home", "right", "right", "enter", "down", "s", "s")


async def branched(chat: Chat) -> None:
    await choosing(chat)
    await chat.press("down", "enter")
    await chat.finish()
    await chat.press("M", *"odd", "enter")


async def coloured(chat: Chat) -> None:
    await streaming(chat)
    await chat.finish()
    await chat.read()
    await chat.press("f6", "f6", "left", "left")


async def searching(chat: Chat) -> None:
    await streaming(chat)
    await chat.finish()
    await chat.read()
    await chat.press("slash")
    assert chat.screen.view.search_bar is not None
    chat.screen.view.search_bar.line.cursor_blink = False
    await chat.press("o", "t")


async def reading(chat: Chat) -> None:
    chat.engine.ratios = RATIOS
    await read(chat, TEXT, "n", "i")


async def dead(chat: Chat) -> None:
    await streaming(chat)
    chat.engine.fail("The engine process died (SIGKILL).", fatal=True)
    await chat.frame()


# --- heads of a comparison, in all their states -----------------------------------


async def heads_of_lanes_that_run(chat: Chat) -> None:
    """Two lanes still agree, one has ended."""
    chat.engine.texts |= {"after": "Otters are wonderful animals.", "before": "Otters are"}
    await chat.press("f4")
    await chat.say("Tell me about otters")
    await chat.step(5)


async def heads_of_agreement(chat: Chat) -> None:
    """One lane is the same, one was ended by hand."""
    chat.engine.texts["amplified"] = chat.engine.texts["after"]
    await chat.press("f4")
    await chat.say("Tell me about otters")
    await chat.step(2)
    await chat.press("tab", "shift+tab", "shift+tab", "x")
    await chat.finish()


async def heads_of_a_branch(chat: Chat) -> None:
    """Three tokens are given, two are decoded."""
    chat.engine.patient = True
    await streaming(chat)
    await chat.finish()
    await chat.press("tab", "home", "right", "right", "enter", "down", "down", "enter")
    await chat.finish()
    await chat.press("f4")
    await chat.step(5)


async def heads_of_siblings(chat: Chat) -> None:
    """The first of two replies, which has a label; another lane is kept."""
    await chat.press("f4")
    await chat.say("Tell me about otters")
    await chat.finish()
    await chat.press("ctrl+r")
    await chat.finish()
    await chat.press("tab", "<", "l", *"odd", "enter", "shift+tab", "k")


async def heads_of_own_histories(chat: Chat) -> None:
    """In the second turn; one lane has another lane's history."""
    await chat.press("f4")
    await chat.say("Tell me about otters")
    await chat.finish()
    await chat.press("tab", "h")
    await chat.say("And crabs?")
    await chat.finish()
    await chat.choose_alphas("-1, 2")
    await chat.finish()


async def heads_before_the_first_token(chat: Chat) -> None:
    """A message that no lane has begun to answer."""
    chat.engine.patient = True
    await chat.press("f4")
    await chat.say("Tell me about otters")


ALL = (
    *(empty, streaming, comparing, inspecting, both, dead),
    *(choosing, branched, coloured, searching, reading),
)
HEADS = (
    *(heads_of_lanes_that_run, heads_of_agreement, heads_of_a_branch, heads_of_siblings),
    *(heads_of_own_histories, heads_before_the_first_token),
)


@pytest.mark.parametrize(
    ("scene", "size"),
    [
        pytest.param(scene, size, id=f"{scene.__name__}-{size[0]}x{size[1]}")
        for scenes, sizes in ((ALL, SIZES), (HEADS, SIZES[:2]))
        for scene in scenes
        for size in sizes
    ],
)
def test_looks(
    scene: Callable[[Chat], Awaitable[None]],
    size: tuple[int, int],
    snap_compare: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    engines = Engines()
    app = ChatApp(make_session(Path("transcripts"), engines))

    async def play(pilot: Pilot[int]) -> None:
        chat = Chat(app, pilot, engines)
        chat.screen.view.composer.cursor_blink = False
        await chat.until(lambda: engines.made and engines.last.profile is not None)
        chat.engine.load()
        await chat.frame()
        await scene(chat)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=play)


def test_looks_while_loading(
    snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engines = Engines()
    app = ChatApp(make_session(Path("transcripts"), engines))

    async def play(pilot: Pilot[int]) -> None:
        chat = Chat(app, pilot, engines)
        chat.screen.view.composer.cursor_blink = False
        await chat.until(lambda: engines.made and engines.last.profile is not None)
        chat.engine.loading("download", 4e8, 1e9, "bytes")
        chat.engine.loading("weights", 29, 290)
        await chat.say("Hi")

    assert snap_compare(app, terminal_size=(80, 24), run_before=play)
