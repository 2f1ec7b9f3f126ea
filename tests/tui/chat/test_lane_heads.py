"""The heads of a comparison say what was recorded of the replies below them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.tui.chat.derivation import shown_summaries, summaries
from tests.tui.chat_driver import Chat, Engines, make_session, open_chat
from tests.tui.fake_engine import TEXTS


def heads(chat: Chat) -> dict[str, str]:
    return shown_summaries(chat)


def texts(chat: Chat, amplified: str, after: str = TEXTS["after"]) -> None:
    chat.engine.texts |= {"amplified": amplified, "after": after}


async def two_rounds(chat: Chat) -> None:
    """A question answered twice, by replies that differ in length, fork and agreement."""
    await chat.press("f4")
    texts(chat, TEXTS["after"])
    await chat.say("Hi")
    await chat.finish()
    texts(chat, "Otters are playful, and that is that.", "Otters are playful.")
    await chat.press("ctrl+r")
    await chat.finish()


async def test_while_replies_stream_and_when_they_have_ended(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        for _ in range(4):
            await chat.step(2)
            assert heads(chat) == summaries(chat)
        await chat.finish()
        assert heads(chat) == summaries(chat)
        assert "parts from after at token 3" in heads(chat)["amplified"]


async def test_back_and_forth_between_siblings(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        await two_rounds(chat)
        second = heads(chat)
        assert second == summaries(chat)
        await chat.read()
        await chat.press("<")
        first = heads(chat)
        assert first == summaries(chat)
        assert first != second
        assert "same as after" in first["amplified"]
        await chat.press(">")
        assert heads(chat) == second


async def test_a_reply_that_was_stopped_is_not_the_same_as_one_that_went_on(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        texts(chat, TEXTS["after"])
        await chat.say("Hi")
        await chat.step(3)
        await chat.press("escape")
        assert chat.engine.request is None
        await chat.press("f4")
        await chat.finish()
        assert heads(chat) == summaries(chat)
        assert heads(chat)["amplified"].startswith("3 tokens  as after for 3 tokens")


async def test_with_other_alphas_another_lane_is_what_is_compared_with(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40)) as chat:
        await two_rounds(chat)
        chat.engine.texts["+2"] = "Otters are wonderful!"
        for alphas in ("2, -1", "-1", "2", "-1, 0, 2"):
            await chat.choose_alphas(alphas)
            assert heads(chat) == summaries(chat), "while lanes are missing"
            if chat.engine.request is not None:
                await chat.finish()
            assert heads(chat) == summaries(chat)
            assert heads(chat)["amplified"], "there is something to compare"


async def test_a_new_chat_begins_without_figures(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        await two_rounds(chat)
        await chat.press("ctrl+n")
        assert set(heads(chat).values()) == {""}


async def test_a_resumed_chat_has_its_figures_at_once(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await two_rounds(chat)
        path = chat.session.saved.recorder.path
    assert path is not None
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(path)
    async with open_chat(tmp_path, size=(120, 24), session=session, engines=engines) as chat:
        await chat.press("f4")
        assert heads(chat) == summaries(chat)
        assert heads(chat)["after"]


async def test_lanes_that_another_pair_cannot_have_are_explained(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        await chat.say("Hi")
        await chat.finish()
        (log,) = chat.session.conversation.replies.values()
        assert log.session is not None
        log.session = replace(log.session, after=replace(log.session.after, model="other/model"))
        await chat.press("f4")
        assert chat.engine.request is None
        assert "This reply was made with other models" in chat.notice
