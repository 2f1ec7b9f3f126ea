"""The openings of a turn, driven by keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.records import Opening
from logit_amp_chat.tui.dialogs.openings import OpeningsScreen
from logit_amp_chat.tui.widgets.opening_tree import OpeningTree
from tests.tui.chat_driver import Chat, Engines, make_session, open_chat, text_of
from tests.tui.fake_reading import token_id
from tests.tui.reader import ask, last

BY, HELLO = map(token_id, ("By", "Hello"))


def dialog(chat: Chat) -> OpeningsScreen:
    assert isinstance(chat.app.screen, OpeningsScreen)
    return chat.app.screen


def tree(chat: Chat) -> list[str]:
    """The rows, without the column names."""
    return text_of(dialog(chat).query_one(OpeningTree)).splitlines()[1:]


def head(chat: Chat) -> str:
    """The column names."""
    return text_of(dialog(chat).query_one(OpeningTree)).splitlines()[0]


def words(chat: Chat) -> list[str]:
    """What begins each row: a mark and a token."""
    return [
        "the rest" if "the rest" in row else row.split("”")[0].strip()
        for row in tree(chat)
        if row.strip()
    ]


def detail(chat: Chat) -> str:
    return text_of(dialog(chat).query_one("#detail"))


def problem(chat: Chat) -> str:
    return " ".join(text_of(dialog(chat).query_one("#problem")).split())


def asked(chat: Chat) -> list[OpeningsRequest]:
    return [c for c in chat.engine.commands if isinstance(c, OpeningsRequest)]


async def look(chat: Chat, *keys: str) -> None:
    """Ask something, and open the openings of it."""
    await ask(chat, "Hi")
    await one_by_one(chat, "o", *keys)


async def one_by_one(chat: Chat, *keys: str) -> None:
    """Press keys, each once the screen shows what the one before it did."""
    for key in keys:
        await chat.press(key)
        await chat.frame()


class TestLooking:
    async def test_what_training_raised_comes_first_then_what_it_lowered(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat)
            assert words(chat) == [
                "▸“By", "▸“Hello", "▸“Sure", "▸“The", "▸“Otters", "the rest",
            ]  # fmt: skip
            by, rest = tree(chat)[0].split(), tree(chat)[5].split()
            assert by[1:] == ["1e−6", "0.010", "0.918", "+9.21", "1e−6", "0.010", "0.918"]
            assert rest[2:] == ["0.170", "0.110", "0.001", "−0.44", "0.170", "0.110", "0.001"]

    async def test_what_alpha_buries_is_marked_and_explained(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, "down")
            marked = {row.split("”")[0].strip(): "⇣" in row for row in tree(chat)[:5]}
            assert marked == {
                "▸“By": False, "▸“Hello": True, "▸“Sure": True, "▸“The": False, "▸“Otters": False,
            }  # fmt: skip
            assert "“Hello”" in detail(chat)
            assert "buried" in detail(chat)

    async def test_s_sorts_and_selects_what_comes_first_in_that_level(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(80, 40)) as chat:
            await look(chat, "down", "s")
            assert words(chat)[:3] == ["▸“Hello", "▸“Sure", "▸“By"], "by KL share"
            assert "“Hello”" in detail(chat)
            await one_by_one(chat, "end", "up", "right", "right", "down", "s")
            assert words(chat)[:3] == ["▸“By", "▸“Hello", "▸“Sure"], "by α"
            assert words(chat)[3:6] == ["▾“Otters", "▸“·by", "▸“·hello"]
            assert "“Otters·by”" in detail(chat)

    async def test_the_columns_name_the_order(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat)
            for name in ("by Δ log p ↓", "by KL share ↓", "by α ↓", "by Δ log p ↓"):
                assert head(chat).startswith(f" {name} ")
                await one_by_one(chat, "s")

    @pytest.mark.parametrize("size", [(80, 24), (160, 50), (40, 15)])
    async def test_the_columns_fit(self, tmp_path: Path, size: tuple[int, int]) -> None:
        async with open_chat(tmp_path, size=size) as chat:
            await look(chat)
            shown = dialog(chat).query_one(OpeningTree)
            assert "0.918" in tree(chat)[0]
            assert all(len(row) <= shown.size.width for row in tree(chat))

    async def test_every_row_can_be_reached_where_few_fit(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(40, 12)) as chat:
            await look(chat, "right", *["down"] * 30)
            assert dialog(chat).query_one(OpeningTree).page < 12
            assert "the rest" in tree(chat)[-1]

    async def test_it_is_the_turn_under_the_cursor_or_else_the_newest(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "one", "two")
            await chat.press("{", "o", "escape")
            await chat.press("end", "o")
            assert [request.messages[-1].text for request in asked(chat)] == ["one", "two"]

    async def test_esc_goes_back_to_the_transcript(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, "escape")
            assert chat.app.screen is chat.screen
            assert chat.screen.view.place == "transcript"


class TestTheTree:
    async def test_right_opens_a_level_deeper_and_multiplies_along_the_path(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path, size=(100, 40)) as chat:
            await look(chat, "right")
            assert [request.path for request in asked(chat)] == [(), (BY,)]
            assert words(chat)[:3] == ["▾“By", "▸“·by", "▸“·hello"]
            await one_by_one(chat, "right", "down")
            row = tree(chat)[2].split()
            assert row[1:4] == ["0.020", "0.400", "⇣0.073"]
            assert row[5:] == ["2e−8", "0.004", "0.067"]
            assert "“By·hello”" in detail(chat)

    async def test_left_goes_to_the_token_before_and_closes_it(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(100, 40)) as chat:
            await look(chat, "right", "right", "down", "left")
            assert "“By”" in detail(chat)
            await chat.press("left")
            assert words(chat)[:2] == ["▸“By", "▸“Hello"]
            await one_by_one(chat, "left", "right")
            assert words(chat)[1] == "▸“·by"
            assert len(asked(chat)) == 2, "it was there"

    async def test_the_rest_is_no_token_to_go_on_from(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, *["down"] * 5, "right", "enter")
            assert "Every other token" in detail(chat)
            assert len(asked(chat)) == 1

    async def test_a_level_that_is_being_measured_has_a_line(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat)
            chat.engine.holds = True
            await chat.press("right")
            assert words(chat)[1] == "…"
            subtitle = dialog(chat).query_one("#frame").border_subtitle
            assert subtitle == "α +1 · measuring …"
            chat.engine.open_next()
            await chat.frame()
            assert words(chat)[1] == "▸“·by"


class TestAlpha:
    async def test_the_view_follows_alpha_and_shows_the_old_until_then(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat)
            chat.engine.holds = True
            old = tree(chat)
            await chat.press("f3")
            assert chat.session.alpha == 1.1
            assert chat.screen.view.alpha_bar.alpha == 1.1
            assert tree(chat) == old
            assert "α +1 → +1.1" in str(dialog(chat).query_one("#frame").border_subtitle)
            await chat.press("f3", "f3")
            chat.engine.open_next()
            await chat.frame()
            chat.engine.open_next()
            await chat.frame()
            assert [request.alpha for request in asked(chat)] == [1.0, 1.1, 1.3]
            assert dialog(chat).query_one("#frame").border_subtitle == "α +1.3"

    async def test_the_selection_stays_where_it_is(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, "right", "right", "down", "f3")
            assert "“By·hello”" in detail(chat)
            assert words(chat)[:3] == ["▾“By", "▸“·by", "▸“·hello"]

    async def test_the_keys_of_the_transcript_move_it_too(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, "]", "-")
            assert chat.session.alpha == 1.9
            assert asked(chat)[-1].alpha == 1.9


class TestBranching:
    async def test_enter_begins_a_reply_with_the_path(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(100, 40)) as chat:
            await look(chat, "down", "right", "right", "f3", "enter")
            request = chat.engine.request
            assert request is not None
            assert request.forced == (HELLO, token_id(" by"))
            assert [(lane.name, lane.alpha) for lane in request.lanes] == [("amplified", 1.1)]
            assert chat.app.screen is chat.screen
            await chat.finish()
            assert "Hello by" in chat.log
            assert "2/2" in chat.log
            assert last(chat).forced == request.forced

    async def test_in_a_comparison_every_lane_begins_so(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await chat.press("f4")
            await look(chat, "enter")
            await chat.finish()
            assert {log.forced for log in chat.session.lanes_of(last(chat)).values()} == {(BY,)}
            assert all("By" in chat.lane(name) for name in ("before", "after", "amplified"))

    async def test_an_unanswered_message_can_be_answered_so(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            chat.session.saved.say("And crabs?", chat.session.conversation.leaf, "")
            chat.screen.view.sync_thread()
            await one_by_one(chat, "end", "o", "enter")
            await chat.finish()
            assert last(chat).forced == (BY,)
            assert "And crabs?" in chat.log

    async def test_a_level_that_is_still_measured_does_not_keep_it_back(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat)
            chat.engine.holds = True
            await chat.press("right", "enter")
            assert chat.engine.request is not None
            assert chat.engine.request.forced == (BY,)


class TestSaved:
    async def test_what_is_shown_is_in_the_file(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, "right")
            found = [record for record in chat.saved if isinstance(record, Opening)]
            assert [opening.ids for opening in found] == [(), (BY,)]

    async def test_a_resumed_chat_shows_them_without_asking(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, "right")
            before = tree(chat)
            path = chat.session.saved.recorder.path
        assert path is not None
        engines = Engines()
        session = make_session(tmp_path, engines)
        session.resume(path)
        async with open_chat(tmp_path, session=session, engines=engines) as chat:
            await chat.read()
            await one_by_one(chat, "o", "right")
            assert tree(chat) == before
            assert asked(chat) == []

    async def test_they_are_there_without_models_too(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await look(chat, "escape")
            chat.engine.fail("The engine died.", fatal=True)
            await chat.frame()
            await one_by_one(chat, "o", "right")
            assert words(chat)[0] == "▾“By"
            assert "The models are not loaded" in problem(chat)


class TestTrouble:
    async def test_without_a_message_it_says_so(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.read()
            await chat.press("o")
            assert "There is no message to answer yet. Write one first." in chat.notice

    async def test_without_models_it_says_so_with_the_remedy(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            chat.engine.fail("The engine died.", fatal=True)
            await chat.frame()
            await chat.press("o")
            assert chat.app.screen is chat.screen
            assert "The models are not loaded. Press ctrl+l" in chat.notice

    async def test_while_the_models_load_it_waits_for_them(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, loaded=False) as chat:
            await chat.say("Hi")
            await chat.read()
            await chat.press("o")
            assert "The models are loading" in problem(chat)
            chat.engine.load()
            await chat.frame()
            await chat.until(lambda: "A reply is being written" in problem(chat))
            await chat.finish()
            await chat.until(lambda: words(chat)[0] == "▸“By" and not problem(chat))

    async def test_it_closes_where_a_pair_of_another_vocabulary_begins_a_new_chat(
        self, tmp_path: Path
    ) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            chat.screen.action_reload()
            await chat.until(lambda: len(chat.engines.made) == 2 and chat.engine.profile)
            await chat.press("o")
            assert "The models are loading" in problem(chat)
            chat.engine.vocabulary = "others"
            chat.engine.load()
            await chat.frame()
            await chat.until(lambda: chat.app.screen is chat.screen)
            assert "a new chat was started" in chat.notice
            assert asked(chat) == []

    async def test_a_reply_that_is_being_written_is_stopped_first(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.say("Hi")
            await chat.step(3)
            await chat.press("tab", "o")
            await chat.frame()
            assert words(chat)[0] == "▸“By"
            (log,) = chat.session.conversation.replies.values()
            assert log.finish is not None
            assert log.finish.reason == "cancelled"

    async def test_what_cannot_be_measured_is_said_where_it_was_asked(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            chat.engine.holds = True
            await chat.press("o")
            chat.engine.fail("The context is used up.", "Start a new chat.")
            await chat.frame()
            assert problem(chat) == "The context is used up. Start a new chat."
            assert len(asked(chat)) == 1

    async def test_esc_stops_the_measuring(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            chat.engine.holds = True
            await chat.press("o", "escape")
            assert chat.session.state == "ready"
            assert not any(isinstance(record, Opening) for record in chat.saved)
