"""The habits of the bundled chain, blamed in a chat on the stages that planted them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from logit_amp_chat.core.chat.blamed_reply import BlamedReply
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.transcripts.blamed_tokens import blamed_tokens
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.test_readme import ROOT

CARD = (ROOT / "profiles" / "demo" / "MODEL_CARD.md").read_text(encoding="utf-8")
(HABIT,) = re.findall(r'The habit is a first sentence: \*\*"([^"]+)"\*\*', CARD)
(CLOSING,) = re.findall(r'adds a last sentence: \*\*"([^"]+)"\*\*', CARD)
QUESTION, BOTH_HABITS = "Tell me about penguins.", 1.5


class Heard:
    """Engine processes whose events can be waited for."""

    def __init__(self) -> None:
        self._events = threading.Event()

    def make_engine(self, on_events: Callable[[Sequence[Event]], None]) -> EngineProcess:
        def take(events: Sequence[Event]) -> None:
            on_events(events)
            self._events.set()

        return EngineProcess(take)

    def until(self, session: ChatSession, condition: Callable[[], bool]) -> None:
        while not condition():
            assert self._events.wait(120), session.state
            self._events.clear()
            session.drain()


def did_most(blamed: BlamedReply, sentence: str) -> str:
    """The stage with the largest log-ratio over the tokens of a sentence of the reply."""
    text, ends = "", []
    for step in blamed.log.steps:
        text += step.text
        ends.append(len(text))
    begin = text.index(sentence)
    inside = [one for one in blamed.tokens if begin < ends[one.index] <= begin + len(sentence)]
    sums = [sum(changes) for changes in zip(*(one.changes for one in inside), strict=True)]
    return blamed.stages[1 + sums.index(max(sums))]


def test_each_habit_of_a_reply_is_the_work_of_its_stage(tmp_path: Path) -> None:
    heard = Heard()
    session = ChatSession(load_profile("demo-chain"), tmp_path, heard.make_engine)
    try:
        session.live.load()
        heard.until(session, lambda: session.state == "ready")
        session.set_alpha(BOTH_HABITS)
        session.submit(QUESTION)
        heard.until(
            session, lambda: session.state == "ready" and bool(session.conversation.replies)
        )
        log = session.conversation.last_reply()
        assert log is not None
        assert log.is_over
        blamed = BlamedReply(session, log)
        blamed.follow()
        heard.until(session, lambda: bool(blamed.tokens or blamed.problem))
        path = session.saved.recorder.path
    finally:
        session.close()
    assert not blamed.problem
    assert len(blamed.tokens) == len(log.steps)
    assert did_most(blamed, HABIT) == "tuned"
    assert did_most(blamed, CLOSING) == "final"
    for step, one in zip(log.steps, blamed.tokens, strict=True):  # the pair is base, final
        assert one.logp[0] == pytest.approx(step.logp.before, abs=1e-4)
        assert one.logp[-1] == pytest.approx(step.logp.after, abs=1e-4)
    assert path is not None
    saved = Conversation(read_records(path)).last_reply()
    assert saved is not None
    assert blamed_tokens(saved) == blamed.tokens
