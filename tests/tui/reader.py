"""What tests of reading have in common."""

from __future__ import annotations

from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.cursor import Cursor
from tests.tui.chat_driver import Chat, text_of


def last(chat: Chat) -> ReplyLog:
    log = chat.session.conversation.last_reply()
    assert log is not None
    return log


def legend(chat: Chat) -> str:
    return text_of(chat.screen.view.legend)


async def ask(chat: Chat, *texts: str) -> None:
    """Ask, and read the last answer from its first token on."""
    for text in texts:
        await chat.say(text)
        await chat.finish()
    await chat.read()
    chat.screen.view.current_log.set_cursor(Cursor(last(chat).id, 0))
    await chat.frame()
