"""The screen of a text that is read through both models."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from logit_amp_chat.core.chat.continuation import Continuation
from logit_amp_chat.core.chat.read_text import ReadText
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.cursor_actions import CursorActions
from logit_amp_chat.tui.reading.delegation import delegate
from logit_amp_chat.tui.reading.file_actions import FileActions
from logit_amp_chat.tui.reading.hunk_actions import HunkActions
from logit_amp_chat.tui.reading.inspect_actions import InspectActions
from logit_amp_chat.tui.reading.log_panel import set_size_classes
from logit_amp_chat.tui.reading.reading_view import ReadingView
from logit_amp_chat.tui.reading.text_files import TextFiles
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.inspector import Inspector


def _cursor(screen: ReadingScreen) -> CursorActions:
    return screen.cursor


def _tokens(screen: ReadingScreen) -> InspectActions:
    return screen.tokens


def _files(screen: ReadingScreen) -> TextFiles:
    return screen.files


class ReadingScreen(Screen[Continuation | None]):
    """Shows a text as it is read; the answer is where to go on from, or None: back."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("reading")]

    def __init__(self, reading: ReadText, actions: keymap.Actions = keymap.ACTIONS) -> None:
        """Show `reading`."""
        super().__init__()
        self.reading = reading
        self.view = ReadingView(self, reading, actions)
        self.cursor = HunkActions(self)
        self.tokens = InspectActions(self)
        self.files = TextFiles(self)

    def compose(self) -> ComposeResult:
        """The widgets of the view."""
        yield from self.view.compose()

    def on_mount(self) -> None:
        """Show what is known already."""
        self.view.begin()
        self.set_focus(self.view.log_view)

    def on_resize(self, event: events.Resize) -> None:
        """Wide: inspector beside the text. Low or narrow: one thing at a time."""
        set_size_classes(self, event.size)

    def update(self) -> None:
        """Something happened: show it."""
        if self.is_mounted:
            self.view.update()

    @on(TokenLog.CursorMoved)
    def _cursor_moved(self) -> None:
        self.view.legend.said = ""
        self.view.refresh_inspector()
        self.view.refresh_legend()
        self.view.refresh_status()

    @on(Inspector.Left)
    def _inspector_left(self) -> None:
        self.tokens.inspector_left()

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        self.cursor.search_typed(event.value)

    def on_descendant_focus(self) -> None:
        """Another place has the keyboard."""
        self.view.refresh_inspector()
        self.view.refresh_keys()

    # --- actions --------------------------------------------------------------------

    action_end = delegate(_cursor, CursorActions.end)
    action_line = delegate(_cursor, CursorActions.line)
    action_next = delegate(_cursor, CursorActions.next)
    action_page = delegate(_cursor, CursorActions.page)
    action_search = delegate(_cursor, CursorActions.search)
    action_search_go = delegate(_cursor, CursorActions.search_go)
    action_token = delegate(_cursor, CursorActions.token)
    action_top = delegate(_cursor, CursorActions.top)
    action_word = delegate(_cursor, CursorActions.word)

    action_candidate = delegate(_tokens, InspectActions.candidate)
    action_choose = delegate(_tokens, InspectActions.choose)
    action_colour = delegate(_tokens, InspectActions.colour)
    action_inspect = delegate(_tokens, InspectActions.inspect)
    action_sort = delegate(_tokens, InspectActions.sort)

    action_copy = delegate(_files, TextFiles.copy)
    action_export = delegate(_files, TextFiles.export)
    action_help = delegate(_files, FileActions.help)
    action_picture = delegate(_files, FileActions.picture)

    def action_go_on(self) -> None:
        """Go on from the cursor's token in the chat."""
        self._go_on()

    def action_branch(self) -> None:
        """Go on with the selected candidate."""
        if (candidate := self.view.inspector.candidate) is not None:
            self._go_on(candidate.id)

    def _go_on(self, *chosen: int) -> None:
        step = self.view.log_view.step_under_cursor()
        if step is None:
            self.view.notice.say("There is no token to go on from yet.")
            return
        try:
            found = self.reading.continuation(step.index)
        except UsageError as error:
            self.view.notice.say(error.message, error.remedy, error=True)
        else:
            self.dismiss(replace(found, given=(*found.given, *chosen)))

    def action_escape(self) -> None:
        """Whatever is nearest: leave the candidates or a search, stop, close, go back."""
        if self.cursor.leave() or self.reading.stop() or self.view.notice.dismiss():
            self.view.refresh_status()
        elif self.view.inspector.display:
            self.view.show_inspector(False)
        else:
            self.dismiss(None)
