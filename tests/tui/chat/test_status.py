"""The line above the chat names the precision of the models that are there."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.named_pair import pair_profile
from logit_amp_chat.tui.chat.status import figures, pair_details
from tests.tui.chat_driver import demo_profile
from tests.tui.fake_engine import FakeEngine


def session(asked: str, *loaded: str, state: str = "idle") -> Any:
    """A session whose profile asks for a quantization, with the sides that were loaded."""
    sides = [SimpleNamespace(quantization=one) for one in loaded]
    opened = None
    if sides:
        found = SimpleNamespace(before=sides[0], after=sides[1], device="cpu")
        opened = SimpleNamespace(session=found, memory=0)
    profile = pair_profile("org/base", "org/tuned").model_copy(update={"quantization": asked})
    return SimpleNamespace(profile=profile, live=SimpleNamespace(opened=opened), state=state)


@pytest.mark.parametrize(
    ("shown", "details"),
    [
        (session("none"), ()),
        (session("nf4"), ("nf4",)),
        (session("nf4", "nf4", "nf4"), ("nf4", "cpu")),
        (session("none", "none", "none"), ("cpu",)),
        (session("none", "gptq 4-bit", "gptq 4-bit"), ("gptq 4-bit", "cpu")),
        (session("none", "none", "fp8"), ("none / fp8", "cpu")),
        (session("nf4", "none", "none", state="loading"), ("nf4",)),
    ],
)
def test_the_loaded_models_precision_is_shown_once_they_are_there(
    shown: Any, details: tuple[str, ...]
) -> None:
    assert pair_details(shown)[1:] == details


def test_an_engine_on_another_machine_is_so_far_away(tmp_path: Path) -> None:
    engines: list[FakeEngine] = []

    def make_engine(on_events: Any) -> FakeEngine:
        engines.append(FakeEngine(on_events))
        return engines[0]

    chat = ChatSession(demo_profile(), tmp_path, make_engine)
    chat.live.load()
    assert figures(chat) == ()

    engines[0].away = 0.048
    assert figures(chat) == ("48 ms away",)
    engines[0].away = math.inf
    assert figures(chat) == ("RECONNECTING",)
    chat.close()
