"""The chat with a fake engine, driven by keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.protocol import Request
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.app import ChatApp
from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.dialogs.compare_alphas import CompareAlphasScreen
from logit_amp_chat.tui.token_log.widget import TokenLog
from tests.tui.fake_engine import FakeEngine

SECONDS = 10.0


def demo_profile(**changed: object) -> Profile:
    """A profile that nothing is loaded from."""
    return Profile.model_validate(
        {
            "name": "demo",
            "title": "Demo pair",
            "before": {"model": "fake/before"},
            "after": {"model": "fake/after"},
            "labels": {"before": "base", "after": "chat"},
            "alpha": 1.0,
            **changed,
        }
    )


@dataclass
class Engines:
    """Makes fake engines and remembers them."""

    made: list[FakeEngine] = field(default_factory=list)

    def __call__(self, on_events: Callable[..., None]) -> FakeEngine:
        self.made.append(FakeEngine(on_events))
        return self.made[-1]

    @property
    def last(self) -> FakeEngine:
        return self.made[-1]


def make_session(
    folder: Path, engines: Engines | None = None, profile: Profile | None = None
) -> ChatSession:
    """A session over fake engines, at a clock that stands still."""
    return ChatSession(profile or demo_profile(), folder, engines or Engines(), clock=lambda: 0.0)


def requests(engine: FakeEngine) -> list[Request]:
    """What was asked of an engine."""
    return [command for command in engine.commands if isinstance(command, Request)]


def answer(session: ChatSession, engines: Engines, text: str) -> None:
    """Say something, and have it answered to the end."""
    session.submit(text)
    engines.last.finish()
    session.drain()


def types(session: ChatSession) -> list[str]:
    """The types of the records in the file."""
    assert session.saved.recorder.path is not None
    return [record.type for record in read_records(session.saved.recorder.path)]


def text_of(widget: Widget) -> str:
    """What a widget shows, line by line, without styles."""
    lines = [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]
    return "\n".join(lines)


async def until(
    pilot: Pilot[int], condition: Callable[[], object], seconds: float = SECONDS
) -> None:
    """Wait until something is true; fails after a while."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never became true"
        await pilot.pause(0.005)
    await pilot.pause()


class Chat:
    """What a test of the chat talks to."""

    def __init__(self, app: ChatApp, pilot: Pilot[int], engines: Engines) -> None:
        self.app = app
        self.pilot = pilot
        self.engines = engines

    @property
    def session(self) -> ChatSession:
        return self.app.session

    @property
    def engine(self) -> FakeEngine:
        return self.engines.last

    @property
    def screen(self) -> ChatScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        return screen

    @property
    def log(self) -> str:
        """The transcript as it is shown."""
        return text_of(self.screen.view.log_view)

    @property
    def notice(self) -> str:
        """The notices that were not read yet."""
        return "\n".join(f"{one.sentence} {one.remedy}" for one in self.screen.view.notice.entries)

    @property
    def footer(self) -> list[str]:
        return [action.label for action in self.screen.view.keys.actions]

    @property
    def saved(self) -> list[Record]:
        """The records in the file."""
        path = self.session.saved.recorder.path
        return read_records(path) if path else []

    def lane(self, name: str) -> str:
        return text_of(self.screen.view.lanes.lanes[name].log_view)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.frame()

    async def frame(self) -> None:
        """Let everything that was reported reach the screen."""
        await self.pilot.pause()
        self.screen.figures_seconds = 0.0
        self.screen.late_seconds = 0.0
        self.screen.take_frame()
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def say(self, text: str) -> None:
        """Type a message and send it."""
        self.screen.view.composer.focus()
        await self.press(*[{" ": "space"}.get(char, char) for char in text], "enter")

    async def choose_alphas(self, alphas: str) -> None:
        """Choose the αs that are compared."""
        if self.screen.view.place == "composer":
            await self.read()
        await self.press("w")
        await self.until(lambda: isinstance(self.app.screen, CompareAlphasScreen))
        self.app.screen.query_one(Input).value = alphas
        await self.press("enter")

    async def step(self, count: int = 1) -> None:
        self.engine.step(count)
        await self.frame()

    async def finish(self) -> None:
        self.engine.finish()
        await self.frame()

    async def read(self) -> None:
        """Go to the transcript."""
        await self.press("escape")
        assert isinstance(self.screen.focused, TokenLog)


@asynccontextmanager
async def open_chat(
    folder: Path,
    *,
    size: tuple[int, int] = (80, 24),
    loaded: bool = True,
    profile: Profile | None = None,
    session: ChatSession | None = None,
    engines: Engines | None = None,
    keys: Path | None = None,
) -> AsyncIterator[Chat]:
    """The app in a terminal of `size`, with its models loaded unless told otherwise."""
    engines = engines or Engines()
    session = session or make_session(folder, engines, profile)
    app = ChatApp(session, keys)
    async with app.run_test(size=size, notifications=True) as pilot:
        chat = Chat(app, pilot, engines)
        chat.screen.view.composer.cursor_blink = False
        await chat.until(lambda: engines.made and engines.last.profile is not None)
        if loaded:
            chat.engine.load()
            await chat.frame()
        yield chat
    session.close()
