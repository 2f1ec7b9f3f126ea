"""Replies that the user begins or edits: dialogs, drafts, siblings, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.content import Content
from textual.widgets import TextArea

from logit_amp_chat.core.records import Reply
from logit_amp_chat.tui.dialogs.reply_text import BeginScreen, EditReplyScreen, ReplyTextScreen
from tests.tui.chat_driver import Chat, open_chat, requests, text_of

SAID = "Otters are wonderful! By the way, the lighthouse sees everything, my friend."


async def answered(chat: Chat, *, at: int | None = None) -> None:
    """A question with its answer; the keyboard in the transcript, the cursor `at` a token."""
    await chat.say("Hi")
    await chat.finish()
    await chat.press("tab")
    if at is not None:
        await chat.press("home", *["right"] * at)


async def opens(chat: Chat, key: str, kind: type[ReplyTextScreen]) -> TextArea:
    await chat.press(key)
    await chat.until(lambda: isinstance(chat.app.screen, kind))
    return chat.app.screen.query_one(TextArea)


def problem(chat: Chat) -> str:
    return " ".join(text_of(chat.app.screen.query_one("#problem")).split())


def replies(chat: Chat) -> list[Reply]:
    return [record for record in chat.saved if isinstance(record, Reply)]


async def types(chat: Chat, text: str) -> None:
    names = {" ": "space", ",": "comma", "\n": "ctrl+j", ".": "full_stop"}
    await chat.press(*[names.get(char, char) for char in text])


# --- an edited reply ------------------------------------------------------------------


async def test_e_on_a_token_edits_its_reply(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat, at=4)
        area = await opens(chat, "e", EditReplyScreen)
        assert area.text == SAID
        assert area.cursor_location == (0, len("Otters are wonderful!"))


async def test_e_without_a_token_edits_the_message(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        await chat.press("e")
        assert chat.screen.view.composer.text == "Hi"
        await chat.press("escape")
        await chat.read()
        await opens(chat, "E", EditReplyScreen)


async def test_the_reply_goes_on_from_what_was_typed(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        area = await opens(chat, "E", EditReplyScreen)
        area.text = "Otters are wonderful! So is the sea,"
        await chat.press("enter")
        request = requests(chat.engine)[-1]
        assert request.begin == " So is the sea,"
        await chat.finish()
        first, second = replies(chat)
        assert second.edits == first.id
        head, *_ = (line for line in chat.log.splitlines() if "edited" in line)
        assert "edited  9 given" in head
        assert "So is the sea," in chat.log
        await chat.press("less_than_sign")
        assert "By the way" in chat.log


async def test_cut_goes_on_from_the_cursor(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat, at=4)
        await opens(chat, "e", EditReplyScreen)
        await chat.press("ctrl+k")
        request = requests(chat.engine)[-1]
        assert (len(request.forced), request.begin) == (4, "")
        assert request.sampling.seed == 1


async def test_it_says_what_stays_and_what_is_lost(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        area = await opens(chat, "E", EditReplyScreen)
        total = len(chat.session.conversation.last_reply().steps)  # type: ignore[union-attr]
        assert problem(chat) == f"{total - 1} of {total} tokens stay."
        area.text = "Otters swim "
        await chat.frame()
        said = f"1 of {total} tokens stay, 6 characters become new ones. A blank"
        assert problem(chat).startswith(said)


@pytest.mark.parametrize("again", ["E", "e"])
async def test_a_text_that_is_left_is_there_again(tmp_path: Path, again: str) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat, at=0)
        area = await opens(chat, "e", EditReplyScreen)
        area.text = "Otters swim"
        await chat.frame()
        await chat.press("escape")
        assert len(requests(chat.engine)) == 1
        area = await opens(chat, again, EditReplyScreen)
        assert area.text == "Otters swim"
        await chat.press("enter")
        await chat.finish()
        await chat.press("home")
        area = await opens(chat, "e", EditReplyScreen)  # of the new one
        assert area.text.startswith("Otters swim")


async def test_a_reply_that_is_written_is_stopped_for_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(3)
        await chat.press("tab")
        area = await opens(chat, "E", EditReplyScreen)
        assert area.text == "Otters are wonderful"


async def test_a_comparison_goes_on_in_every_lane(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await chat.press("f4")
        await answered(chat, at=2)
        area = await opens(chat, "e", EditReplyScreen)
        area.text = "Otters swim"
        await chat.press("enter")
        await chat.finish()
        assert [r.edits is not None for r in replies(chat)] == [False] * 3 + [True] * 3
        for lane in ("before", "after", "amplified"):
            assert "Otters swim" in chat.lane(lane)
        heads = [text_of(lane.head) for lane in chat.screen.view.lanes.lanes.values()]
        assert all("edited" in head for head in heads)


async def test_a_reply_of_another_pair_is_not_edited(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        chat.session.live.opened = None
        await chat.press("E")
        assert "other models" in chat.notice


async def test_without_a_reply_there_is_nothing_to_edit(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.read()
        await chat.press("E")
        assert "no reply to edit yet" in chat.notice


async def test_the_editor_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        area = await opens(chat, "E", EditReplyScreen)
        module = "logit_amp_chat.tui.terminal.external_editor.edit_in"
        monkeypatch.setattr(module, lambda app, text: f"{text[:6]} by hand\x1b")
        await chat.press("ctrl+x")
        assert area.text == "Otters by hand"
        await chat.press("enter")
        assert requests(chat.engine)[-1].begin == " by hand"


# --- a reply that begins with a text ----------------------------------------------------


async def test_the_next_replies_begin_with_a_text(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await opens(chat, "ctrl+d", BeginScreen)
        await types(chat, "Sure, [b]")
        await chat.press("enter")
        title = Content.from_markup(chat.screen.view.composer.border_title or "").plain
        assert title == "the reply begins with “Sure, [b]” · esc here takes it back"
        await answered(chat)
        await chat.press("r")
        await chat.finish()
        assert [request.begin for request in requests(chat.engine)] == ["Sure, [b]"] * 2
        assert chat.log.count("Sure, [b]") == 1
        assert {reply.forced for reply in replies(chat)} == {3}


async def test_the_key_that_takes_a_long_text_back_is_seen_at_80_columns(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await opens(chat, "ctrl+d", BeginScreen)
        await types(chat, "By the way, the sea is so blue")
        await chat.press("enter")
        shown = chat.app.export_screenshot().replace("&#160;", " ")
        assert "esc here takes it back" in shown


async def test_esc_in_the_composer_takes_it_back(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await opens(chat, "ctrl+d", BeginScreen)
        await types(chat, "Sure")
        await chat.press("enter", "escape")
        assert not chat.screen.view.composer.border_title
        assert chat.screen.view.place == "composer"
        await chat.say("Hi")
        assert requests(chat.engine)[-1].begin == ""
        area = await opens(chat, "ctrl+d", BeginScreen)
        assert area.text == "Sure"  # nothing that was typed is lost


async def test_in_the_transcript_the_message_is_answered_with_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        await opens(chat, "B", BeginScreen)
        await types(chat, "By the\nway,")
        await chat.press("enter")
        await chat.finish()
        request = requests(chat.engine)[-1]
        assert (request.begin, request.messages[-1].text) == ("By the\nway,", "Hi")
        first, second = replies(chat)
        assert (first.parent, second.edits) == (second.parent, None)
        assert "2/2" in chat.log


async def test_an_earlier_turn_is_answered_where_the_cursor_is(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        await chat.say("And")
        await chat.finish()
        await chat.read()
        await chat.press("home")
        await opens(chat, "B", BeginScreen)
        await types(chat, "Sure")
        await chat.press("enter")
        assert requests(chat.engine)[-1].messages[-1].text == "Hi"


async def test_nothing_to_begin_with_is_no_begin(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        await opens(chat, "B", BeginScreen)
        await chat.press("enter")
        assert len(requests(chat.engine)) == 1
        assert chat.session.begin == ""


async def test_a_text_that_cannot_be_given_is_said_and_stays(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await opens(chat, "ctrl+d", BeginScreen)
        await types(chat, "Sure")
        await chat.press("enter")
        await chat.say("Hi")
        chat.engine.fail("The text that replies begin with has 600 tokens.", "Shorten it.")
        await chat.frame()
        assert "Shorten it" in chat.notice
        assert chat.session.begin == "Sure"


async def test_the_reply_that_was_there_stays_when_another_is_refused(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await answered(chat)
        chat.engine.patient = True
        await opens(chat, "B", BeginScreen)
        await types(chat, "Sure")
        await chat.press("enter")
        chat.engine.fail("The text that replies begin with has 600 tokens.", "Shorten it.")
        await chat.frame()
        assert "Shorten it" in chat.notice
        assert "Otters are wonderful!" in chat.log
