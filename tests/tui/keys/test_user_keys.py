"""A user's own keys: used everywhere, and refused with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.tui.app import ChatApp
from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.keys.user_keys import read_keymap
from tests.tui.chat_driver import Engines, make_session, text_of, until


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.yaml"
    path.write_text(text)
    return path


def test_without_a_file_the_keys_are_the_usual_ones(tmp_path: Path) -> None:
    assert read_keymap(tmp_path / "none.yaml") == {}
    assert read_keymap(written(tmp_path, "# nothing yet\n")) == {}


def test_one_key_or_several_letters_and_punctuation(tmp_path: Path) -> None:
    path = written(tmp_path, "alpha_up: f12\nkeep: [K, '%']\nalpha_one: 2\n")
    assert read_keymap(path) == {"alpha_up": "f12", "keep": "K,percent_sign", "alpha_one": "2"}


def test_two_actions_may_change_places(tmp_path: Path) -> None:
    path = written(tmp_path, "alpha_up: f2\nalpha_down: f3\n")
    assert read_keymap(path) == {"alpha_up": "f2", "alpha_down": "f3"}


def test_a_former_name_stays_readable(tmp_path: Path) -> None:
    path = written(tmp_path, "sweep: f12\n")
    assert read_keymap(path) == {"compare_alphas": "f12"}


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ("- f1\n", 1, "", "expected lines such as alpha_up: f9"),
        ("alpha_up: f12\nalhpa_down: f11\n", 2, "alhpa_down", "did you mean alpha_down?"),
        ("zebra: f11\n", 1, "zebra", "docs/keys.md lists them all"),
        ("quit: ctrl+i\n", 1, "quit", "ctrl+i arrives as tab"),
        ("quit: meta-q\n", 1, "quit", "meta-q is no key"),
        ("quit: true\n", 1, "quit", "True is no key"),
        ("quit: q\n", 1, "quit", "q is needed for writing"),
        ("quit: []\n", 1, "quit", "no key; leave the line out"),
        ("help: f10\n", 1, "help", "f10 is already the key of quit"),
        ("alpha_up: f12\nkeep: e\n", 2, "keep", "e is already the key of edit"),
        ("keep: j\nsweep: e\n", 2, "sweep", "e is already the key of edit"),
        ("sweep: ctrl+i\n", 1, "sweep", "ctrl+i arrives as tab"),
        ("sweep: x\ncompare_alphas: z\n", 2, "compare_alphas", "the same action as sweep"),
        ("quit: f12\nquit: f11\n", 2, "quit", "the key is there twice"),
    ],
)
def test_mistakes_name_file_line_and_key(
    tmp_path: Path, text: str, line: int, key: str, problem: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_keymap(path)
    message = caught.value.message
    assert message.startswith(f"{path}, line {line}")
    assert not key or f"key {key}:" in message
    assert problem in message
    assert message[-1] in ".?"
    assert "?." not in message


def test_every_mistake_is_said_on_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, "quit: ctrl+i\nalpha_up: f12\nzebra: f11\n")
    with pytest.raises(UsageError) as caught:
        read_keymap(path)
    message = caught.value.message
    assert message.startswith(
        f"{path}, line 1, key quit: ctrl+i arrives as tab on a plain terminal."
    )
    assert "terminal. Line 3, key zebra: no action of that name" in message
    path.write_text("keep: e\nalpha_one: r\n")
    with pytest.raises(UsageError, match=r"e is already the key of edit.*r is already the key of"):
        read_keymap(path)


async def test_own_keys_act_and_stand_in_footer_and_help(tmp_path: Path) -> None:
    engines = Engines()
    path = written(tmp_path, "alpha_up: ctrl+k\ncompare_letter: j\n")
    app = ChatApp(make_session(tmp_path, engines), path)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, ChatScreen)
        await until(pilot, lambda: engines.made and engines.last.profile is not None)
        engines.last.load()
        screen.take_frame()
        await pilot.press("ctrl+k", "f3")
        assert app.session.alpha == 1.1, "the usual key has no meaning any more"
        assert "ctrl+k α+" in text_of(screen.view.keys)
        await pilot.press("escape", "j")
        assert app.session.comparing
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not screen)


async def test_a_file_that_cannot_be_used_is_said_and_the_usual_keys_act(tmp_path: Path) -> None:
    engines = Engines()
    app = ChatApp(make_session(tmp_path, engines), written(tmp_path, "quit: q\n"))
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, ChatScreen)
        await until(pilot, lambda: screen.view.notice.entries)
        assert "line 1, key quit" in screen.view.notice.entries[0][0]
        await pilot.press("f3")
        assert app.session.alpha == 1.1
