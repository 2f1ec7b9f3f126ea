"""The Textual app: wires the chat screen to the engine, and leaves the terminal clean."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.command import Provider
from textual.driver import Driver
from textual.filter import LineFilter, NoColor
from textual.screen import Screen
from textual.widgets import TextArea

from logit_amp_chat.core.chat.engine_link import MakeEngine
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.settings import prefer_profile
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.process import EngineProcess
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.library import holds_texts
from logit_amp_chat.core.transcripts.mirror import Mirror
from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.keys.user_keys import keymap_path, read_keymap
from logit_amp_chat.tui.terminal.capabilities import check_terminal
from logit_amp_chat.tui.terminal.key_bunch import Lines
from logit_amp_chat.tui.terminal.key_order import KeyOrder
from logit_amp_chat.tui.terminal.size import follow_terminal
from logit_amp_chat.tui.theme import DARK, LIGHT

GIVE_UP_SECONDS = 1.0
MIRROR_SECONDS = 8.0


def _commands() -> type[Provider]:
    from logit_amp_chat.tui.keys.command_palette import Commands  # the first frame needs no palette

    return Commands


class ChatApp(App[int]):
    """One chat screen over one session."""

    CSS_PATH = "chat/chat.tcss"  # Textual does not read a default screen's own
    TITLE = "logit-amp-chat"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}

    def __init__(
        self, session: ChatSession, keys: Path | None = None, text: Path | None = None
    ) -> None:
        """Show `session`, with the user's keys from the file `keys`.

        `text` is a file with a text that was read, to look at first.
        """
        super().__init__()
        self.session = session
        self.actions = keymap.ACTIONS
        self._chat: ChatScreen | None = None
        self._problem: LogitAmpError | None = None
        self._text = text
        self._keys = KeyOrder(self, self._give)
        if keys is not None:
            self._take_keys(keys)
        self.backstop: threading.Timer | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    def _take_keys(self, path: Path) -> None:
        """Use the keys of a file; if it cannot be used, the default keys and a notice."""
        try:
            keys = read_keymap(path)
        except LogitAmpError as error:
            self._problem = error
        else:
            self.actions = keymap.changed(keys)
            self.set_keymap(keys)

    async def on_event(self, event: events.Event) -> None:
        """Keys and what is pasted act in their order, everything else at once."""
        if isinstance(event, events.Key | events.Paste | Lines) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    async def _give(self, event: events.Event) -> None:
        """Let the screen see a key first: focus has to move before the next key arrives."""
        screen = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(event, Lines):
            written = isinstance(self.focused, TextArea)
            if written or (isinstance(screen, ChatScreen) and event.has_words):
                event = events.Paste(event.text)
            else:
                self._keys.take_first(event.keys)
                return
        typed = event if isinstance(event, events.Key | events.Paste) else None
        if not (typed and isinstance(screen, ChatScreen | Dialog) and screen.meet(typed)):
            await super().on_event(event)

    def get_driver_class(self) -> type[Driver]:
        """The usual one, or of the usual one for terminals ours, which leaves nothing behind."""
        usual = super().get_driver_class()
        if usual.__name__ != "LinuxDriver":
            return usual
        from logit_amp_chat.tui.terminal.draining_driver import DrainingDriver

        return DrainingDriver

    def get_line_filters(self) -> Sequence[LineFilter]:
        """With NO_COLOR no colour at all, where Textual would still send greys."""
        return [NoColor()] if self.no_color else super().get_line_filters()

    def get_default_screen(self) -> Screen[None]:
        """The chat is all there is below the dialogs."""
        self._chat = ChatScreen(self.session, self.actions, self._problem, self._text)
        return self._chat

    @property
    def is_sweeping(self) -> bool:
        """Whether a sweep runs; after the app has ended, whether one did until then."""
        return self._chat is not None and self._chat.sweeps.sweeps.running is not None

    def on_mount(self) -> None:
        """Repaint after a shell, and save the conversation when the terminal goes away."""
        # Textual paints only what changed, and the terminal is blank after a suspend.
        self.app_resume_signal.subscribe(self, lambda _app: self.screen.refresh())
        loop = asyncio.get_running_loop()

        def leave(number: int, _frame: object) -> None:
            # On a thread: the loop may hang on a terminal that no longer reads.
            threading.Thread(target=self._leave, args=(number, loop), daemon=True).start()

        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):  # not in the main thread
                self._handlers[number] = signal.signal(number, leave)

    def on_unmount(self) -> None:
        """Restore the signal handlers."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _leave(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.session.close()
        # Where a clean exit hangs, leave anyway.
        self.backstop = threading.Timer(GIVE_UP_SECONDS, self._give_up, (128 + number,))
        self.backstop.daemon = True
        self.backstop.start()
        loop.call_soon_threadsafe(partial(self.exit, return_code=128 + number))

    def _give_up(self, code: int) -> None:
        """End without the terminal, which does not answer; what was said is mirrored first."""
        if (mirror := self.session.saved.mirror) is not None:
            mirror.finish(MIRROR_SECONDS)
            mirror.close()
        os._exit(code)

    async def action_quit(self) -> None:
        """Textual's own ctrl+q: the chat decides."""
        chat = self.screen_stack[0] if self.screen_stack else None
        if isinstance(chat, ChatScreen):
            chat.action_quit()
        else:
            self.exit()

    def copy_to_clipboard(self, text: str) -> None:
        """Copy through tmux and screen too, which Textual does not, and no more than fits."""
        from logit_amp_chat.tui.terminal import clipboard

        self._clipboard = text
        if self._driver is not None and not self.is_headless:
            clipboard.give(text, self._driver.write)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette's commands, from the registry of actions."""
        if isinstance(screen, ChatScreen):
            for action in keymap.commands(self.actions):
                run = self._runner(screen, action.run)
                about = " · ".join([action.group, action.display, action.label])
                yield SystemCommand(keymap.title(action), about, run)
        yield SystemCommand("Light or dark colours", "Change the colours.", self.turn_light)

    def turn_light(self) -> None:
        """Switch between dark and light colours."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    @staticmethod
    def _runner(screen: ChatScreen, run: str) -> Any:
        async def command() -> None:
            await screen.run_action(run)

        return command


def run_chat(
    profile: Profile,
    *,
    transcripts: Path,
    resume: Path | None = None,
    make_engine: MakeEngine | None = None,
    mirror: Mirror | None = None,
) -> int:
    """Open the chat and stay until the user leaves; returns the exit code.

    `make_engine` is by default an engine process on this machine.

    Raises UsageError where there is no terminal to draw on, and
    TranscriptError where `resume` cannot be continued.
    """
    check_terminal()
    follow_terminal()
    session = ChatSession(profile, transcripts, make_engine or EngineProcess)
    session.saved.mirror = mirror
    try:
        text = resume if resume is not None and holds_texts(resume) else None
        if resume is not None and text is None:
            session.resume(resume)
            prefer_profile(session)
        app = ChatApp(session, keymap_path(), text)
        app.run()
    finally:
        session.close()
    if (path := session.saved.saved_as) is not None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print("\n".join(where_it_is(path, sweeping=app.is_sweeping)), flush=True)
    if app.backstop is not None:
        app.backstop.cancel()
    return app.return_code or 0


def where_it_is(path: Path, *, sweeping: bool = False) -> Iterator[str]:
    """Where a chat is saved, and the command that resumes it, quoted for a shell.

    With `sweeping` also how its sweep is gone on with.
    """
    yield f"This chat is saved in {visible(str(path), newlines=False)}"
    command = ["logit-amp-chat"]
    if shutil.which(command[0]) is None:  # not on the path of this shell
        command = [sys.executable, "-m", "logit_amp_chat"]
    line = shlex.join([*command, "--resume", str(path)])
    if visible(line, newlines=False) == line:
        yield f"To resume it: {line}"
    if sweeping:
        yield "Its sweep is not finished: there press S, then u, to go on with it."
