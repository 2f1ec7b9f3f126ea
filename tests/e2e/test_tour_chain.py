"""What the README's tour says of the bundled chain, done as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.commands import main as cli
from tests.e2e.tour import CARD, HABIT, QUESTION, TOUR, Tour, keys, says
from tests.test_readme import ROOT, section

(CLOSING,) = re.findall(r'adds a last sentence: \*\*"([^"]+)"\*\*', CARD)
(COMMAND,) = re.findall(r"\n    (logit-amp-chat diff --blame .+)\n", section(TOUR))
MARKS = re.compile(r"\{\+|\+\}|\{~|~\}")


def compared(log: ReplyLog) -> tuple[str, str]:
    """The stages that are before and after in a reply, by the session it belongs to."""
    assert log.session is not None
    labels = log.session.profile["labels"]
    return labels["before"], labels["after"]


def test_one_reply_has_both_habits_each_beside_its_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(TOUR, "The first sentence is the work of `tuned`, the last that of `final`.")
    monkeypatch.chdir(ROOT)
    assert cli.run(shlex.split(COMMAND)[1:]) == 0
    lines = MARKS.sub("", capsys.readouterr().out).splitlines()
    assert any(line.startswith(f"tuned │ {HABIT}") for line in lines)
    assert any(line.startswith(f"final │  {CLOSING}") for line in lines)


def test_the_picture_is_of_that_command() -> None:
    picture = (ROOT / "docs" / "blame.svg").read_text(encoding="utf-8")
    assert f">{COMMAND}<" in picture.replace("&#160;", " ")


def test_the_chat_goes_on_with_any_two_stages(tmp_path: Path) -> None:
    tour = Tour(tmp_path)
    try:
        profiles, enter = keys(TOUR, "press `F8`, type *demo-chain* and press `enter`;")
        tour.terminal.press(profiles)
        tour.terminal.see("─ Profiles ─")
        tour.terminal.write("demo-chain")
        tour.terminal.see("base → tuned → final")
        tour.terminal.press(enter)
        tour.terminal.see("base → final")
        tour.until_ready()
        tour.say(QUESTION)
        tour.terminal.until(lambda: tour.user_texts() == [QUESTION])
        first = tour.until_over(1)
        (stages,) = keys(
            TOUR,
            "`T` in the transcript chooses which two stages are before and after, and the chat"
            " goes on.",
        )
        tour.terminal.press("tab", stages)
        tour.terminal.see("─ Stages to compare ─", "base  → tuned")
        tour.terminal.write("base tuned")
        tour.terminal.press("enter")
        tour.terminal.see("base → tuned", QUESTION)
        tour.until_ready()
        tour.terminal.press("tab")
        tour.terminal.see("enter send")
        tour.say("Tell me about foxes.")
        second = tour.until_over(2)
        assert [compared(log) for log in (first, second)] == [("base", "final"), ("base", "tuned")]
    finally:
        tour.terminal.close()
