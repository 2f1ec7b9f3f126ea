"""What is written to the terminal so that its clipboard holds what was copied."""

from __future__ import annotations

import base64
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.text import plain
from logit_amp_chat.tui.terminal.clipboard import CHUNK, LIMIT, fits, keep, multiplexer, sequence

BARE = re.compile(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\a")


def held(bare: str) -> str:
    """What a terminal that reads this holds then."""
    match = BARE.fullmatch(bare)
    assert match
    return base64.b64decode(match[1]).decode()


def unwrapped_by_tmux(data: str) -> str:
    match = re.fullmatch(r"\x1bPtmux;((?:\x1b\x1b|[^\x1b])*)\x1b\\", data)
    assert match
    return match[1].replace("\x1b\x1b", "\x1b")


@pytest.mark.parametrize(
    ("variables", "inside"),
    [
        ({"TERM": "xterm-256color"}, "none"),
        ({}, "none"),
        ({"TERM": "tmux-256color"}, "tmux"),  # as after an ssh from inside tmux
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, "tmux"),
        ({"TERM": "screen", "STY": "1.pts-0"}, "screen"),
        ({"TERM": "screen.xterm-256color"}, "screen"),
        ({"TERM": "screen-256color"}, "either"),
        ({"TERM": "screen", "STY": "1.pts-0", "TMUX": "/tmp/t,1,0"}, "either"),
        ({"TERM": "tmux", "STY": "1.pts-0", "TMUX": "/tmp/t,1,0"}, "tmux"),
        ({"TERM": "xterm", "TMUX": ""}, "none"),
    ],
)
def test_what_is_in_between(variables: dict[str, str], inside: str) -> None:
    assert multiplexer(variables) == inside


@given(st.text(max_size=3000))
def test_a_terminal_gets_the_text(text: str) -> None:
    said = sequence(text, "none")
    assert said
    assert held(said) == plain(text)
    assert said[1:-1].isprintable()


def test_joiners_survive_and_controls_do_not() -> None:
    said = sequence("👩\u200d🔬 a\tb\n\x1b[201~rm -rf\r\x9b\ud800", "none")
    assert said
    assert held(said) == "👩\u200d🔬 a\tb\n␛[201~rm -rf␍‹U+009B›\ufffd"


@given(st.text(max_size=3000))
def test_tmux_gets_it_for_itself_and_for_the_terminal_around_it(text: str) -> None:
    said, bare = sequence(text, "tmux"), sequence(text, "none")
    assert said
    assert bare
    assert said.startswith(bare)
    assert unwrapped_by_tmux(said.removeprefix(bare)) == bare


@given(st.text(max_size=3000))
def test_screen_gets_it_in_pieces_it_can_hold(text: str) -> None:
    said = sequence(text, "screen")
    assert said
    pieces = re.findall(r"\x1bP((?:(?!\x1b\\).)*)\x1b\\", said, re.DOTALL)
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == said
    assert all(len(piece) <= CHUNK for piece in pieces)
    assert "".join(pieces) == sequence(text, "none")


def test_where_both_are_possible_a_short_text_suits_both_and_a_long_one_tmux() -> None:
    assert sequence("short", "either") == sequence("short", "screen")
    assert sequence("long" * 500, "either") == sequence("long" * 500, "none")


@pytest.mark.parametrize("inside", ["none", "tmux", "screen", "either"])
def test_what_a_terminal_would_cut_is_not_sent(inside: str) -> None:
    longest = "x" * (LIMIT * 3 // 4)
    assert sequence(longest, inside)  # type: ignore[arg-type]
    assert sequence(longest + "x", inside) is None  # type: ignore[arg-type]
    assert fits(longest)
    assert not fits(longest + "x")


def test_the_file_holds_the_same_for_its_owner_alone(tmp_path: Path) -> None:
    path = keep("one\x1b", tmp_path / "new" / "folder")
    assert path.read_text(encoding="utf-8") == "one␛"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keep("two", tmp_path / "new" / "folder") == path
    assert path.read_text(encoding="utf-8") == "two"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TranscriptError, match="Cannot make the folder"):
        keep("one", tmp_path / "file" / "folder")
