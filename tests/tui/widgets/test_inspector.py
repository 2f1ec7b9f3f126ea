"""The inspector: what each model wanted at a token."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core import number_format
from logit_amp_chat.core.records import Change, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.widgets.candidate_table import quoted
from logit_amp_chat.tui.widgets.inspector import Inspected
from tests.core import samples
from tests.tui.chat_driver import Chat, open_chat, text_of


def shown(chat: Chat) -> str:
    return text_of(chat.screen.view.inspector)


def steps(chat: Chat) -> list[Step]:
    log = chat.session.conversation.last_reply()
    assert log is not None
    return log.steps


async def test_it_follows_the_last_token_while_streaming(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f5")
        assert "Nothing to inspect yet" in shown(chat)
        await chat.say("Hi")
        await chat.step(2)
        assert "token 2 of 2" in shown(chat)
        assert "“·are”" in shown(chat)
        await chat.step(1)
        assert "token 3 of 3" in shown(chat)
        assert "“·wonderful”" in shown(chat)


def most_changed(found: list[Step], given: int = 0) -> int:
    """The place of the largest |Δ| among the tokens that were sampled and say something."""
    shifts = {
        place: abs(step.logp.after - step.logp.before)
        for place, step in enumerate(found)
        if place >= given and not step.special
    }
    return max(shifts, key=lambda place: shifts[place])


@pytest.mark.parametrize("by", [["f5"], ["tab", "i"]])
async def test_it_opens_on_what_training_changed_most(tmp_path: Path, by: list[str]) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press(*by)
        place = most_changed(steps(chat))
        assert not steps(chat)[place].special
        assert f"token {place + 1} of 17" in shown(chat)
        cursor = chat.screen.view.log_view.cursor  # where the arrows go on from
        assert (cursor.step if cursor else None) == (place if by[0] == "tab" else None)


async def test_it_opens_on_the_token_under_the_cursor(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("tab", "home", "right", "i")
        assert "token 2 of 17" in shown(chat)


async def test_it_opens_on_where_a_branch_leaves_its_sibling(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("tab", "home", "right", "right", "enter", "down", "down", "enter")
        await chat.finish()
        await chat.press("i")
        assert f"token 3 of {len(steps(chat))}" in shown(chat)


async def test_it_says_which_tokens_were_given(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("tab", "home", "right", "right", "enter", "down", "down", "enter")
        await chat.finish()
        await chat.press("i", "home", "right", "right")
        total = len(steps(chat))
        assert f" token 3 of {total} · given " in shown(chat)
        await chat.press("right")
        assert f" token 4 of {total}  " in shown(chat)


async def test_it_opens_on_where_a_lane_leaves_after(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 40)) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.finish()
        await chat.press("f5")
        fork = chat.engine.texts["after"].split().index("playful")
        assert "wonderful" in chat.engine.texts["amplified"].split()[fork]
        assert f"token {fork + 1} of 17" in shown(chat)


async def test_the_figures_are_the_step_s(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 60)) as chat:
        await chat.press("f5")
        await chat.say("Hi")
        await chat.step(3)
        step = steps(chat)[2]
        panel = shown(chat)
        lines = {
            line.split()[1]: line for line in panel.splitlines() if line[1:3] in ("B ", "A ", "α ")
        }
        for lane in ("before", "after", "amplified"):
            log_p, rank = getattr(step.logp, lane), getattr(step.rank, lane)
            assert number_format.probability(log_p) in lines[lane]
            assert number_format.nats(log_p).strip() in lines[lane]
            assert lines[lane].split()[-1] == str(rank)
        assert number_format.delta(step.logp.after - step.logp.before).strip() in panel
        assert f"KL A‖B{number_format.nats(step.kl, 6)}" in panel
        assert f"α‖A{number_format.nats(step.kl_amplified, 6)}" in panel
        assert f"H{number_format.nats(step.entropy, 5)}" in panel


async def test_arrows_go_to_any_earlier_token(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("f5")
        await chat.read()
        await chat.press("left", "left")
        assert "token 16 of 17" in shown(chat)
        await chat.press("home")
        assert "token 1 of 17" in shown(chat)
        assert "“Otters”" in shown(chat)
        await chat.press("right")
        assert "“·are”" in shown(chat)
        await chat.press("left")
        assert "token 1 of 17" in shown(chat)


async def test_up_and_down_go_by_line(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(40, 24)) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("home")
        log = chat.screen.view.log_view
        places = []
        for key in ("down", "down", "up"):
            await chat.press(key)
            assert log.cursor is not None
            places.append(log.cursor.step)
        assert places[0] < places[1]
        assert places[2] == places[0]


async def test_words_are_jumped_over(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("home", "ctrl+right", "ctrl+right", "ctrl+right")
        assert "“·By”" not in shown(chat)
        step = chat.screen.view.log_view.step_under_cursor()
        assert step is not None
        assert step.text == " By"


async def test_the_cursor_goes_from_reply_to_reply(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        for text in ("one", "two"):
            await chat.say(text)
            await chat.finish()
        await chat.read()
        await chat.press(*["left"] * 18)
        first, second = (log.id for log in chat.session.conversation.replies.values())
        assert chat.screen.view.log_view.cursor == Cursor(first, 16)
        await chat.press("right")
        assert chat.screen.view.log_view.cursor == Cursor(second, 0)


async def test_a_key_sorts_the_candidates_the_other_way(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 60)) as chat:
        await chat.press("f5")
        await chat.say("Hi")
        await chat.step(3)
        top = steps(chat)[2].top

        def listed() -> list[str]:
            tokens = {quoted(candidate.text) for candidate in top}
            words = [line.replace("▸", " ").split() for line in shown(chat).splitlines()[8:]]
            return [line[0] for line in words if line and line[0] in tokens]

        by_amplified = sorted(top, key=lambda c: (-c.amplified, c.id))
        assert listed() == [quoted(c.text) for c in by_amplified]
        await chat.press("escape")
        await chat.until(lambda: chat.session.state == "ready")
        await chat.read()
        await chat.press("s")
        by_shift = sorted(top, key=lambda c: (-abs(c.after - c.before), c.id))
        assert listed() == [quoted(c.text) for c in by_shift]


async def test_what_tau_removed_is_marked_by_the_tau_of_its_step(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 60)) as chat:
        await chat.press("f5")
        await chat.say("Hi")
        await chat.step(1)
        loose, strict = chat.session.sampling.plausibility, 0.2
        chat.session.set_sampling(chat.session.sampling.model_copy(update={"plausibility": strict}))
        await chat.step(1)
        for tau in (strict, loose):
            place = chat.screen.view.inspector.inspected
            assert place is not None
            bound = tau * max(math.exp(one.after) for one in place.step.top)
            below = {quoted(c.text) for c in place.step.top if math.exp(c.after) < bound}
            marked = {
                line.split("×")[1].split()[0] for line in shown(chat).splitlines() if "×" in line
            }
            assert marked == below
            assert bool(below) == (tau == strict)
            await chat.press("tab", "home")
        assert "without τ, T" in shown(chat)


async def test_nothing_moves_while_text_streams(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f5")
        await chat.say("Hi")
        columns = set()
        for _ in range(8):
            await chat.step()
            lines = shown(chat).splitlines()
            columns.add(tuple(lines[y].index(letter) for y, letter in ((3, "B"), (4, "A"))))
            assert "KL A‖B" in lines[7]
        assert len(columns) == 1


@pytest.mark.parametrize(
    ("size", "beside"), [((80, 24), False), ((120, 40), True), ((200, 60), True)]
)
async def test_beside_the_text_when_wide_below_it_otherwise(
    tmp_path: Path, size: tuple[int, int], beside: bool
) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        await chat.press("f5")
        text, panel = chat.screen.view.log_view.region, chat.screen.view.inspector.region
        assert (panel.x >= text.right) == beside
        assert (panel.y >= text.bottom) != beside


async def test_alone_in_a_small_terminal(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(40, 15)) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.press("f5")
        assert all(letter in shown(chat) for letter in ("B before", "A after", "α amplified"))
        assert chat.screen.view.log_view.region.height == 0


async def test_in_a_comparison_it_shows_the_lane_with_the_cursor(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4", "f5")
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("tab", "home", "right", "right")
        assert chat.screen.view.lanes.selected == "before"
        assert "“·in”" in shown(chat)


@pytest.mark.parametrize(
    ("text", "expected"), [(" friend", "“·friend”"), ("\n", "“␊”"), ("\x1b[2J", "“␛[2J”")]
)
def test_tokens_are_quoted_with_their_white_space(text: str, expected: str) -> None:
    assert quoted(text) == expected


def test_impossible_is_shown_as_such() -> None:
    assert number_format.probability(-math.inf).strip() == "0"
    assert number_format.nats(-math.inf).strip() == "−∞"


def test_from_where_ends_keep_after_s_probability_alpha_does_not_change_them() -> None:
    log = ReplyLog(samples.reply(), replace(samples.session(), end_of_turn=(4, 9)))
    for index in range(2):
        log.add(samples.step(index, "x"))
    log.add(Change(reply="r-1", index=1, sampling=Sampling(ends="after")))
    assert [Inspected.of(log, place).fixed for place in (0, 1)] == [frozenset(), {4, 9}]
