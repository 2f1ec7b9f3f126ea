"""Processes killed without a warning: the transcript has everything that was seen.

LOGIT_AMP_KILLS=200 makes the long run of it.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.writer import Transcript
from tests.e2e.chat import Chat, squeezed

Start = Callable[..., Chat]
KILLS = int(os.environ.get("LOGIT_AMP_KILLS", "6"))
KILLS_A_FILE = 3
SECONDS_TO_LEAVE = 2.0


def kill(chat: Chat, *, group: bool) -> None:
    """The app alone, or all at once as when a machine is taken away; then the last frame."""
    app = chat.terminal.process
    left = [app, chat.engine()]
    if group:
        os.killpg(app.pid, signal.SIGKILL)
    else:
        app.send(signal.SIGKILL)
    assert chat.terminal.until_gone(left, 10) < SECONDS_TO_LEAVE
    chat.terminal.until(lambda: chat.terminal.ended)


@pytest.mark.parametrize("file", range(-(-KILLS // KILLS_A_FILE)))
def test_a_file_survives_kills_at_random_moments(
    start: Start, endless_pair: Path, file: int
) -> None:
    """Each run goes on with the file that the kill of the one before it left."""
    moments = random.Random(file)
    path: Path | None = None
    said: list[str] = []
    for run in range(KILLS_A_FILE):
        chat = start("--profile", str(endless_pair), resume=path)
        terminal = chat.terminal
        if moments.random() < 0.8:
            chat.until_ready()
        else:  # speak into the loading
            terminal.see("Loading")
        chat.say(f"question {run}")
        terminal.see("Message", f"question {run}")
        terminal.watch(moments.uniform(0, 2))
        kill(chat, group=moments.random() < 0.7)

        path = chat.path
        said.append(f"question {run}")
        assert chat.user_texts() == said
        for log in chat.conversation.replies.values():
            assert [step.index for step in log.steps] == list(range(len(log.steps)))
            assert log.finish is None
        question = list(chat.conversation.messages)[-1]
        answers = [squeezed(log.text) for log in chat.conversation.replies_to(question)]
        assert "".join(answers).startswith(chat.reply_on_screen)
    assert path is not None
    transcript, records = Transcript.resume(path)
    transcript.close()
    assert Conversation(records).messages.keys() == chat.conversation.messages.keys()


def test_the_chat_outlives_its_engine(start: Start) -> None:
    chat = start()
    chat.until_ready()
    chat.say_and_stream("hello")
    chat.engine().send(signal.SIGKILL)
    terminal = chat.terminal
    terminal.see("The engine process died (SIGKILL", "ctrl+l", "not loaded")
    log = chat.last_reply
    assert log.finish is not None
    assert (log.finish.reason, log.finish.tokens) == ("error", len(log.steps))
    terminal.until(lambda: squeezed(log.text) == chat.reply_on_screen)

    terminal.press("ctrl+l")
    terminal.see("Loading")
    chat.until_ready()
    assert "✗ The engine process died" not in terminal.text
    chat.say_and_stream("are you back?")
    terminal.press("esc")
    terminal.see("Stopped by you")
    thread = chat.conversation.thread()
    assert [item.id for item in thread][1] == log.id
    assert len(thread) == 4
    assert chat.user_texts() == ["hello", "are you back?"]


def test_a_second_process_looks_on_and_takes_over_when_the_first_is_gone(start: Start) -> None:
    first = start()
    first.until_ready()
    first.say_and_stream("hello")
    second = start(resume=first.path)
    second.terminal.see("READ ONLY", "hello", "being written by another logit-amp-chat")
    assert second.terminal.process.children() == [], "nothing is loaded for looking on"
    second.say("may I?")
    second.terminal.see("may I?", "ctrl+n")
    kill(first, group=True)
    second.terminal.press("ctrl+l")
    second.until_ready()
    second.terminal.until(lambda: "READ ONLY" not in second.terminal.text)
    second.terminal.press("enter")
    second.terminal.until(lambda: second.streaming)
    assert second.user_texts() == ["hello", "may I?"]
    second.terminal.press("esc")
    second.terminal.see("Stopped by you")
