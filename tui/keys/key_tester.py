"""`logit-amp-chat doctor --keys`: which keys arrive here, and whether a copy comes back."""

from __future__ import annotations

import secrets
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.content import Content
from textual.widgets import Static

from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.terminal import clipboard
from logit_amp_chat.tui.terminal.capabilities import check_terminal
from logit_amp_chat.tui.terminal.size import follow_terminal


class KeyProbe(App[None]):
    """Ticks off every key that arrives; a word is on the clipboard, to be pasted."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { padding: 1 2; }"
    heading: ClassVar[str] = "Press each key, paste what was copied, then q to go on."

    def __init__(self) -> None:
        super().__init__()
        self.word = f"otter-{secrets.token_hex(2)}"
        self.missing = dict(_keys())
        self.last = ""
        self.pasted: bool | None = None

    def compose(self) -> ComposeResult:
        """One text that says it all."""
        yield Static(id="said", markup=False)

    def on_mount(self) -> None:
        """Copy the word as the chat copies, and say what to do."""
        if self._driver is not None and not self.is_headless:
            clipboard.give(self.word, self._driver.write)
        self._show()

    async def on_event(self, event: events.Event) -> None:
        """Take every key before anything acts on it."""
        if isinstance(event, events.Key):
            if event.key == "q":
                self.exit()
                return
            self.last = event.key
            for key in [event.key, *event.aliases]:
                self.missing.pop(key, None)
            self._show()
        elif isinstance(event, events.Paste):
            self.pasted = event.text.strip() == self.word
            self._show()
        else:
            await super().on_event(event)

    @property
    def report(self) -> str:
        """What was found out, in a few lines."""
        missing = "  ".join(self.missing.values()) or "none: all of them arrived"
        paste = {
            None: f"{self.word} was copied: paste it here (a terminal may have to be allowed to)",
            True: "works: what was copied came back",
            False: "something else was pasted: this terminal takes no copies (OSC 52)",
        }[self.pasted]
        return f"not pressed yet   {missing}\nclipboard         {paste}"

    def _show(self) -> None:
        last = visible(self.last, newlines=False) or "–"
        text = f"{self.heading}\n\nlast key          {last}\n{self.report}"
        self.query_one("#said", Static).update(Content(text))


def _keys() -> list[tuple[str, str]]:
    """Every key of the chat that is more than a letter, with the name people know it by."""
    found: dict[str, str] = {}
    for action in keymap.ACTIONS:
        first = action.keys.partition(",")[0]
        if len(first) > 1 and action.display:
            found.setdefault(first, action.display)
    return list(found.items())


def try_keys() -> str:
    """Let the user press keys until q; returns what was found. Raises UsageError."""
    follow_terminal()
    check_terminal("doctor --keys", "Without --keys it works in scripts and pipes.")
    app = KeyProbe()
    app.run()
    return app.report
