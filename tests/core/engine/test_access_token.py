"""A server's token is in a file that nobody else can read, or in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.engine.access_token import VARIABLE, given_token, made_token
from logit_amp_chat.core.errors import LogitAmpError, UsageError

TOKEN = "0123456789abcdef"


def test_a_file_is_read_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)

    assert given_token(file, {VARIABLE: "f" * 20}) == TOKEN
    assert given_token(None, {VARIABLE: "f" * 20}) == "f" * 20
    assert given_token(None, {}) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(mode)

    with pytest.raises(UsageError, match=r"Others can read .* chmod 600"):
        given_token(file, {})


@pytest.mark.parametrize("text", ["", "short", "with a space in the middle", "é" * 20])
def test_what_is_no_token_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(0o600)

    with pytest.raises(UsageError, match="holds no token"):
        given_token(file, {})
    with pytest.raises(UsageError, match="holds no token"):
        given_token(None, {VARIABLE: text})


def test_a_token_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "token"

    token = made_token(file)

    assert made_token(file) == token == given_token(file, {})
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(token) >= 32


def test_a_token_that_cannot_be_saved_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LogitAmpError, match="cannot be saved"):
        made_token(tmp_path / "file" / "token")
    with pytest.raises(UsageError, match="cannot be read"):
        given_token(tmp_path / "none", {})
