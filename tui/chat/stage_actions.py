"""The stages of a chain: which two are compared, and which one made a reply what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logit_amp_chat.core.chat.blamed_reply import BlamedReply
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.conversation_actions import ConversationActions

if TYPE_CHECKING:
    from logit_amp_chat.tui.dialogs.blame import BlameScreen

NO_CHAIN = ("This pair is no chain of stages.", "F8 loads one: demo-chain is bundled.")


class StageActions:
    """The actions on a chain."""

    def __init__(self, host: ChatHost, conversation: ConversationActions) -> None:
        """`conversation` loads pairs."""
        self._conversation = conversation
        self.host = host
        self.session = host.session
        self.view = host.view
        self._screen: BlameScreen | None = None

    def choose(self) -> None:
        """Choose two stages of the chain; the conversation goes on with them."""
        from logit_amp_chat.tui.dialogs.stages import StagesScreen

        profile = self.session.profile
        if len(profile.stages) < 2:
            self.view.notice.say(*NO_CHAIN)
            return

        def take(chosen: Profile | None) -> None:
            if chosen is not None and chosen.pair != profile.pair:
                self._conversation.load(chosen)

        self.host.app.push_screen(StagesScreen(profile), take)

    def blame(self) -> None:
        """Show which stage did most of each token of the reply under the cursor, or the last."""
        block = self.view.current_block
        log = block.log if block is not None else self.session.conversation.last_reply()
        if log is None or not log.steps:
            self.view.notice.say("There is no reply to blame on a stage.", "Write a message first.")
        elif not log.is_over:
            self.view.notice.say("This reply is still being written.")
        elif log.blamed is None and len(self.session.profile.stages) < 2:
            self.view.notice.say(*NO_CHAIN)
        else:
            self._show(BlamedReply(self.session, log))

    def _show(self, blamed: BlamedReply) -> None:
        from logit_amp_chat.tui.dialogs.blame import BlameScreen

        def leave(_: None) -> None:
            self._screen = None
            self.view.refresh_inspector()

        blamed.follow()
        self._screen = BlameScreen(blamed)
        self.host.app.push_screen(self._screen, leave)

    def follow(self) -> None:
        """Something happened: ask for what is missing, and show what is there."""
        if self._screen is not None:
            self._screen.blamed.follow()
            self._screen.update()
