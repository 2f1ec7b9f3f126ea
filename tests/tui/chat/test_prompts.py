"""The prompt of a turn, looked at with keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from logit_amp_chat.core.chat.branches import branch
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.prompts import PromptRequest
from logit_amp_chat.tui.dialogs.prompt import PromptScreen
from tests.tui.chat_driver import Chat, demo_profile, open_chat, requests, text_of
from tests.tui.reader import ask, last


def dialog(chat: Chat) -> PromptScreen:
    assert isinstance(chat.app.screen, PromptScreen)
    return chat.app.screen


def asked(chat: Chat) -> list[PromptRequest]:
    return [c for c in chat.engine.commands if isinstance(c, PromptRequest)]


def shown(chat: Chat, side: str = "after") -> list[str]:
    return text_of(dialog(chat).logs[side]).splitlines()


async def look(chat: Chat) -> None:
    """Open the prompt, and wait until it is laid out."""
    if chat.screen.view.place == "composer":
        await chat.read()
    await chat.press("P")
    await chat.until(lambda: isinstance(chat.app.screen, PromptScreen))
    await chat.frame()


async def test_of_a_message_that_is_being_written(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*"Hi")
        await look(chat)
        assert [line.strip() for line in shown(chat) if line.strip()] == [
            "<|start|>user⏎",
            "Hi<|end|>⏎",
            "<|start|>assistant⏎",
        ]
        await chat.press("escape")
        assert chat.app.screen is chat.screen
        assert chat.screen.view.composer.text == "Hi"


async def test_of_a_reply_are_its_recorded_ids(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi there")
        await look(chat)
        reply = last(chat).reply
        (request,) = asked(chat)
        assert request.recorded == reply.prompt
        assert [m.text for m in request.messages] == ["Hi there"]
        words = " ".join(shown(chat)).split()
        assert words == [f"w{id}" for id in reply.prompt.after]


def keys(chat: Chat) -> str:
    return " ".join(text_of(dialog(chat).query_one("#keys")).split())


async def test_sides_that_read_the_same_are_shown_once(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*"Hi")
        await look(chat)
        assert not dialog(chat).logs["before"].is_on_screen
        head = text_of(dialog(chat).query_one("#side-after .head"))
        ids = dialog(chat).prompt.tokens
        assert ids is not None
        total = len(ids.after)
        assert head == f"before and after: {total} tokens · 3 special · {total} by the template"
        assert "difference" not in keys(chat)
        await chat.press("n")
        assert "Both sides read the same." in text_of(dialog(chat).query_one("#problem"))


async def test_n_goes_to_where_they_begin_to_differ(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        same = "The same. " * 300
        chat.engine.systems = (f"{same}Old.", f"{same}New.")
        await chat.press(*"Hi")
        await look(chat)
        assert "n difference" in keys(chat)
        assert not any("Old." in line for line in shown(chat, "before"))
        await chat.press("n")
        assert any("Old." in line for line in shown(chat, "before"))
        assert any("New." in line for line in shown(chat, "after"))


async def test_it_scrolls_and_can_be_searched(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.systems = ("Be plain. " + "Old. " * 400 + "otter",) * 2
        await chat.press(*"Hi")
        await look(chat)
        assert shown(chat)[0].strip() == "<|start|>system⏎"
        await chat.press("end")
        assert any(line.strip() == "<|start|>assistant⏎" for line in shown(chat))
        await chat.press("home", "pagedown", "pageup")
        assert shown(chat)[0].strip() == "<|start|>system⏎"
        await chat.press("slash", *"otter", "enter")
        assert any("otter" in line for line in shown(chat))
        await chat.press("escape")
        assert isinstance(chat.app.screen, PromptScreen), "that ended the search"
        await chat.press("escape")
        assert len(chat.app.screen_stack) == 1


async def test_lanes_with_histories_of_their_own_have_prompts_of_their_own(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("one")
        await chat.finish()
        await chat.read()
        await chat.press("h")
        chat.screen.view.composer.put("two")
        await look(chat)
        assert len(dialog(chat).prompts.prompts) == 3
        assert "→ lane" in keys(chat)
        texts = [" ".join(" ".join(shown(chat)).split())]
        for _ in range(2):
            await chat.press("right")
            texts.append(" ".join(" ".join(shown(chat)).split()))
        assert len(set(texts)) == 3
        assert [text.endswith("two<|end|>⏎ <|start|>assistant⏎") for text in texts] == [True] * 3
        await chat.press("left")
        assert " ".join(" ".join(shown(chat)).split()) == texts[1]


async def test_what_is_copied_is_the_text_or_the_ids(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*"Hi")
        await look(chat)
        await chat.press("y", "y")
        text = "<|start|>user\nHi<|end|>\n<|start|>assistant\n"
        assert chat.app.clipboard == text
        tokens = dialog(chat).prompt.tokens
        assert tokens is not None
        await chat.press("y", "i")
        assert chat.app.clipboard == str([token.id for token in tokens.after])


async def test_it_waits_for_a_reply_that_is_being_written(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.press("tab", "P")
        await chat.until(lambda: isinstance(chat.app.screen, PromptScreen))
        said = " ".join(text_of(dialog(chat).query_one("#problem")).split())
        assert said == "A reply is being written: it is shown as soon as that has ended."
        assert asked(chat) == []
        await chat.finish()
        await chat.frame()
        assert len(asked(chat)) == 1
        assert "w0" in " ".join(shown(chat))


async def test_replies_say_which_variables_they_were_prompted_with(tmp_path: Path) -> None:
    async with open_chat(tmp_path, profile=demo_profile(template={"effort": "low"})) as chat:
        await chat.say("Hi")
        await chat.finish()
        assert "template" not in chat.log, "the profile's are nothing to mention"
        chat.session.live.template = {"effort": "low", "thinking": False}
        assert chat.session.regenerate()
        await chat.finish()
        assert "template effort=low thinking=false" in " ".join(chat.log.split())
        document = to_document(chat.saved, markdown=True)
        assert document.count("template effort=low") == 2


async def test_a_branch_keeps_the_variables_of_its_reply(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.session.live.template = {"thinking": True}
        await ask(chat, "Hi")
        log = last(chat)
        chat.session.live.template = {"thinking": False}
        assert branch(chat.session, log, 1, log.steps[1].top[1].id)
        await chat.finish()
        assert [request.template for request in requests(chat.engine)] == [{"thinking": True}] * 2


async def test_ids_of_another_pair_are_not_read_with_this_ones_tokens(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "Hi")
        log = last(chat)
        assert log.session is not None
        log.session = replace(log.session, after=replace(log.session.after, model="other"))
        await look(chat)
        said = " ".join(text_of(dialog(chat).query_one("#problem")).split())
        assert said == "This prompt is ids of other models. Load that pair (F8) to see its text."
        assert asked(chat) == []


async def test_without_models_it_says_what_to_do(tmp_path: Path) -> None:
    async with open_chat(tmp_path, loaded=False) as chat:
        await chat.press(*"Hi")
        await look(chat)
        said = " ".join(text_of(dialog(chat).query_one("#problem")).split())
        assert said == "The models are loading: it is shown as soon as they are there."
        chat.engine.load()
        await chat.until(lambda: shown(chat)[0].strip() == "<|start|>user⏎")
