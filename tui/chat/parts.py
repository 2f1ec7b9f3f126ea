"""The parts of the chat screen that have its actions, for `delegate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logit_amp_chat.tui.chat.compare_actions import CompareActions
    from logit_amp_chat.tui.chat.conversation_actions import ConversationActions
    from logit_amp_chat.tui.chat.cursor_actions import ChatCursorActions
    from logit_amp_chat.tui.chat.dialog_actions import DialogActions
    from logit_amp_chat.tui.chat.opening_actions import OpeningActions
    from logit_amp_chat.tui.chat.prompt_actions import PromptActions
    from logit_amp_chat.tui.chat.screen import ChatScreen
    from logit_amp_chat.tui.chat.sweep_actions import SweepActions
    from logit_amp_chat.tui.chat.text_actions import TextActions
    from logit_amp_chat.tui.chat.token_actions import TokenActions


def conversation(screen: ChatScreen) -> ConversationActions:
    """Messages, α and the pair."""
    return screen.conversation


def dialogs(screen: ChatScreen) -> DialogActions:
    """Dialogs and files."""
    return screen.dialogs


def comparison(screen: ChatScreen) -> CompareActions:
    """Lanes side by side."""
    return screen.comparison


def tokens(screen: ChatScreen) -> TokenActions:
    """Tokens and replies."""
    return screen.tokens


def openings(screen: ChatScreen) -> OpeningActions:
    """The openings of a turn."""
    return screen.openings


def prompts(screen: ChatScreen) -> PromptActions:
    """The prompt of a turn."""
    return screen.prompts


def texts(screen: ChatScreen) -> TextActions:
    """Texts that are read."""
    return screen.texts


def sweeps(screen: ChatScreen) -> SweepActions:
    """Sweeps."""
    return screen.sweeps


def cursor(screen: ChatScreen) -> ChatCursorActions:
    """Moving and searching."""
    return screen.cursor
