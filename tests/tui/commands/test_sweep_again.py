"""`sweep` on a finished folder: it counts what it was asked for, or says why it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.tui.commands.test_sweep import FEW, HABIT, QUESTION, Capture, Use, sweep, use

__all__ = ["use"]


@pytest.fixture
def done(use: Use, tmp_path: Path, capsys: Capture) -> tuple[str, str]:
    """The option --out of a finished sweep."""
    use(ToyEngine())
    out = ("--out", str(tmp_path / "s"))
    assert sweep(*QUESTION, *HABIT, *FEW, *out) == 0
    capsys.readouterr()
    return out


def other_pair() -> ToyEngine:
    engine = ToyEngine()
    session = engine.opened.session
    after = replace(session.after, model="another/model")
    engine.opened = replace(engine.opened, session=replace(session, after=after))
    return engine


def test_another_pair_is_refused(use: Use, done: tuple[str, str], capsys: Capture) -> None:
    use(other_pair())
    assert sweep(*HABIT, *done, "--profile", "demo") == 2
    assert "after.model" in capsys.readouterr().err


def test_the_same_pair_by_another_name_is_counted(
    use: Use, done: tuple[str, str], capsys: Capture
) -> None:
    use(ToyEngine())
    assert sweep(*HABIT, *done, "--profile", "demo") == 0
    assert "90 replies to 1 prompt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("form", "said"), [(("--raw",), "not raw"), (("--system", "Be brief."), "system prompt")]
)
def test_prompts_of_another_form_are_refused(
    done: tuple[str, str], capsys: Capture, form: tuple[str, ...], said: str
) -> None:
    assert sweep(*HABIT, *done, *form) == 2
    assert said in capsys.readouterr().err


def test_other_prompts_are_not_what_is_counted(done: tuple[str, str], capsys: Capture) -> None:
    assert sweep(*HABIT, *done, "--count-only", "--prompt", "Tell me about seals.") == 2
    assert "over other prompts" in capsys.readouterr().err
