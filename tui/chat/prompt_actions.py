"""The prompt of a turn: whose is shown, and where it is copied to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from logit_amp_chat.core.chat.session import Draft
from logit_amp_chat.core.chat.turn_prompts import TurnPrompts, draft_prompts, reply_prompts
from logit_amp_chat.core.export.snippets import Copy
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.reading.file_actions import FileActions

if TYPE_CHECKING:
    from logit_amp_chat.tui.dialogs.prompt import PromptScreen


class PromptActions:
    """Opens the dialog of a turn's prompts, and keeps it in line with the session."""

    def __init__(self, host: ChatHost, files: FileActions) -> None:
        """`files` copies."""
        self.host = host
        self.session = host.session
        self.view = host.view
        self._files = files
        self._screen: PromptScreen | None = None

    def prompt(self) -> None:
        """Show what the reply under the cursor was prompted with, or what the draft will be.

        Without a cursor that is the draft, and where nothing is written the last reply.
        """
        composer, block = self.view.composer, self.view.current_block
        written = bool(composer.text.strip()) and self.view.current_log.cursor is None
        if block is not None and not written:
            self._show(reply_prompts(self.session, block.log))
        else:
            draft = Draft(composer.text.rstrip(), composer.special)
            self._show(draft_prompts(self.session, draft))

    def _show(self, prompts: TurnPrompts) -> None:
        from logit_amp_chat.tui.dialogs.prompt import PromptScreen

        def leave(_: None) -> None:
            self._screen = None

        prompts.follow()
        self._screen = PromptScreen(prompts, self._copy, self.view.actions)
        self.host.app.push_screen(self._screen, leave)

    def _copy(self, copies: Sequence[Copy]) -> None:
        from logit_amp_chat.tui.dialogs.copy import CopyScreen

        def take(copy: Copy | None) -> None:
            if copy is not None:
                self._files.copy_text(copy.name, copy.text)

        self.host.app.push_screen(CopyScreen(copies), take)

    def follow(self) -> None:
        """Something happened: ask for what is missing, and show what is there."""
        if self._screen is not None:
            self._screen.prompts.follow()
            self._screen.update()
