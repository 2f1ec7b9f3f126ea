"""The openings of a turn: where they are shown, and the branches that begin there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.openings import MessageOpenings, Path
from logit_amp_chat.core.chat.prefix import Prefix
from logit_amp_chat.core.protocol import Failed
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.conversation_actions import RELOAD, ConversationActions

if TYPE_CHECKING:
    from logit_amp_chat.tui.dialogs.openings import OpeningsScreen


class OpeningActions:
    """Opens the dialog of a turn's openings, and keeps it in line with the session."""

    def __init__(self, host: ChatHost, conversation: ConversationActions) -> None:
        self.host = host
        self.session = host.session
        self.view = host.view
        self.conversation = conversation
        self._screen: OpeningsScreen | None = None

    def openings(self) -> None:
        """Show what could begin the answer of the turn under the cursor, or of the newest."""
        message = self.view.message_in_view
        if message is None:
            self.view.notice.say("There is no message to answer yet.", "Write one first.")
            return
        openings = MessageOpenings(self.session, message)
        if openings.at(()) is not None:
            self._show(openings)
        elif self.session.saved.read_only:
            self.conversation.say_read_only()
        elif self.session.state in ("closed", "failed"):
            self.view.notice.say("The models are not loaded.", RELOAD, error=True)
        else:
            self.session.live.when_idle(lambda: self._show(openings))

    def _show(self, openings: MessageOpenings) -> None:
        from logit_amp_chat.tui.dialogs.openings import OpeningsScreen

        def take(path: Path | None) -> None:
            self._screen = None
            openings.leave()
            if path is not None:
                self.session.live.when_idle(lambda: self._branch(openings.message, path))

        openings.follow()
        alpha_by = self.conversation.alpha_by
        self._screen = OpeningsScreen(openings, alpha_by, self.view.actions)
        self.host.app.push_screen(self._screen, take)

    def _branch(self, message: str, path: Path) -> None:
        if branches.answer_with(self.session, message, Prefix(path)):
            self.view.show_branch()
        elif self.session.saved.read_only:
            self.conversation.say_read_only()
        else:
            self.view.notice.say("The models are not loaded.", RELOAD, error=True)

    @property
    def is_open(self) -> bool:
        """Whether they are looked at, and may be opened a level deeper at any moment."""
        return self._screen is not None and self._screen.is_attached

    # --- what the engine reports ----------------------------------------------------

    def follow(self) -> None:
        """Something happened: ask for what is missing, and show what is there."""
        screen = self._screen
        if screen is None:
            return
        if screen.openings.gone:
            screen.dismiss(None)
            return
        screen.openings.follow()
        screen.update()

    def failed(self, failed: Failed) -> None:
        """The engine could not do what it was asked."""
        if self._screen is not None and not failed.fatal:
            self._screen.openings.failed(f"{failed.message} {failed.remedy}".strip())
