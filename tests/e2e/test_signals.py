"""Signals and lines that go dead in mid-reply: nothing lost, nothing left over."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.e2e.chat import Chat, squeezed
from tests.e2e.terminal import Process

Start = Callable[..., Chat]
SECONDS_TO_LEAVE = 2.0


@pytest.fixture
def chat(start: Start) -> Chat:
    """A chat in the middle of a reply."""
    chat = start()
    chat.until_ready()
    chat.say_and_stream("hello")
    chat.terminal.until(lambda: chat.reply_on_screen)
    return chat


def processes(chat: Chat) -> list[Process]:
    return [chat.terminal.process, chat.engine()]


def assert_cancelled(chat: Chat, seen: str) -> None:
    """The reply is in the file, all that was seen of it and a finish."""
    log = chat.last_reply
    assert [step.index for step in log.steps] == list(range(len(log.steps)))
    assert squeezed(log.text).startswith(seen)
    assert len(seen) > 0
    assert log.finish is not None
    assert (log.finish.reason, log.finish.tokens) == ("cancelled", len(log.steps))


@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGINT"])
def test_a_signal_ends_the_chat_in_good_order(chat: Chat, name: str) -> None:
    number = signal.Signals[name]
    left = processes(chat)
    chat.terminal.process.send(number)
    seconds = chat.terminal.until_gone(left, 10)
    assert chat.terminal.exit_code() == 128 + number
    assert chat.terminal.restored
    assert_cancelled(chat, chat.reply_on_screen)
    assert f"saved in {chat.path}" in "".join(chat.terminal.raw.decode().split("\r\n"))
    assert seconds < SECONDS_TO_LEAVE


def test_ctrl_c_stops_the_reply_and_pressed_twice_more_quits(chat: Chat) -> None:
    left = processes(chat)
    chat.terminal.press("ctrl+c")
    chat.terminal.see("Stopped by you")
    assert_cancelled(chat, chat.reply_on_screen)
    chat.terminal.press("ctrl+c")
    chat.terminal.see("again")
    chat.terminal.press("ctrl+c")
    assert chat.terminal.exit_code() == 0
    assert chat.terminal.restored
    assert all(process.gone for process in left)


def test_a_terminal_that_goes_away_takes_nothing_with_it(chat: Chat) -> None:
    left = processes(chat)
    seen = chat.reply_on_screen
    chat.terminal.hang_up()
    seconds = chat.terminal.until_gone(left, 10)
    assert_cancelled(chat, seen)
    assert seconds < SECONDS_TO_LEAVE


def test_a_terminal_that_reads_no_more_cannot_hold_the_chat(chat: Chat) -> None:
    """A frozen line: the app blocks on writing, and a signal still ends it."""
    left = processes(chat)
    seen = chat.reply_on_screen
    held = len(chat.last_reply.steps)
    chat.terminal.wait_unread(lambda: len(chat.last_reply.steps) > held + 1000)
    left[0].send(signal.SIGTERM)
    seconds = chat.terminal.wait_unread(lambda: all(process.gone for process in left))
    assert_cancelled(chat, seen)
    assert seconds < 2 * SECONDS_TO_LEAVE


def test_a_stopped_chat_goes_on_where_it_was(chat: Chat) -> None:
    terminal = chat.terminal
    terminal.process.send(signal.SIGSTOP)
    terminal.until(lambda: terminal.process.stopped)
    seen = chat.reply_on_screen
    terminal.process.send(signal.SIGCONT)
    terminal.until(lambda: len(chat.reply_on_screen) > len(seen) + 50)
    assert chat.reply_on_screen.startswith(seen)
    terminal.press("esc")
    terminal.see("Stopped by you")
    assert_cancelled(chat, seen)


SHELL = ("bash", "--norc", "-imc", '"$@"; echo "status $?"; read -r; fg', "bash")


def suspended(start: Start) -> tuple[Chat, Process, Process]:
    """A chat that a shell had to stop in mid-reply, its app and its engine."""
    chat = start(wrapper=SHELL)
    chat.until_ready()
    chat.say_and_stream("hello")
    chat.terminal.until(lambda: chat.reply_on_screen)
    (app,) = chat.terminal.process.children()
    (engine,) = app.children()
    chat.terminal.press("ctrl+z")
    chat.terminal.see(f"status {128 + signal.SIGSTOP}")
    return chat, app, engine


def test_ctrl_z_leaves_the_terminal_to_the_shell_until_fg(start: Start) -> None:
    chat, app, engine = suspended(start)
    terminal = chat.terminal
    assert app.stopped
    assert engine.stopped
    assert not terminal.drawn_on
    terminal.screen.reset()  # as a real terminal's other screen is empty
    terminal.press("enter")
    terminal.until(lambda: terminal.drawn_on and chat.streaming)
    terminal.press("esc")
    terminal.see("Stopped by you")
    assert_cancelled(chat, chat.reply_on_screen)
    terminal.press("ctrl+q")
    assert terminal.exit_code() == 0
    assert terminal.restored
    assert engine.gone


def test_a_chat_that_rests_is_drawn_anew_after_fg(start: Start) -> None:
    chat = start(wrapper=SHELL)
    terminal = chat.terminal
    chat.until_ready()
    chat.say_and_stream("hello")
    terminal.press("esc")
    terminal.see("Stopped by you")
    before = chat.stage
    (app,) = terminal.process.children()
    app.send(signal.SIGTSTP)
    terminal.see(f"status {128 + signal.SIGSTOP}")
    assert not terminal.drawn_on
    terminal.screen.reset()
    terminal.press("enter")
    terminal.until(lambda: chat.stage == before)


def test_a_suspended_chat_ends_with_its_terminal(start: Start) -> None:
    chat, app, engine = suspended(start)
    chat.terminal.hang_up()
    assert chat.terminal.until_gone([app, engine], 10) < SECONDS_TO_LEAVE
    assert_cancelled(chat, "erk")


def test_without_a_shell_a_chat_is_not_suspended(chat: Chat) -> None:
    chat.terminal.press("ctrl+z")
    chat.terminal.see("No shell waits for this chat")
    assert not chat.terminal.process.stopped
