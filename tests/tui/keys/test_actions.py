"""The one registry of actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from textual.screen import Screen

from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.dialogs.openings import OpeningsScreen
from logit_amp_chat.tui.dialogs.prompt import PromptScreen
from logit_amp_chat.tui.dialogs.saved_chats import ChatsScreen
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.keys.actions import ACTIONS, Action
from logit_amp_chat.tui.keys.command_palette import Spelled
from logit_amp_chat.tui.reading.screen import ReadingScreen
from logit_amp_chat.tui.sweep.screen import SweepScreen
from tests.tui.chat_driver import open_chat, text_of

# What a plain pty inside tmux cannot send, or keeps for itself.
UNSENDABLE = {"ctrl+i", "ctrl+m", "ctrl+h", "ctrl+a", "ctrl+b", "alt+enter", "ctrl+enter", "f15"}
EXTRAS = {"shift+f2", "shift+f3"}


def keys_of(action: Action) -> list[str]:
    return action.keys.split(",") if action.keys else []


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_can_be_run_and_explains_itself(action: Action) -> None:
    name = action.run.partition("(")[0]
    screens: dict[str, type[Screen[Any]]] = {
        "chats": ChatsScreen,
        "openings": OpeningsScreen,
        "prompt": PromptScreen,
        "reading": ReadingScreen,
        "sweep": SweepScreen,
    }
    screen = screens.get(action.place, ChatScreen)
    assert not name or hasattr(screen, f"action_{name}")
    assert action.help.endswith(".")
    assert action.display


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.keys], ids=lambda action: action.id)
def test_the_key_that_is_told_is_the_first_of_the_action(action: Action) -> None:
    """That one alone: in the tables what goes the other way has a row of its own."""
    (same,) = (a for a in keymap.changed({action.id: action.keys}) if a.id == action.id)
    assert action.display == same.display


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.opposite], ids=lambda action: action.id)
def test_two_keys_in_the_footer_are_two_actions_of_one_name(action: Action) -> None:
    (other,) = (a for a in ACTIONS if (a.place, a.display) == (action.place, action.opposite))
    assert other.label == action.label


async def test_the_footer_shows_keys_that_go_two_ways_as_one(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        assert "←→ token" in text_of(chat.screen.view.keys)


def test_ids_are_unique() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


@pytest.mark.parametrize("place", get_args(keymap.Place))
def test_no_key_means_two_things_in_one_place(place: keymap.Place) -> None:
    """What works anywhere does not reach a dialog."""
    here = (place,) if place in keymap.DIALOGS else (place, "anywhere")
    keys = [k for a in ACTIONS if a.place in here for k in keys_of(a)]
    assert len(set(keys)) == len(keys)


def test_every_key_can_be_sent_over_ssh() -> None:
    for action in ACTIONS:
        keys = set(keys_of(action))
        assert not keys & UNSENDABLE
        assert not (keys & EXTRAS) or keys - EXTRAS, "an extra needs a key that works everywhere"
        assert not any(key.startswith(("alt+", "ctrl+shift+", "super+")) for key in keys)


def test_letters_act_where_nothing_is_written_only() -> None:
    for action in ACTIONS:
        if action.place not in {"transcript", "candidates", *keymap.DIALOGS} - {"chats"}:
            assert not any(len(key) == 1 for key in keys_of(action))


def test_the_footer_shows_what_the_state_allows() -> None:
    idle = {action.id for action in keymap.footer("composer")}
    assert "send" in idle
    assert "stop" not in idle
    assert "stop" in {action.id for action in keymap.footer("composer", {"streaming"})}
    assert "keep" in {action.id for action in keymap.footer("transcript", {"comparing"})}


@pytest.mark.parametrize(
    ("place", "esc"),
    [("composer", "stop"), ("transcript", "stop"), ("candidates", "back"),
     ("search", "end the search")],
)  # fmt: skip
def test_while_a_reply_streams_esc_has_one_meaning(place: keymap.Place, esc: str) -> None:
    footer = keymap.footer(place, {"streaming"})
    assert [action.label for action in footer if action.display == "esc"] == [esc]


def test_the_palette_offers_every_action_once() -> None:
    runs = [action.run for action in keymap.commands()]
    assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("words", ["read", "diff", "read a text"])
def test_the_palette_finds_reading_by_what_people_call_it(words: str) -> None:
    (action,) = (action for action in keymap.commands() if action.id == "read_text")
    assert Spelled(words).match(keymap.title(action)) > 0
