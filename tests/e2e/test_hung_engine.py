"""An engine process that is stopped or wedged in earnest: said, survived, left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.process import EngineProcess, ProcessStatus
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.app import ChatApp
from logit_amp_chat.tui.chat.screen import ChatScreen
from tests.tui.chat_driver import until

# Given to every Python by the path: a signal after which the main thread never returns.
WEDGE = """
import select, signal

def spin(*_):
    while True:
        pass

signal.signal(signal.SIGUSR1, lambda *_: select.select([], [], []))
signal.signal(signal.SIGUSR2, spin)
"""


class Run:
    """The app over a real engine in a process of its own, in the middle of a reply."""

    def __init__(self, app: ChatApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot
        self.session = app.session

    @property
    def screen(self) -> ChatScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        return screen

    @property
    def engine(self) -> EngineProcess:
        engine = self.session.live.link._engine
        assert isinstance(engine, EngineProcess)
        return engine

    @property
    def pid(self) -> int:
        assert self.engine.pid is not None
        return self.engine.pid

    @property
    def steps(self) -> int:
        log = self.session.conversation.last_reply()
        return len(log.steps) if log else 0

    @property
    def notice(self) -> str:
        return "\n".join(f"{one.sentence} {one.remedy}" for one in self.screen.view.notice.entries)

    @property
    def saved(self) -> Conversation:
        assert self.session.saved.recorder.path is not None
        return Conversation(read_records(self.session.saved.recorder.path))

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition, 60)


StartRun = Callable[[], AbstractAsyncContextManager[Run]]


@pytest.fixture
def running(endless_pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StartRun:
    (tmp_path / "sitecustomize.py").write_text(WEDGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    profile = load_profile(str(endless_pair))
    sampling = profile.sampling.model_copy(update={"max_new_tokens": 2000})

    @asynccontextmanager
    async def run() -> AsyncIterator[Run]:
        session = ChatSession(profile, tmp_path / "chats", EngineProcess, patience=1.0)
        session.sampling = sampling
        app = ChatApp(session)
        try:
            async with app.run_test(notifications=True) as pilot:
                run = Run(app, pilot)
                await run.until(lambda: session.state == "ready")
                session.submit("hello")
                await run.until(lambda: run.steps > 3)
                yield run
        finally:
            session.close()  # a stopped engine would outlive a test that fails

    return run


async def test_a_stopped_engine_is_noticed_and_goes_on_when_it_may(running: StartRun) -> None:
    async with running() as run:
        os.kill(run.pid, signal.SIGSTOP)
        await run.until(lambda: "was stopped" in run.notice)
        assert f"kill -CONT {run.pid}" in run.notice
        assert run.session.live.silence is not None
        assert "reload" in [action.label for action in run.screen.view.keys.actions]
        seen = run.steps
        os.kill(run.pid, signal.SIGCONT)
        await run.until(lambda: run.session.state == "ready")
        assert run.notice == ""
        assert run.steps > seen
        (log,) = run.saved.replies.values()
        assert log.finish is not None
        assert log.finish.reason != "error"


@pytest.mark.parametrize(
    ("wedge", "verdict"),
    [
        (signal.SIGUSR1, "hangs"),
        (signal.SIGUSR2, "may hang"),
        (signal.SIGSTOP, "was stopped"),
    ],
)
async def test_an_engine_that_hangs_costs_a_reload_and_nothing_else(
    running: StartRun, wedge: signal.Signals, verdict: str
) -> None:
    async with running() as run:
        hung, shown = run.pid, run.steps
        os.kill(hung, wedge)
        await run.until(lambda: verdict in run.notice)
        run.session.submit("are you there?")
        await run.pilot.press("ctrl+l")
        await run.until(lambda: run.session.state == "busy" and run.notice == "")
        assert ProcessStatus.of(hung) is None
        await run.until(lambda: run.session.state == "ready")
        first, second = run.saved.replies.values()
        assert len(first.steps) >= shown
        assert first.finish is not None
        assert (first.finish.reason, first.finish.tokens) == ("error", len(first.steps))
        assert "reported nothing" in str(first.finish.error)
        assert second.finish is not None
        assert [m.text for m in run.saved.messages.values()] == ["hello", "are you there?"]
