"""Before, after and amplified side by side."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from textual.widgets import Static

from logit_amp_chat.core.records import Keep
from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.dialogs.compare_alphas import CompareAlphasScreen
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.lanes import Lanes
from tests.tui.chat_driver import Chat, open_chat, text_of


def style_of(log: TokenLog, word: str) -> str:
    """The style in which a word is drawn."""
    for y in range(log.size.height):
        for segment in log.render_line(y):
            if word in segment.text:
                return str(segment.style)
    raise AssertionError(f"{word!r} is not shown")


def lane_log(chat: Chat, name: str) -> TokenLog:
    return chat.screen.view.lanes.lanes[name].log_view


async def test_three_lanes_stream_together(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.step(4)
        assert chat.engine.request is not None
        assert len(chat.engine.request.lanes) == 3
        assert chat.lane("before").split()[:3] == ["Otters", "are", "in"]
        assert chat.lane("after").split()[:3] == ["Otters", "are", "playful"]
        assert chat.lane("amplified").split()[:3] == ["Otters", "are", "wonderful!"]
        assert str(chat.screen.view.prompt.content) == "Hi"


async def test_after_a_reply_the_missing_lanes_are_made(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("f4")
        assert chat.engine.request is not None
        assert [lane.name for lane in chat.engine.request.lanes] == ["before", "after"]
        assert "wonderful!" in chat.lane("amplified")
        await chat.finish()
        assert "playful" in chat.lane("after")
        await chat.press("f4", "f4")
        assert chat.engine.request is None, "nothing is missing any more"


async def test_switched_on_in_mid_reply_nothing_is_interrupted(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(3)
        await chat.press("f4")
        assert "wonderful" in chat.lane("amplified")
        await chat.finish()
        assert chat.engine.request is not None, "the missing lanes follow"
        await chat.finish()
        assert "playful" in chat.lane("after")


async def test_the_fork_is_underlined_and_what_is_common_muted(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        log = lane_log(chat, "amplified")
        assert "underline" in style_of(log, "wonderful")
        assert "underline" not in style_of(log, "are")
        assert style_of(log, "are") != style_of(log, "lighthouse")


async def test_what_is_not_compared_yet_is_not_muted(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("f4")
        log = lane_log(chat, "amplified")
        assert style_of(log, "are") == style_of(log, "lighthouse")


async def test_a_lane_that_is_the_same_says_so(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        chat.engine.texts["amplified"] = chat.engine.texts["after"]
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        assert "same as after" in text_of(chat.screen.view.lanes.lanes["amplified"].head)


async def test_amplified_is_the_history_unless_another_is_kept(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        assert chat.screen.view.lanes.lanes["amplified"].head.kept
        await chat.read()
        await chat.press("shift+tab", "k")
        assert chat.screen.view.lanes.lanes["after"].head.kept
        assert not chat.screen.view.lanes.lanes["amplified"].head.kept
        assert any(isinstance(record, Keep) for record in chat.saved)
        await chat.say("more")
        assert chat.engine.request is not None
        assert "playful" in chat.engine.request.messages[1].text
        await chat.press("f4")
        assert "playful" in chat.log


async def test_keep_without_a_comparison_says_what_to_do(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.read()
        await chat.press("k")
        assert "compare first" in chat.notice


async def test_tab_goes_round_the_lanes(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        seen = []
        for _ in range(3):
            await chat.press("tab")
            seen.append(chat.screen.view.lanes.selected)
        assert seen == ["before", "after", "amplified"]


async def test_an_earlier_reply_is_compared_when_the_cursor_stands_on_it(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.finish()
        await chat.say("two")
        await chat.finish()
        await chat.read()
        await chat.press("home", "c")
        await chat.finish()
        assert str(chat.screen.view.prompt.content) == "one"
        assert "playful" in chat.lane("after")


@pytest.mark.parametrize(
    ("size", "layout"), [((80, 24), "-columns"), ((60, 30), "-rows"), ((40, 15), "-single")]
)
async def test_columns_rows_or_one_at_a_time(
    tmp_path: Path, size: tuple[int, int], layout: str
) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        assert chat.screen.view.lanes.has_class(layout)
        shown = [lane for lane in chat.screen.view.lanes.lanes.values() if lane.region.height > 1]
        assert len(shown) == (1 if layout == "-single" else 3)


async def test_switched_on_before_the_reply_begins_it_shows_that_reply(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("one")
        await chat.finish()
        chat.session.submit("two")
        await chat.pilot.press("f4")
        await chat.step(2)
        assert str(chat.screen.view.prompt.content) == "two"
        assert "Otters are" in chat.lane("amplified")


async def test_a_new_message_moves_the_comparison_on(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("one")
        await chat.finish()
        await chat.say("two")
        assert str(chat.screen.view.prompt.content) == "two"
        assert chat.lane("before").strip() == ""
        await chat.step(2)
        assert "Otters are" in chat.lane("before")


async def test_lane_heads_carry_letter_name_and_alpha(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        heads = [text_of(lane.head).split()[:2] for lane in chat.screen.view.lanes.lanes.values()]
        assert heads == [["B", "before"], ["A", "after"], ["α", "+1"]]
        assert isinstance(chat.screen, ChatScreen)


async def test_a_stranger_s_lane_is_shown_like_any_other(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await chat.say("Hi")
        await chat.finish()
        log = chat.session.conversation.last_reply()
        assert log is not None
        log.reply = dataclasses.replace(log.reply, lane="[/x] of another tool")
        chat.screen.view.log_view.show([])
        chat.screen.view.sync_thread()
        await chat.frame()
        assert " α +1  seed 0" in chat.log


async def test_any_alphas_stand_beside_the_live_one(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40)) as chat:
        chat.engine.texts["+0.5"] = "Otters are playful, my friend."
        await chat.press("f4")
        await chat.choose_alphas("2, -1 0;0.5")
        await chat.say("Hi")
        assert chat.engine.request is not None
        lanes = {lane.name: lane.alpha for lane in chat.engine.request.lanes}
        assert lanes == {"before": -1, "after": 0, "+0.5": 0.5, "+2": 2, "amplified": 1}
        await chat.finish()
        assert "my friend" in " ".join(chat.lane("+0.5").split())
        heads = [text_of(lane.head).split()[:2] for lane in chat.screen.view.lanes.lanes.values()]
        assert heads[2:] == [["α", "+0.5"], ["α", "+2"], ["α", "+1"]]


async def test_alphas_that_are_named_later_are_asked_for_alone(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40)) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        await chat.choose_alphas("-1, 0, 3")
        assert chat.engine.request is not None
        assert [lane.alpha for lane in chat.engine.request.lanes] == [3]
        await chat.finish()
        await chat.choose_alphas("0")
        assert list(chat.screen.view.lanes.lanes) == ["after", "amplified"]
        assert chat.engine.request is None


@pytest.mark.parametrize(("said", "problem"), [("1, x", "are numbers"), ("inf", "are numbers")])
async def test_what_is_no_list_of_alphas_is_refused(
    tmp_path: Path, said: str, problem: str
) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.choose_alphas(said)
        assert isinstance(chat.app.screen, CompareAlphasScreen)
        assert problem in str(chat.app.screen.query_one("#problem", Static).content)
        assert chat.session.compared_alphas == (-1.0, 0.0)


async def test_the_live_alpha_moves_the_amplified_lane_alone(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40)) as chat:
        await chat.press("f4")
        await chat.choose_alphas("-1, 0, 1")
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("f3")
        await chat.step(2)
        heads = {name: lane.head.alpha for name, lane in chat.screen.view.lanes.lanes.items()}
        assert heads == {"before": -1, "after": 0, "+1": 1, "amplified": 1.1}


async def test_lanes_that_find_no_room_are_a_page_further(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.choose_alphas("-1, 0, 0.5, 2")
        await chat.say("Hi")
        await chat.finish()
        await chat.read()

        def shown() -> list[str]:
            return [name for name, lane in chat.screen.view.lanes.lanes.items() if lane.display]

        assert shown() == ["+0.5", "+2", "amplified"]
        assert text_of(chat.screen.view.lanes.lanes["+0.5"].head).startswith("‹2 ")
        await chat.press("tab")
        assert shown() == ["before", "after", "+0.5"]
        assert text_of(chat.screen.view.lanes.lanes["+0.5"].head).splitlines()[0].endswith("2›")


async def test_a_lane_is_summed_up(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40)) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        lane = chat.screen.view.lanes.lanes["amplified"]
        assert lane.block is not None
        steps = lane.block.log.steps
        kl = sum(step.kl for step in steps) / len(steps)
        logp = sum(step.logp.after for step in steps) / len(steps)
        assert [part[0] for part in lane.head.summary] == [
            f"{len(steps)} tokens",
            "parts from after at token 3",
            f"KL {kl:.2f}",
            f"log pA {logp:.2f}".replace("-", "−"),
        ]
        assert "parts from after at token 3" in text_of(lane.head)


async def test_a_fixed_lane_can_be_kept(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        chat.engine.texts["+2"] = "Crabs."
        await chat.press("f4")
        await chat.choose_alphas("0, 2")
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("shift+tab", "k")
        await chat.say("more")
        assert chat.engine.request is not None
        assert chat.engine.request.messages[1].text == "Crabs."
        await chat.press("f4")
        assert " α +2  seed 0" in chat.log


def long_lanes(chat: Chat) -> None:
    """Lanes of many lines, with words of different lengths."""
    for name, word in (("before", "a"), ("after", "otters"), ("amplified", "lighthouses")):
        chat.engine.texts[name] = " ".join([word] * 120)


async def test_the_cursor_stands_on_the_same_token_in_every_lane(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        long_lanes(chat)
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("home", "right", "right")
        cursors = [lane.log_view.cursor for lane in chat.screen.view.lanes.lanes.values()]
        assert [cursor.step for cursor in cursors if cursor] == [2, 2, 2]
        assert chat.screen.view.lanes.selected == "amplified"
        await chat.press("t", "right")
        cursors = [lane.log_view.cursor for lane in chat.screen.view.lanes.lanes.values()]
        assert [cursor.step for cursor in cursors if cursor] == [2, 2, 3]


async def test_moves_that_come_at_once_end_on_the_same_token_in_every_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key repeat on a slow line. Lanes that answered each other's moves would never end."""
    taken = []
    take_along = Lanes._take_along

    def count(self: Lanes, cursor: Cursor | None) -> None:
        taken.append(cursor)
        assert len(taken) < 20
        take_along(self, cursor)

    monkeypatch.setattr(Lanes, "_take_along", count)
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        await chat.press("tab", "home")
        log = chat.screen.view.current_log
        for _ in range(3):
            log.move_by_token(1)
        await chat.frame()
        cursors = [lane.log_view.cursor for lane in chat.screen.view.lanes.lanes.values()]
        assert [cursor.step for cursor in cursors if cursor] == [3, 3, 3]


async def test_lanes_scroll_together_by_token(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        long_lanes(chat)
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("pageup", "pageup", "pageup")
        current = chat.screen.view.lanes.current
        step = current.step_at(round(current.log_view.scroll_offset.y))
        assert step
        after = chat.screen.view.lanes.lanes["after"]
        await chat.until(
            lambda: (
                round(after.log_view.scroll_offset.y)
                == min(after.row_of(step or 0), after.log_view.max_scroll_y)
            )
        )
        await chat.press("t")
        place = after.log_view.scroll_offset.y
        await chat.press("pageup")
        assert after.log_view.scroll_offset.y == place
