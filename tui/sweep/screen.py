"""The screen of a sweep: its rates, its estimate and its replies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from logit_amp_chat.core.chat.swept_patterns import save_patterns
from logit_amp_chat.core.chat.swept_replies import Swept
from logit_amp_chat.core.chat.turn_sweep import TurnSweep
from logit_amp_chat.core.errors import LogitAmpError, TranscriptError
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.cursor_actions import CursorActions
from logit_amp_chat.tui.reading.delegation import delegate
from logit_amp_chat.tui.reading.file_actions import FileActions
from logit_amp_chat.tui.reading.log_panel import set_size_classes
from logit_amp_chat.tui.sweep.reply_actions import ReplyActions, SweepFiles
from logit_amp_chat.tui.sweep.sweep_view import SweepView

REFRESH_SECONDS = 0.25


def _cursor(screen: SweepScreen) -> CursorActions:
    return screen.cursor


def _replies(screen: SweepScreen) -> ReplyActions:
    return screen.cursor


def _files(screen: SweepScreen) -> SweepFiles:
    return screen.files


class SweepScreen(Screen[None]):
    """Shows a sweep; leaving it does not stop it."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("sweep")]

    def __init__(
        self,
        sweep: TurnSweep,
        look: Callable[[Swept], None],
        keep: Callable[[Swept], None],
        renew: Callable[[], None],
        actions: keymap.Actions = keymap.ACTIONS,
    ) -> None:
        """Show `sweep`; `look` opens a reply token by token, `keep` takes it into the chat.

        `renew` asks for another sweep of the turn.
        """
        super().__init__()
        self.sweep = sweep
        self.view = SweepView(self, sweep, actions)
        self.cursor = ReplyActions(self)
        self.files = SweepFiles(self)
        self._look, self._keep, self._renew = look, keep, renew
        self._changed = False

    def compose(self) -> ComposeResult:
        """The widgets of the view."""
        yield from self.view.compose()

    def on_mount(self) -> None:
        """Show what is known already."""
        self.set_focus(self.view.list)
        self.view.update()
        self.set_interval(REFRESH_SECONDS, self.show_changes)

    def on_resize(self, event: events.Resize) -> None:
        """Wide or narrow; the pattern is cut to the width."""
        set_size_classes(self, event.size)
        self.update()

    def update(self) -> None:
        """Something happened: it is shown with the next frame."""
        self._changed = True

    def show_changes(self) -> None:
        """Show what happened since the last time."""
        if self._changed and self.is_mounted:
            self._changed = False
            self.view.update()

    def on_descendant_focus(self) -> None:
        """Another place has the keyboard."""
        self.view.refresh_keys()

    def on_key(self, event: events.Key) -> None:
        """The next key takes away what was said; that for esc does so by itself."""
        bound = self.active_bindings.get(event.key)
        if bound is None or bound.binding.id != "sweep_back":
            self.view.notice.clear_information()

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        self.cursor.search_typed(event.value)

    # --- actions ------------------------------------------------------------------------

    action_end = delegate(_replies, ReplyActions.end)
    action_next = delegate(_cursor, CursorActions.next)
    action_page = delegate(_cursor, CursorActions.page)
    action_reply = delegate(_replies, ReplyActions.reply)
    action_search = delegate(_cursor, CursorActions.search)
    action_search_go = delegate(_cursor, CursorActions.search_go)
    action_top = delegate(_replies, ReplyActions.top)

    action_copy = delegate(_files, SweepFiles.copy)
    action_help = delegate(_files, FileActions.help)
    action_picture = delegate(_files, FileActions.picture)

    def action_open(self) -> None:
        """Look at the picked reply token by token."""
        if (swept := self.view.list.picked) is not None:
            self._look(swept)

    def action_keep(self) -> None:
        """Take the picked reply into the chat."""
        if (swept := self.view.list.picked) is not None:
            self._keep(swept)

    def action_hits(self) -> None:
        """Show hits only, or all replies."""
        choice = self.view.choice
        if self.view.behaviour is None:
            self.view.notice.say("Nothing is counted yet.", "Press b to say what.", kind="hits")
        else:
            self.view.choose(replace(choice, hits=not choice.hits))

    def action_alpha(self, by: int) -> None:
        """Show the replies at another α."""
        self.view.next_alpha(by)

    def action_behaviour(self) -> None:
        """Look at the next behaviour."""
        self.view.next_behaviour()

    def action_behaviours(self) -> None:
        """Ask what is to be counted."""
        from logit_amp_chat.tui.dialogs.behaviours import BehavioursScreen

        def take(behaviours: tuple[Behaviour, ...] | None) -> None:
            if behaviours is not None:
                self._count(behaviours)

        self.app.push_screen(BehavioursScreen(self.sweep.replies.behaviours), take)

    def _count(self, behaviours: tuple[Behaviour, ...]) -> None:
        try:
            self.sweep.replies.use(behaviours)
            save_patterns(self.sweep.path, behaviours)
        except TranscriptError as error:  # they are counted all the same
            self.view.notice.say(error.message, error=True)
        except LogitAmpError as error:
            self.view.notice.say(error.message, error.remedy, error=True)
        self.view.update()
        self.cursor.top()  # where the hits are

    def action_mark(self, label: bool) -> None:
        """Say whether the picked reply shows the behaviour; saying it again takes it back."""
        view, swept = self.view, self.view.list.picked
        number = view.choice.behaviour
        if view.behaviour is None or number is None:
            view.notice.say("Nothing is counted yet.", "Press b to say what.", kind="hits")
        elif swept is not None:
            was = self.sweep.replies.marks(number).get(swept.reply.id)
            try:
                self.sweep.replies.mark(number, swept.reply.id, None if was is label else label)
            except LogitAmpError as error:
                view.notice.say(error.message, error=True)
            view.list.pick_by(1)
            view.update()

    def action_stop(self) -> None:
        """Begin no further reply; again, give up those that have begun."""
        self.sweep.stop()
        self.view.update()

    def action_go_on(self) -> None:
        """Go on where it stopped."""
        if not self.sweep.is_complete:
            self.sweep.start()
            self.sweep.follow()
            self.view.update()

    def action_new(self) -> None:
        """Ask for another sweep of the turn."""
        self.dismiss(None)
        self._renew()

    def action_more(self) -> None:
        """Ask for further αs and samples."""
        from logit_amp_chat.tui.dialogs.sweep import Asked, MoreScreen

        def take(asked: Asked | None) -> None:
            if asked is not None:
                self.sweep.start(asked.settings)
                self.view.update()

        if self.sweep.doing:
            self.view.notice.say("The sweep runs.", "Stop it first (x).", kind="more")
        else:
            self.app.push_screen(MoreScreen(self.sweep.settings), take)

    def action_escape(self) -> None:
        """Whatever is nearest: end a search, close a notice, go back to the chat."""
        if not (self.cursor.leave() or self.view.notice.dismiss()):
            self.dismiss(None)
