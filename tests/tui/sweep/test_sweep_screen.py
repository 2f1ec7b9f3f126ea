"""A sweep in the chat: from the key on a turn to replies that are counted and read."""

from __future__ import annotations

from pathlib import Path

from scipy.stats import binomtest
from textual.widgets import Input

from logit_amp_chat.core.protocol import Drain, Stop
from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.dialogs.saved_sweeps import SavedSweepsScreen
from logit_amp_chat.tui.dialogs.sweep import MoreScreen, SweepSettingsScreen
from logit_amp_chat.tui.sweep.screen import SweepScreen
from tests.tui.chat_driver import Chat, Engines, make_session, open_chat, requests, text_of
from tests.tui.fake_sampling import ROWS
from tests.tui.sweep.sweeper import (
    asked,
    begin,
    estimate,
    open_dialog,
    picked,
    replies,
    sample,
    screen_of,
    shown,
    status,
    sweep_of,
    table,
    texts_at,
)


async def test_from_the_key_to_the_estimate(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        assert "0 of 8" in status(chat)
        await sample(chat, 3)
        assert "3 of 8" in status(chat)
        assert "provisional" in estimate(chat)
        await sample(chat)
        assert "8 of 8" in status(chat)
        assert "habit lighthouse · estimate for after:" in estimate(chat)
        assert "provisional" not in estimate(chat)


async def test_the_table_counts_what_the_replies_say(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, samples="20")
        await sample(chat)
        head, *lines = table(chat)
        assert head.split()[:4] == ["α", "replies", "hits", "rate"]
        for line, (alpha, name) in zip(lines, ((0.0, "0"), (1.0, "+1")), strict=True):
            texts = texts_at(chat, alpha)
            hits = sum("lighthouse" in text for text in texts)
            wilson = binomtest(hits, 20).proportion_ci(method="wilson")
            rate, low, high = (f"{100 * p:#.3g}" for p in (hits / 20, wilson.low, wilson.high))
            assert line.split()[:5] == [name, "20", str(hits), f"{rate}%", f"{low}–{high}%"]
            assert "●" in line


async def test_the_head_says_how_it_is_sampled(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        sampling = asked(chat)[0].sampling
        assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p) == (
            *(1.0, 0, 1.0),
            0.0,
        )
        head = text_of(screen_of(chat).view.head)
        assert "T 1" in head
        assert "4 replies at each α" in head


# --- leaving and coming back --------------------------------------------------------------


async def test_it_goes_on_while_one_is_in_the_chat_and_is_there_again(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat, 2)
        await chat.press("escape")
        assert isinstance(chat.app.screen, ChatScreen)
        assert "sweep 2/8" in text_of(chat.screen.view.status)
        chat.engine.sample(2)
        await chat.frame()
        assert "sweep 4/8" in text_of(chat.screen.view.status)
        await chat.press("S")
        assert isinstance(chat.app.screen, SweepScreen)
        await sample(chat)
        assert len(sweep_of(chat).replies) == 8
        await chat.press("escape")
        assert "sweep" not in text_of(chat.screen.view.status)


async def test_what_was_looked_at_is_there_again(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, samples="20")
        await sample(chat)
        assert replies(chat).startswith(" A after")
        await chat.press("right", "right", *["down"] * 15)
        reply, shown_before = picked(chat), replies(chat)
        await chat.press("escape", "S")
        await chat.until(lambda: "▸" in replies(chat))
        assert picked(chat) == reply
        assert "A after" not in replies(chat)
        await chat.press("home")
        assert replies(chat).startswith(" α +1")
        assert replies(chat) != shown_before


async def test_a_message_interrupts_it_and_the_keys_of_the_chat_work(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat, 2)
        await chat.press("escape")
        await chat.say("And crabs?")
        assert requests(chat.engine)[-1].messages[-1].text == "And crabs?"
        await chat.step(2)
        assert "sweep waits" in text_of(chat.screen.view.status)
        await chat.press("escape")  # stops the reply, not the sweep
        await chat.frame()
        await chat.frame()
        assert "sweep 2/8" in text_of(chat.screen.view.status)
        await chat.press("tab", "r")  # another reply interrupts it too
        await chat.frame()
        assert chat.engine.request is not None
        await chat.finish()
        await chat.frame()
        assert chat.session.state == "sampling"
        chat.engine.sample(100)
        await chat.frame()
        sweep = chat.screen.sweeps.sweeps.of(chat.session.conversation.thread()[0].id)
        assert sweep is not None
        assert sweep.is_complete


async def test_esc_in_the_chat_leaves_it_alone(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await chat.press("escape", "escape", "escape")
        assert not any(isinstance(one, Stop | Drain) for one in chat.engine.commands)


async def test_openings_go_first_while_they_are_looked_at(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await chat.press("escape", "o")
        await chat.frame()
        await chat.press("right")  # measured at once
        await chat.frame()
        assert "otters" in "".join(
            text_of(widget) for widget in chat.app.screen.query("OpeningTree")
        )
        await chat.press("escape")
        await chat.frame()
        assert chat.session.state == "sampling"


async def test_after_a_restart_the_same_key_offers_to_go_on(tmp_path: Path) -> None:
    async with open_chat(tmp_path / "one") as chat:
        await begin(chat)
        await sample(chat, 3)
        sweep_of(chat).close()  # as after a kill
    async with open_chat(tmp_path / "two") as chat:
        await chat.say("Tell me about owls")
        await chat.finish()
        await chat.press("tab", "S")
        await chat.until(lambda: isinstance(chat.app.screen, SavedSweepsScreen))
        await chat.press("enter")
        await shown(chat)
        assert "stopped  3 of 8" in status(chat)
        assert "habit" in estimate(chat)  # what was counted is known too
        await chat.press("u")
        await sample(chat)
        assert "8 of 8" in status(chat)


async def test_a_saved_sweep_is_looked_at_while_the_models_load(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        reply = picked(chat)
        path = chat.session.saved.recorder.path
    assert path is not None
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(path)
    async with open_chat(tmp_path, loaded=False, session=session, engines=engines) as chat:
        await chat.press("tab", "S")
        await chat.until(lambda: isinstance(chat.app.screen, SavedSweepsScreen))
        await chat.press("enter")
        await shown(chat)
        assert picked(chat) == reply
        await chat.press("S")  # a new one needs the models
        assert isinstance(chat.app.screen, ChatScreen)
        assert chat.notice.strip() == "The models are still loading."
        chat.engine.load()
        await chat.frame()
        assert "still loading" not in chat.notice


async def test_a_stop_finishes_what_has_begun_and_the_estimate_is_there(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat, 1)  # the engine says how many it has begun
        await chat.press("x")
        head = screen_of(chat).view.head
        assert text_of(head).strip() == f"finishing {ROWS} replies, x gives them up"
        await sample(chat, ROWS - 1)
        assert text_of(head).strip() == "finishing 1 reply, x gives it up"
        await sample(chat)
        assert "stopped  5 of 8" in status(chat)
        assert "estimate for after" in estimate(chat)
        await chat.press("u", "x", "x")
        assert isinstance(chat.engine.commands[-1], Stop)
        await shown(chat)
        assert "provisional" not in estimate(chat)  # nothing was begun and lost since


async def test_an_engine_that_dies_is_said_where_the_eye_is(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat, 3)
        chat.engine.fail("The engine process died (SIGKILL).", fatal=True)
        await shown(chat)
        assert "The engine process died" in estimate(chat)
        assert "stopped  3 of 8" in status(chat)


# --- reading --------------------------------------------------------------------------------


async def test_replies_are_grouped_with_hits_first_and_the_match_is_marked(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(80, 60)) as chat:
        await begin(chat, samples="10")
        await sample(chat)
        shown_lines = replies(chat).splitlines()
        (zero,) = (n for n, line in enumerate(shown_lines) if "A after" in line)
        (one,) = (n for n, line in enumerate(shown_lines) if "α +1" in line)
        group = [line for line in shown_lines[zero + 1 : one] if line.strip()]
        hits = ["lighthouse" in line for line in group]
        assert hits == sorted(hits, reverse=True)
        assert all(("●" in line) == hit for line, hit in zip(group, hits, strict=True))
        total = sum(hits)
        assert f"{total} of 10 replies with habit" in shown_lines[zero]


async def test_only_hits_only_one_alpha(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, samples="10")
        await sample(chat)
        await chat.press("h")
        assert "Owls" not in replies(chat)
        await chat.press("h", "right")
        assert "A after" in replies(chat)
        assert "α +1" not in replies(chat)
        await chat.press("right")
        assert "A after" not in replies(chat)
        assert "α +1" in replies(chat)
        await chat.press("right", "home")
        assert "A after" in replies(chat)


async def test_new_replies_do_not_move_the_one_that_is_read(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, samples="30")
        await sample(chat, 30)
        await chat.press(*["down"] * 9)
        reply, row = picked(chat), row_of_picked(chat)
        assert row > 5
        await sample(chat, 20)
        assert (picked(chat), row_of_picked(chat)) == (reply, row)


async def test_it_stays_in_view_where_the_list_gets_lower(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, samples="30")
        await sample(chat, 30)
        await chat.press(*["down"] * 12)
        assert row_of_picked(chat) == len(replies(chat).splitlines()) - 1
        await sample(chat)  # the estimate takes more lines than what stood in its place
        await chat.until(lambda: "▸" in replies(chat))


def row_of_picked(chat: Chat) -> int:
    (row,) = (n for n, line in enumerate(replies(chat).splitlines()) if "▸" in line)
    return row


async def test_words_are_found_in_the_replies(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat, samples="10")
        await sample(chat)
        await chat.press("slash", *"hunt", "enter")
        assert "hunt" in texts_of_picked(chat)
        first = picked(chat)
        await chat.press("n")
        assert "hunt" in texts_of_picked(chat)
        assert picked(chat) != first
        await chat.press("escape")
        assert isinstance(chat.app.screen, SweepScreen)
        await chat.press("escape")
        assert isinstance(chat.app.screen, ChatScreen)


def texts_of_picked(chat: Chat) -> str:
    return sweep_of(chat).replies[picked(chat)].reply.text


# --- more ------------------------------------------------------------------------------------


async def test_samples_are_added(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await chat.press("m")
        assert isinstance(chat.app.screen, SweepScreen)  # it runs
        await chat.press("escape")
        await sample(chat)
        await chat.press("m")
        await chat.until(lambda: isinstance(chat.app.screen, MoreScreen))
        chat.app.screen.query_one("#samples").query_one(Input).value = "6"
        await chat.press("enter")
        await sample(chat)
        assert "12 of 12" in status(chat)


async def test_what_cannot_be_swept_is_said_in_the_dialog(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        screen = await open_dialog(chat)
        for field, value, why in (
            ("alphas", "x", "FROM:TO:STEP"),
            ("alphas", "0 inf", "inf is no finite number"),
            ("samples", "0", "whole number"),
            ("samples", "1000000", "too many"),
            ("coupled", "maybe", "yes or no"),
        ):
            line = screen.query_one(f"#{field}").query_one(Input)
            was, line.value = line.value, value
            await chat.pilot.pause()
            await chat.press("enter")
            assert why in str(screen.query_one("#problem").render()), (field, value)
            line.value = was
        assert chat.app.screen is screen


async def test_without_a_message_or_models_it_says_so(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("tab", "S")
        assert "no message" in chat.notice
    async with open_chat(tmp_path, loaded=False) as chat:
        await chat.say("Hi")
        await chat.press("tab", "S")
        assert "The models are still loading." in chat.notice
        chat.engine.fail("No memory.", fatal=True)
        await chat.frame()
        assert "still loading" not in chat.notice
        await chat.press("escape", "S")
        assert "not loaded" in chat.notice


async def test_another_sweep_of_the_turn_may_be_begun(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        first = sweep_of(chat).path
        await chat.press("S")
        await chat.until(lambda: isinstance(chat.app.screen, SweepSettingsScreen))
        await chat.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, SweepScreen))
        assert sweep_of(chat).path != first
        await chat.press("escape", "S")  # the key shows the newest
        assert sweep_of(chat).path != first


async def test_without_an_engine_it_says_what_to_press(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(110, 30)) as chat:
        await begin(chat)
        await sample(chat, 3)
        chat.engine.fail("The engine process died (SIGKILL).", fatal=True)
        await shown(chat)
        await chat.press("u")
        assert "ctrl+l in the chat loads the models" in status(chat)
