"""Chains in the chat: which two stages are the pair, and stages side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.lanes import LaneAt
from logit_amp_chat.core.records import Reply, Session
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.dialogs.blame import BlameScreen
from logit_amp_chat.tui.dialogs.compare_alphas import CompareAlphasScreen
from logit_amp_chat.tui.dialogs.stages import StagesScreen
from tests.tui.chat_driver import Chat, demo_profile, open_chat, text_of


def chain() -> Profile:
    stages = [{"name": name, "model": f"fake/{name}"} for name in ("base", "sft", "dpo")]
    return demo_profile(
        stages=tuple(stages),
        pair=("base", "dpo"),
        before={"model": "fake/base"},
        after={"model": "fake/dpo"},
        labels={"before": "base", "after": "dpo"},
        alpha=0.0,
    )


async def compare(chat: Chat, lanes: str) -> None:
    await chat.press("f4")
    await chat.choose_alphas(lanes)


def titles(chat: Chat) -> list[str]:
    from logit_amp_chat.core.lanes import reply_heading

    return [reply_heading(lane.head) for lane in chat.screen.view.lanes.lanes.values()]


async def test_stages_stand_side_by_side_under_their_names(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40), profile=chain()) as chat:
        await compare(chat, "all, 0, base>dpo 1.5")
        await chat.say("Hi")
        assert chat.engine.request is not None
        asked = {lane.name: (lane.stages, lane.alpha) for lane in chat.engine.request.lanes}
        assert asked == {
            "base": (("base", "sft"), -1.0),
            "sft": (("base", "sft"), 0.0),
            "dpo": (("sft", "dpo"), 0.0),
            "base→dpo +1.5": (("base", "dpo"), 1.5),
            "after": (None, 0.0),
            "amplified": (None, 0.0),
        }
        await chat.finish()
        assert titles(chat)[:3] == ["base → dpo α +1.5", "base", "sft"]


async def test_their_replies_are_saved_with_the_session_of_their_stages(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40), profile=chain()) as chat:
        await compare(chat, "sft, 0")
        await chat.say("Hi")
        await chat.finish()
        session = chat.session
        (sft,) = [log for log in session.conversation.replies.values() if log.reply.stages]
        assert sft.session is not None
        assert sft.session.profile["pair"] == ["base", "sft"]
        assert sft.main is session.conversation.session
        assert set(session.lanes_of(sft)) == {"sft", "after", "amplified"}
        path = session.saved.recorder.path
        assert path is not None
        records = list(read_records(path))
        beside = [r for r in records if isinstance(r, Session) and r.beside]
        assert [session.beside for session in beside] == ["s-1"]
        reply = next(r for r in records if isinstance(r, Reply) and r.stages)
        assert records.index(beside[0]) < records.index(reply)


async def test_a_resumed_chat_compares_the_same_stages(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40), profile=chain()) as chat:
        await compare(chat, "sft, 0")
        await chat.say("Hi")
        await chat.finish()
        path = chat.session.saved.recorder.path
    assert path is not None
    async with open_chat(tmp_path, size=(200, 40), profile=chain()) as chat:
        chat.session.resume(path)
        assert chat.session.compared_stages == (LaneAt(0.0, ("base", "sft")),)
        assert chat.session.compared_alphas == (0.0,)


async def test_two_other_stages_are_loaded_and_the_chat_goes_on(tmp_path: Path) -> None:
    async with open_chat(tmp_path, profile=chain()) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("T")
        await chat.until(lambda: isinstance(chat.app.screen, StagesScreen))
        chat.app.screen.query_one(Input).value = "sft dpo"
        await chat.press("enter")
        await chat.until(lambda: chat.engine.profile.pair == ("sft", "dpo"))  # type: ignore[union-attr]
        chat.engine.load()
        await chat.frame()
        assert chat.session.conversation.said() == ["Hi"]
        assert chat.session.profile.labels.before == "sft"
        assert len(chat.session.profile.stages) == 3
        await chat.press("escape")
        await chat.say("And?")
        await chat.finish()
        assert chat.session.conversation.said() == ["Hi", "And?"]


async def test_the_pair_in_use_is_chosen_without_loading_anything(tmp_path: Path) -> None:
    async with open_chat(tmp_path, profile=chain()) as chat:
        await chat.read()
        await chat.press("T")
        await chat.until(lambda: isinstance(chat.app.screen, StagesScreen))
        engine = chat.engine
        await chat.press("enter")
        assert chat.engine is engine
        assert chat.session.state == "ready"


async def test_a_pair_has_no_stages_to_choose(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.read()
        await chat.press("T")
        assert "no chain of stages" in text_of(chat.screen.view.notice)


async def test_a_word_that_is_no_stage_is_refused_with_those_that_are(tmp_path: Path) -> None:
    async with open_chat(tmp_path, profile=chain()) as chat:
        await compare(chat, "rl, 0")
        assert isinstance(chat.app.screen, CompareAlphasScreen)
        problem = str(chat.app.screen.query_one("#problem", Static).content)
        assert "rl is no α and no stage." in problem
        assert "base, sft, dpo" in problem


async def test_stages_of_another_chain_are_not_compared(tmp_path: Path) -> None:
    async with open_chat(tmp_path, profile=chain()) as chat:
        chat.session.compared_stages = (LaneAt(0.0, ("pretrained", "rl")),)
        assert list(chat.session.lanes) == ["before", "after", "amplified"]


async def test_who_did_it_is_shown_as_soon_as_it_is_read(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(100, 34), profile=chain()) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("W")
        await chat.until(lambda: isinstance(chat.app.screen, BlameScreen))
        problem = chat.app.screen.query_one("#problem", Static)
        assert "Reading the reply under every stage" in str(problem.content)
        log = chat.session.conversation.last_reply()
        assert log is not None
        read_under(log, *((-9.0, -1.0, -1.0),) * 4, (-1.0, -1.0, -9.0))
        chat.screen.stages.follow()
        await chat.frame()
        shown = str(chat.app.screen.query_one("#runs", Static).content)
        assert shown.startswith(" sft │ {+")
        assert "\n dpo │ [-" in shown
        figures = str(chat.app.screen.query_one("#figures", Static).content)
        assert "dpo  log-ratio −" in figures
        assert "mean KL not measured" in figures


async def test_a_reply_of_a_pair_cannot_be_blamed_on_a_stage(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("W")
        assert "no chain of stages" in text_of(chat.screen.view.notice)


def read_under(log: ReplyLog, *rows: tuple[float, ...]) -> None:
    """The reply was read under the chain; its first tokens got `rows`, the others the last."""
    rest = len(log.steps) - len(rows)
    log.blamed = Blamed(
        reply=log.id,
        chain=("base", "sft", "dpo"),
        log_probs=(*rows, *(rows[-1],) * rest),
        likeliest=(((1, -0.1),) * 3,) * len(log.steps),
        divergences=((0.5, None),) * len(log.steps),
    )


async def test_every_line_of_a_run_stands_behind_the_gutter(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(60, 40), profile=chain()) as chat:
        await chat.say("Hi")
        await chat.finish()
        log = chat.session.conversation.last_reply()
        assert log is not None
        read_under(log, (-9.0, -1.0, -1.0), (-1.0, -1.0, -9.0))
        await chat.read()
        await chat.press("W")
        await chat.until(lambda: isinstance(chat.app.screen, BlameScreen))
        for size in ((60, 40), (50, 40), (50, 20)):
            await chat.pilot.resize_terminal(*size)
            await chat.frame()
            runs = chat.app.screen.query_one("#runs", Static)
            text = str(runs.content).partition("\n\n")[0].splitlines()
            assert text[0].startswith(" sft │ {+")
            assert [line[:6] for line in text[1:]] == [" dpo │", *["     │"] * (len(text) - 2)]
            assert len(text) > 3
            assert max(map(len, text)) <= runs.size.width


async def test_what_a_model_wrote_is_neither_markup_nor_sent_to_the_terminal(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path, size=(100, 40), profile=chain()) as chat:
        await chat.say("Hi")
        await chat.finish()
        log = chat.session.conversation.last_reply()
        assert log is not None
        log.steps[0] = replace(log.steps[0], text="[/INST]\x1b[31m\n")
        log.steps[3] = replace(log.steps[3], text="[bold]\x1b]52;\n")
        read_under(log, (-9.0, -1.0, -1.0), (-1.0, -1.0, -1.0))
        await chat.read()
        await chat.press("W")
        await chat.until(lambda: isinstance(chat.app.screen, BlameScreen))
        shown = str(chat.app.screen.query_one("#runs", Static).content)
        assert "{+[/INST]␛[31m␊+}" in shown
        assert "[bold]␛]52;" in shown
        assert "\x1b" not in shown


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_inspector_says_how_far_each_stage_moved_the_token(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with open_chat(tmp_path, size=size, profile=chain()) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("home", "i")
        inspector = chat.screen.view.inspector
        assert "sft" not in text_of(inspector)
        log = chat.session.conversation.last_reply()
        assert log is not None
        read_under(log, (-9.0, -1.0, -1.5), (-1.0, -1.25, -9.0))
        chat.screen.view.refresh_inspector()
        await chat.frame()
        assert "Δ ▸sft +8.00  dpo −0.50" in text_of(inspector)
        await chat.press("right")
        await chat.frame()
        assert "Δ  sft −0.25 ▸dpo −7.75" in text_of(inspector)


async def test_the_inspector_names_the_stage_of_a_lane(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40), profile=chain()) as chat:
        await compare(chat, "sft, base>dpo 1.5, 0")
        await chat.press("f5")
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        seen = set()
        for _ in range(4):
            seen.add(text_of(chat.screen.view.inspector).splitlines()[0].split("  ")[-1].strip())
            await chat.press("tab")
            await chat.frame()
        assert {"sft", "base → dpo α +1.5", "A after"} <= seen
