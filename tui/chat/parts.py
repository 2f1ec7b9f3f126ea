"""The parts of the chat screen that have its actions, for `delegate`."""

from __future__ import annotations

from typing import Protocol

from logit_amp_chat.tui.chat.compare_actions import CompareActions
from logit_amp_chat.tui.chat.conversation_actions import ConversationActions
from logit_amp_chat.tui.chat.cursor_actions import ChatCursorActions
from logit_amp_chat.tui.chat.dialog_actions import DialogActions
from logit_amp_chat.tui.chat.opening_actions import OpeningActions
from logit_amp_chat.tui.chat.prompt_actions import PromptActions
from logit_amp_chat.tui.chat.reply_text_actions import ReplyTextActions
from logit_amp_chat.tui.chat.stage_actions import StageActions
from logit_amp_chat.tui.chat.sweep_actions import SweepActions
from logit_amp_chat.tui.chat.text_actions import TextActions
from logit_amp_chat.tui.chat.token_actions import TokenActions


class HasParts(Protocol):
    """The chat screen, as the functions below see it."""

    conversation: ConversationActions
    dialogs: DialogActions
    comparison: CompareActions
    tokens: TokenActions
    openings: OpeningActions
    prompts: PromptActions
    stages: StageActions
    reply_texts: ReplyTextActions
    texts: TextActions
    sweeps: SweepActions
    cursor: ChatCursorActions


def conversation(screen: HasParts) -> ConversationActions:
    """Messages, α and the pair."""
    return screen.conversation


def dialogs(screen: HasParts) -> DialogActions:
    """Dialogs and files."""
    return screen.dialogs


def comparison(screen: HasParts) -> CompareActions:
    """Lanes side by side."""
    return screen.comparison


def tokens(screen: HasParts) -> TokenActions:
    """Tokens and replies."""
    return screen.tokens


def openings(screen: HasParts) -> OpeningActions:
    """The openings of a turn."""
    return screen.openings


def prompts(screen: HasParts) -> PromptActions:
    """The prompt of a turn."""
    return screen.prompts


def stages(screen: HasParts) -> StageActions:
    """The stage of a turn."""
    return screen.stages


def reply_texts(screen: HasParts) -> ReplyTextActions:
    """The text of replies."""
    return screen.reply_texts


def texts(screen: HasParts) -> TextActions:
    """Texts that are read."""
    return screen.texts


def sweeps(screen: HasParts) -> SweepActions:
    """Sweeps."""
    return screen.sweeps


def cursor(screen: HasParts) -> ChatCursorActions:
    """Moving and searching."""
    return screen.cursor
