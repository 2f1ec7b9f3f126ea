"""From a token of a text that was read, a reply goes on in the chat."""

from __future__ import annotations

import json
from pathlib import Path

from logit_amp_chat.core.protocol import Request
from logit_amp_chat.core.records import Message
from logit_amp_chat.tui.reading.screen import ReadingScreen
from tests.tui.chat_driver import Chat, open_chat, requests, text_of
from tests.tui.fake_reading import token_id, words_of
from tests.tui.reading.reader import RATIOS, TEXT, ask_for, read, screen_of


def ids(text: str) -> tuple[int, ...]:
    return tuple(map(token_id, words_of(text)))


def asked(chat: Chat) -> Request:
    return requests(chat.engine)[-1]


async def back(chat: Chat) -> None:
    await chat.until(lambda: chat.app.screen is chat.screen)
    await chat.frame()


async def test_u_gives_a_reply_the_tokens_before_the_cursor(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.ratios = RATIOS
        chat.session.set_alpha(1.5)
        await read(chat, TEXT, "n", "u")
        await back(chat)
        request = asked(chat)
        assert request.raw, "no chat template"
        assert [(m.role, m.text) for m in request.messages] == [("user", "")]
        assert request.forced == ids("Otters eat fish.\nThe"), "the ids that were read"
        assert [lane.alpha for lane in request.lanes] == [1.5]
        assert request.sampling.max_new_tokens == 512 + len(request.forced)
        assert "no prompt: a text follows, without a chat template" in chat.log
        assert "5 given" in chat.log


async def test_a_candidate_is_one_token_more(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.ratios = RATIOS
        await read(chat, TEXT, "n", "enter", "down", "enter")
        await back(chat)
        assert asked(chat).forced == (*ids("Otters eat fish.\nThe"), token_id(" otter"))


async def test_it_is_a_new_chat_and_the_old_one_stays_as_it_was(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        old, before = chat.session.saved.recorder.path, chat.saved
        await read(chat, TEXT, "right", "u")
        await back(chat)
        await chat.finish()
        assert chat.session.saved.recorder.path != old
        assert [m.text for m in chat.saved if isinstance(m, Message)] == [""]
        assert old is not None
        await chat.press("f9")
        chat.app.screen.dismiss(old)
        await chat.until(lambda: "Hi" in chat.log)
        assert chat.saved[: len(before)] == before


async def test_another_reply_is_given_the_same_tokens(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await read(chat, TEXT, "right", "right", "u")
        await back(chat)
        await chat.finish()
        await chat.press("r")
        first, second = requests(chat.engine)
        assert second.raw
        assert second.forced == first.forced == ids("Otters eat")
        assert second.sampling.seed == first.sampling.seed + 1
        assert second.sampling.max_new_tokens == first.sampling.max_new_tokens


async def test_branches_and_lanes_of_it_have_no_template_either(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await read(chat, TEXT, "right", "right", "u")
        await back(chat)
        await chat.finish()
        await chat.press("home", "right", "enter", "down", "enter")
        await chat.finish()
        await chat.press("f4")
        await chat.finish()
        assert len(requests(chat.engine)) >= 2
        assert all(request.raw for request in requests(chat.engine))


async def test_in_an_answer_of_a_chat_the_messages_before_it_are_the_prompt(
    tmp_path: Path,
) -> None:
    file = tmp_path / "one.json"
    turns = [("system", "Be odd."), ("user", "Who?"), ("assistant", "An otter sees you.")]
    file.write_text(json.dumps({"messages": [{"role": r, "content": t} for r, t in turns]}))
    async with open_chat(tmp_path / "chats") as chat:
        await ask_for(chat, str(file), "enter")
        await chat.until(lambda: isinstance(chat.app.screen, ReadingScreen))
        await chat.frame()
        await chat.press("right", "right", "u")
        await back(chat)
        request = asked(chat)
        assert not request.raw
        assert [(m.role, m.text) for m in request.messages] == turns[:2]
        assert request.forced == ids("An otter")
        assert chat.session.system == "Be odd.", "so that the next message has it too"
        await chat.finish()
        await chat.say("Why?")
        assert [m.role for m in asked(chat).messages] == ["system", "user", "assistant", "user"]


async def test_in_a_message_of_the_user_the_rendered_text_is_the_prompt(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Tell me")
        await chat.finish()
        await chat.read()
        await chat.press("F")
        await chat.until(lambda: isinstance(chat.app.screen, ReadingScreen))
        await chat.frame()
        await chat.press("right", "u")
        await back(chat)
        request = asked(chat)
        assert request.raw
        assert [m.text for m in request.messages] == ["<user>\n"]
        assert request.forced == ids("Tell")


async def test_while_it_is_read_that_is_stopped(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.holds = True
        await read(chat)
        chat.engine.read(3)
        await chat.frame()
        await chat.press("right", "u")
        await back(chat)
        await chat.frame()
        assert asked(chat).forced == ids("Otters")


async def test_an_end_of_turn_before_it_is_refused(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.end_of_turn = (token_id(" eat"),)
        chat.engine.load()
        await chat.frame()
        await read(chat, TEXT, "right", "right", "u")
        assert "An end of turn stands before this token" in text_of(screen_of(chat).view.notice)
        assert requests(chat.engine) == []
