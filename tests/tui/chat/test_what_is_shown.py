"""Whatever is done, and in whatever order: what the screen says follows from the records.

Forty runs are part of the suite. Ten thousand, with other actions every time:

    python -m pytest tests/tui/chat/test_what_is_shown.py --hypothesis-profile=thousands
"""

from __future__ import annotations

import asyncio
import contextvars
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from textual.widgets import Input

from logit_amp_chat.core.chat.settings import ChatSettings
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.tui.dialogs.note import NameScreen
from logit_amp_chat.tui.dialogs.sampling import SamplingScreen
from logit_amp_chat.tui.token_log.cursor import Cursor
from tests.tui.chat import derivation, surroundings
from tests.tui.chat_driver import Chat, open_chat

T = TypeVar("T")

SIZE = (150, 40)
WORDS = (
    "Otters eat fish.",
    "Otters eat fish and crabs.",
    "Otters eat fish and crabs!",
    "Otters sleep.",
    "Seals",
)
LANES = ("before", "after", "amplified", "+2", "+0.5")
TEXTS = st.fixed_dictionaries({lane: st.sampled_from(WORDS) for lane in LANES})
ALPHAS = ("-1, 0", "2, -1", "0.5, 2", "-1, 0, 2", "0")
BEGINNINGS = (
    *("", "a branch", "a running branch", "a comparison", "other αs", "two turns", "own histories"),
)
MESSAGES = st.sampled_from(["Hi", "Where do penguins live?", "And otters?"])
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.7, 1.0]),
    top_p=st.sampled_from([0.9, 1.0]),
    top_k=st.sampled_from([0, 40]),
    min_p=st.sampled_from([0.0, 0.05]),
    plausibility=st.sampled_from([0.0, 0.01]),
    seed=st.integers(0, 3),
)


AROUND = (
    surroundings.check_bar,
    surroundings.check_status,
    surroundings.check_inspector,
    surroundings.check_legend,
    surroundings.check_footer,
    surroundings.check_composer,
    surroundings.check_welcome,
)


