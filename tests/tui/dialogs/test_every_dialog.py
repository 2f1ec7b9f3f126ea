"""What holds for all dialogs: esc leaves them, and they are whole at every size."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from logit_amp_chat.core.chat.openings import MessageOpenings
from logit_amp_chat.core.chat.prefix import EditedReply
from logit_amp_chat.core.chat.session import Draft
from logit_amp_chat.core.chat.settings import ChatSettings
from logit_amp_chat.core.chat.turn_prompts import draft_prompts
from logit_amp_chat.core.export.snippets import Copy
from logit_amp_chat.core.lanes import LaneAt
from logit_amp_chat.core.records import Candidate, LogProbs
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.dialogs.alpha import AlphaScreen
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.dialogs.compare_alphas import CompareAlphasScreen
from logit_amp_chat.tui.dialogs.copy import CopyScreen
from logit_amp_chat.tui.dialogs.export import ExportScreen
from logit_amp_chat.tui.dialogs.help import HelpScreen
from logit_amp_chat.tui.dialogs.note import NoteScreen
from logit_amp_chat.tui.dialogs.openings import OpeningsScreen
from logit_amp_chat.tui.dialogs.profiles import ProfileScreen
from logit_amp_chat.tui.dialogs.prompt import PromptScreen
from logit_amp_chat.tui.dialogs.raised_tokens import RaisedTokensScreen
from logit_amp_chat.tui.dialogs.reply_text import BeginScreen, EditReplyScreen
from logit_amp_chat.tui.dialogs.sampling import SamplingScreen
from logit_amp_chat.tui.dialogs.saved_chats import ChatsScreen
from logit_amp_chat.tui.dialogs.stages import StagesScreen
from logit_amp_chat.tui.dialogs.text_prompt import LineScreen
from logit_amp_chat.tui.keys.actions import Action
from tests.core import samples
from tests.core.samples import reply, step
from tests.tui.chat.test_stages import chain
from tests.tui.chat_driver import make_session
from tests.tui.dialogs.host import Host, until
from tests.tui.dialogs.samples import broken_profile, profile, save_chat
from tests.tui.fake_prompts import rendered

SIZES = [(40, 12), (40, 15), (60, 15), (80, 24), (200, 60)]
MACHINE = Machine(("RTX 4090",), 24 * 10**9, 64 * 10**9)
SMALL = profile("small", "Small pair, base to instruct", memory_gb=2.5)


def chats(folder: Path) -> Dialog[Any]:
    save_chat(folder / "b.jsonl", "Tell me about [/INST] otters.\x1b[31m")
    save_chat(folder / "a.jsonl", "Where is Ottawa?")
    (folder / "torn.jsonl").write_text('{"type":"sess')
    for day, name in enumerate(("torn", "a", "b"), 1):
        written = datetime(2026, 11, day, 14, 2).timestamp()
        os.utime(folder / f"{name}.jsonl", (written, written))
    return ChatsScreen(folder)


def openings(folder: Path) -> Dialog[Any]:
    """Two levels, of a message and tokens that would be markup."""
    session = make_session(folder)
    begun = Candidate(7, "By [/INST]", -9.0, -5.0, -0.5)
    session.saved.record(samples.message(text="Tell me about [/INST] otters.\x1b[31m"))
    session.saved.record(samples.opening())
    session.saved.record(dataclasses.replace(samples.opening(), top=(begun,)))
    session.saved.record(samples.opening(begun))
    found = MessageOpenings(session, "m-1")
    found.open((7,))
    return OpeningsScreen(found, session.set_alpha)


def prompt(folder: Path) -> Dialog[Any]:
    """Of two sides that differ, with what would be markup, and a notice."""
    session = make_session(folder)
    prompts = draft_prompts(session, Draft("Tell me about [/INST] otters.\x1b[31m\n<|end|>"))
    shown = rendered(prompts.prompts[0].request, ("You are a base.", "You are [b]kind[/b]."))
    said = ("The chat template says of its own: \x1b[31mYou are kind.",)
    prompts.prompts[0].tokens = dataclasses.replace(shown, notices=said)
    return PromptScreen(prompts, lambda _: None)


def raised_tokens() -> Dialog[Any]:
    """One token of each kind: summed twice, hostile, special, and one that `before` rules out."""
    log = ReplyLog(reply())
    for index, (text, before) in enumerate(
        [(" otter", -3.0), (" [/INST]\x1b[31m", -2.5), (" otter", -4.0), ("<|end|>", -9.0)]
    ):
        said = step(index, text, special=text.startswith("<|"))
        log.add(dataclasses.replace(said, token=len(text), logp=LogProbs(before, -0.5, -0.25)))
    log.add(dataclasses.replace(step(4, " 水獺"), token=90))
    return RaisedTokensScreen([log], [log])


def edit_reply() -> Dialog[Any]:
    """A long text that would be markup, and special tokens that an edit would leave out."""
    log = ReplyLog(reply())
    for index, text in enumerate(["<|a|>", "Otters [/INST]\x1b[31m", *[" eat fish"] * 40, "<|b|>"]):
        log.add(step(index, text, special=text.startswith("<|")))
    return EditReplyScreen(EditedReply(log), "Otters [/INST][31m eat crabs ")


DIALOGS: dict[str, Callable[[Path], Dialog[Any]]] = {
    "alpha": lambda folder: AlphaScreen(1.5),
    "begin": lambda folder: BeginScreen("Sure, [/INST] here\x1b[31m", answers=True),
    "chats": chats,
    "copy": lambda folder: CopyScreen(
        [
            Copy("y", "the reply", "Otters [/INST] eat fish and crabs. " * 4, "…"),
            Copy("t", "the token's figures", "3 of 12: “·fish”", "…"),
            *(Copy(str(n), f"code block {n}", "python, 4 lines", "…") for n in range(1, 10)),
            Copy("c", "the conversation", "all of it, as Markdown, 2.1 kB", "…"),
        ]
    ),
    "edit_reply": lambda folder: edit_reply(),
    "export": lambda folder: ExportScreen(Path("chats/otters.md")),
    "help": lambda folder: HelpScreen(
        [
            Action("up", "", "", "F3", "α+", "α up by 0.1.", "α"),
            Action("send", "", "", "enter", "send", "Send the message. " * 5, "Chat", "composer"),
            Action("sort", "", "", "[", "sort", "Sort the [/i] candidates.", "Look", "transcript"),
        ]
    ),
    "line": lambda folder: LineScreen("Rename", "Otters", "An empty title shows the first again."),
    "note": lambda folder: NoteScreen("token 3 of the reply, “ fish” [/INST]", "odd"),
    "openings": openings,
    "profiles": lambda folder: ProfileScreen(
        SMALL,
        [
            SMALL,
            profile("huge", "Huge pair", memory_gb=80, gated=True),
            profile("mine", "A [bold]folder[/] of my own"),
            broken_profile("torn"),
        ],
        MACHINE,
        folder,
        token=True,
    ),
    "prompt": prompt,
    "raised_tokens": lambda folder: raised_tokens(),
    "sampling": lambda folder: SamplingScreen(ChatSettings(Sampling(), "You are terse.")),
    "stages": lambda folder: StagesScreen(chain()),
    "compare_stages": lambda folder: CompareAlphasScreen(
        (0,), (-1, 0, 1), [LaneAt(0.0, ("base", "tuned"))], ("base", "tuned", "final")
    ),
    "compare_alphas": lambda folder: CompareAlphasScreen((-1, 0, 1), (-1, 0, 0.5, 1, 2)),
}


async def ready(pilot: Pilot[None]) -> None:
    """The dialog is there, has read what it lists, and no cursor blinks."""
    screen = pilot.app.screen
    await until(pilot, lambda: "Reading" not in pilot.app.text)  # type: ignore[attr-defined]
    for field in screen.query(Input):
        field.cursor_blink = False
    for area in screen.query(TextArea):
        area.cursor_blink = False
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DIALOGS)
async def test_esc_leaves_it_at_every_size(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    app = Host(DIALOGS[name](tmp_path))
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        assert app.screen.region.contains_region(app.screen.query_one("#frame").region)
        assert app.dialog.keys in app.words
        await pilot.press("escape")
        await until(pilot, lambda: app.answer is None)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DIALOGS)
async def test_its_keys_stay_below_a_problem(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    app = Host(DIALOGS[name](tmp_path))
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        app.dialog.problem("This is wrong, and that is wrong too; here is what to do. " * 3)
        await pilot.pause()
        assert app.dialog.keys in app.words


@pytest.mark.parametrize("name", DIALOGS)
def test_it_looks_as_it_did(name: str, tmp_path: Path, snap_compare: Any) -> None:
    assert snap_compare(Host(DIALOGS[name](tmp_path)), terminal_size=(80, 24), run_before=ready)


@pytest.mark.parametrize("size", [(40, 15), (120, 40), (200, 60)])
@pytest.mark.parametrize("name", ["chats", "profiles"])
def test_a_list_looks_as_it_did_at_other_sizes(
    name: str, size: tuple[int, int], tmp_path: Path, snap_compare: Any
) -> None:
    assert snap_compare(Host(DIALOGS[name](tmp_path)), terminal_size=size, run_before=ready)
