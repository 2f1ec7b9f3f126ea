"""Messages that spell special tokens: text, unless the user means the tokens."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.records import Message
from tests.tui.chat_driver import Chat, answer, open_chat, requests

SPELLED = "Say <|end|> now"


def mark(chat: Chat) -> str:
    return str(chat.screen.view.composer.border_subtitle or "")


async def write(chat: Chat, text: str) -> None:
    chat.screen.view.composer.put(text)
    await chat.frame()


async def test_a_draft_that_spells_one_says_what_becomes_of_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await write(chat, "Say end")
        assert mark(chat) == ""
        await write(chat, SPELLED)
        assert mark(chat) == "<|end|>: sent as text · ctrl+y as special tokens"
        await chat.press("ctrl+y")
        assert mark(chat) == "<|end|>: meant as such · ctrl+y as text"
        await chat.press("ctrl+y")
        assert mark(chat) == "<|end|>: sent as text · ctrl+y as special tokens"


async def test_it_is_text_unless_meant_and_the_next_message_begins_anew(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        for toggles in ((), ("ctrl+y",), ()):
            await write(chat, SPELLED)
            await chat.press(*toggles, "enter")
            await chat.finish()
        said = [m for m in requests(chat.engine)[-1].messages if m.role == "user"]
        assert [(m.text, m.special) for m in said] == [
            (SPELLED, False), (SPELLED, True), (SPELLED, False),
        ]  # fmt: skip
        assert mark(chat) == ""
        saved = [record for record in chat.saved if isinstance(record, Message)]
        assert [m.special for m in saved] == [False, True, False]
        assert chat.log.count("with special tokens") == 1
        document = to_document(chat.saved, markdown=True)
        assert document.count("user · with special tokens") == 1


async def test_it_is_kept_when_a_message_is_edited_or_answered_anew(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await write(chat, SPELLED)
        await chat.press("ctrl+y", "enter")
        await chat.finish()
        await chat.read()
        await chat.press("e")
        assert mark(chat) == "<|end|>: meant as such · ctrl+y as text"
        await chat.press("!", "enter")
        await chat.finish()
        edited = requests(chat.engine)[-1].messages[-1]
        assert (edited.text, edited.special) == (f"{SPELLED}!", True)
        chat.session.system = "Be brief."
        assert chat.session.regenerate()
        again = requests(chat.engine)[-1].messages[-1]
        assert (again.text, again.special) == (f"{SPELLED}!", True)


async def test_it_is_kept_while_a_message_waits_and_when_it_is_taken_back(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await write(chat, SPELLED)
        await chat.press("ctrl+y", "enter")
        assert chat.session.queued[0].special
        await chat.press("escape")
        assert chat.screen.view.composer.text == SPELLED
        assert mark(chat) == "<|end|>: meant as such · ctrl+y as text"
        await write(chat, SPELLED)
        await chat.press("ctrl+y", "enter")
        await chat.finish()
        await chat.frame()
        assert requests(chat.engine)[-1].messages[-1].special


async def test_a_removed_system_prompt_is_another_than_the_templates_own(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        asked: list[list[str]] = []
        systems = (None, "", "Be brief.", "", None, "Be brief.", None)
        for system in systems:
            chat.session.system = system
            answer(chat.session, chat.engines, "Hi")
            asked.append([m.text for m in requests(chat.engine)[-1].messages if m.role == "system"])
            leaf = chat.session.conversation.leaf
            assert chat.session.conversation.system(leaf) == system
        assert asked == [[] if system is None else [system] for system in systems]
        path = chat.session.saved.recorder.path
        assert path is not None
        chat.session.system = ""
        answer(chat.session, chat.engines, "Bye")
        chat.session.new_chat()
        chat.session.system = None
        chat.session.resume(path)
        assert chat.session.system == ""