class Shown(RuleBasedStateMachine):
    """A user at the keyboard, and an engine that decodes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.context = contextvars.copy_context()
        self.folder = tempfile.TemporaryDirectory()
        self.opened = open_chat(Path(self.folder.name), size=SIZE)
        self.chat: Chat = self.run(self.opened.__aenter__())
        self.chat.engine.patient = True
        self.files: list[Path] = []
        self.kept = ""  # the reply that was kept last, until the chat goes on or back

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.loop.close()
        self.folder.cleanup()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """To the end, in the context of the app."""
        task = self.loop.create_task(doing, context=self.context)
        return self.loop.run_until_complete(task)

    # --- what is known ------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self.chat.engine.request is not None

    @property
    def asked(self) -> bool:
        return bool(self.chat.session.conversation.messages)

    @property
    def steps(self) -> int:
        """How many tokens the reply has that the keys act on."""
        block = self.chat.screen.view.current_block
        return len(block.log.steps) if block else 0

    async def read(self, *keys: str) -> None:
        """Press keys in the transcript."""
        self.chat.screen.set_focus(self.chat.screen.view.current_log)
        await self.chat.press(*keys)

    # --- what is done -------------------------------------------------------------

    @initialize(beginning=st.sampled_from(BEGINNINGS), texts=TEXTS)
    def converse(self, beginning: str, texts: dict[str, str]) -> None:
        """Most begin in the middle of something."""
        chat, session = self.chat, self.chat.session
        chat.engine.texts = texts
        session.comparing = beginning not in ("", "a branch", "a running branch")
        if beginning:
            self.run(self._send("Hi"))
            self.run(chat.finish())
        if beginning == "other αs":
            self.run(self._choose_alphas("2, -1"))
            self.run(chat.finish())
        if "branch" in beginning:
            self.run(self._branch(2, 2))
        if beginning == "a branch":
            self.run(chat.finish())
        if beginning == "a running branch":
            self.run(chat.step(1))
            self.run(chat.press("f4"))
        if beginning in ("two turns", "own histories"):
            session.own_histories = beginning == "own histories"
            self.run(self._send("And otters?"))
            self.run(chat.finish())

    @rule(text=MESSAGES, texts=TEXTS)
    def send(self, text: str, texts: dict[str, str]) -> None:
        self.chat.engine.texts = texts
        self.run(self._send(text))

    async def _send(self, text: str) -> None:
        self.kept = ""
        chat = self.chat
        waits = self.busy
        editing = chat.session.editing
        chat.screen.view.composer.put(text)
        chat.screen.set_focus(chat.screen.view.composer)
        await chat.press("enter")
        if not waits:
            message = chat.session.conversation.last_user_message()
            assert message is not None
            assert message.text == text
            assert chat.screen.view.log_view.blocks[-1].id in (
                message.id,
                *(r.id for r in chat.session.conversation.replies_to(message.id)),
            )
            if chat.session.comparing and chat.engine.request is not None:
                expected = derivation.histories_to_continue(chat, message)
                asked = {lane.name: lane.follows for lane in chat.engine.request.lanes}
                assert asked == expected
            if editing is not None:
                file = derivation.File.of(chat.saved)
                assert file.place(message) == file.place(editing)

    @precondition(lambda self: self.busy)
    @rule(count=st.integers(1, 4))
    def decode(self, count: int) -> None:
        self.run(self.chat.step(count))

    @precondition(lambda self: self.busy)
    @rule()
    def decode_to_the_end(self) -> None:
        self.run(self.chat.finish())

    @precondition(lambda self: self.asked)
    @rule(texts=TEXTS)
    def regenerate(self, texts: dict[str, str]) -> None:
        self.kept = ""
        self.chat.engine.texts = texts
        self.run(self.chat.press("ctrl+r"))

    @precondition(lambda self: self.asked and not self.busy)
    @rule(key=st.sampled_from("<>"))
    def go_to_a_sibling(self, key: str) -> None:
        self.kept = ""
        expected = derivation.neighbour(self.chat, -1 if key == "<" else 1)
        self.run(self.read(key))
        if expected is not None:
            thread = [block.id for block in self.chat.screen.view.log_view.blocks]
            assert expected in thread

    @rule(texts=TEXTS)
    def compare(self, texts: dict[str, str]) -> None:
        self.chat.engine.texts = texts
        self.run(self.chat.press("f4"))

    @rule(alphas=st.sampled_from(ALPHAS), texts=TEXTS)
    def choose_alphas(self, alphas: str, texts: dict[str, str]) -> None:
        self.chat.engine.texts = texts
        self.run(self._choose_alphas(alphas))

    async def _choose_alphas(self, alphas: str) -> None:
        chat = self.chat
        await self.read()
        await chat.choose_alphas(alphas)
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.frame()

    @precondition(lambda self: self.steps)
    @rule(place=st.integers(0, 9), down=st.integers(0, 4), texts=TEXTS)
    def branch(self, place: int, down: int, texts: dict[str, str]) -> None:
        self.kept = ""
        self.chat.engine.texts = texts
        self.run(self._branch(place, down))

    async def _branch(self, place: int, down: int) -> None:
        block = self.chat.screen.view.current_block
        assert block is not None
        self.chat.screen.view.current_log.set_cursor(Cursor(block.id, place % self.steps))
        await self.read("enter", *["down"] * down, "enter")

    @precondition(lambda self: self.steps)
    @rule(texts=TEXTS)
    def go_on(self, texts: dict[str, str]) -> None:
        self.kept = ""
        self.chat.engine.texts = texts
        self.run(self.read("u"))

    @precondition(lambda self: self.asked)
    @rule()
    def edit(self) -> None:
        self.run(self.read("e"))

    @precondition(lambda self: self.chat.screen.view.comparing)
    @rule(key=st.sampled_from(["k", "tab", "shift+tab", "h", "x", "t"]))
    def use_lanes(self, key: str) -> None:
        block = self.chat.screen.view.lanes.current.block
        if key == "k" and block is not None and not self.busy:
            self.kept = block.id
        self.run(self.read(key))

    @rule(key=st.sampled_from(["-", "=", "[", "]", "b", "a", "1"]))
    def change_alpha(self, key: str) -> None:
        steps = {"-": -0.1, "=": 0.1, "[": -1.0, "]": 1.0}
        moved = self.chat.session.alpha + steps.get(key, 0)
        expected = {"b": -1.0, "a": 0.0, "1": 1.0}.get(key, round(moved, 6))
        self.run(self.read(key))
        assert self.chat.session.alpha == expected

    @precondition(lambda self: self.busy)
    @rule()
    def stop(self) -> None:
        self.run(self.chat.press("escape"))

    @rule(sampling=SAMPLINGS, system=st.sampled_from([None, "Be brief."]))
    def change_settings(self, sampling: Sampling, system: str | None) -> None:
        self.run(self._change_settings(sampling, system))

    async def _change_settings(self, sampling: Sampling, system: str | None) -> None:
        chat = self.chat
        await chat.press("f7")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        assert isinstance(chat.app.screen, SamplingScreen)
        chat.app.screen.dismiss(ChatSettings(sampling, system))
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.frame()

    @precondition(lambda self: self.steps)
    @rule(name=st.sampled_from(["", "odd"]))
    def label(self, name: str) -> None:
        self.run(self._label(name))

    async def _label(self, name: str) -> None:
        chat = self.chat
        await self.read("l")
        await chat.until(lambda: isinstance(chat.app.screen, NameScreen))
        chat.app.screen.query_one(Input).value = name
        await chat.press("enter")
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.frame()

    @precondition(lambda self: self.steps)
    @rule(key=st.sampled_from(["home", "left", "right", "end", "up", "{"]))
    def move(self, key: str) -> None:
        self.run(self.read(key))

    @rule(key=st.sampled_from(["f5", "f6"]))
    def look(self, key: str) -> None:
        self.run(self.chat.press(key))

    @rule()
    def begin_another_chat(self) -> None:
        self.kept = ""
        path = self.chat.session.saved.recorder.path
        if path is not None and path not in self.files:
            self.files.append(path)
        self.run(self.chat.press("ctrl+n"))

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 3))
    def resume(self, which: int) -> None:
        self.kept = ""
        path = self.files[which % len(self.files)]
        chat = self.chat
        was_open = chat.session.saved.recorder.path == path
        self.run(self._resume(path))
        assert chat.session.saved.recorder.path == path or self.busy
        alpha = derivation.last_alpha(chat)
        assert was_open or self.busy or alpha in (None, chat.session.alpha)

    async def _resume(self, path: Path) -> None:
        chat = self.chat
        chat.session.live.when_idle(lambda: chat.screen.conversation.resume(path))
        await chat.frame()

    # --- what must be shown -------------------------------------------------------

    @invariant()
    def what_is_shown_follows_from_the_records(self) -> None:
        chat = self.chat
        derivation.check_thread(chat)
        self._check_file()
        for check in AROUND:
            check(chat)
        if self.chat.screen.view.comparing:
            surroundings.check_comparison(chat)
            assert derivation.shown_lanes(self.chat) == derivation.lanes_to_show(self.chat)
            assert derivation.shown_summaries(self.chat) == derivation.summaries(self.chat)

    def _check_file(self) -> None:
        """Whoever opens the file now sees the same thread."""
        chat = self.chat
        if self.busy or chat.session.conversation.leaf is None:
            return
        again = Conversation(chat.saved).thread()
        assert not self.kept or self.kept in [item.id for item in again]
        assert [item.id for item in again] == [b.id for b in chat.screen.view.log_view.blocks]


# A run takes three seconds.
RUNS = 40 if settings.get_current_profile_name() == "suite" else settings().max_examples
Shown.TestCase.settings = settings(
    max_examples=RUNS, stateful_step_count=14, report_multiple_bugs=False
)
TestWhatIsShown = Shown.TestCase
