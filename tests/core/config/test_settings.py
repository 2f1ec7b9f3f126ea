"""settings.yaml says what it may contain, and where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.config.settings import Settings, read_settings
from logit_amp_chat.core.errors import UsageError


def read(folder: Path, text: str) -> Settings:
    path = folder / "settings.yaml"
    path.write_text(text)
    return read_settings(path)


def test_without_a_file_or_with_an_empty_one(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "settings.yaml").mirror is None
    assert read(tmp_path, "# nothing\n").mirror is None


def test_a_mirror(tmp_path: Path) -> None:
    command = "rclone copyto {file} remote:chats/{name}"
    assert read(tmp_path, f"mirror: {command}\n").mirror == command


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("miror: /mnt", "line 1, key miror: unknown key; .*did you mean mirror?"),
        ("\nmirror: 3", "line 2, key mirror: expected a folder, or a command .*, found 3"),
        ("mirror: [a, b]", "line 1, key mirror: expected a folder, .*found a list"),
        ("mirror: ''", "key mirror: expected a folder"),
        ("/mnt/chats", "expected lines such as mirror: /mnt/chats"),
        ("mirror: [", "not readable as YAML"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"settings.yaml.*{said}"):
        read(tmp_path, text)


def test_a_command_with_a_colon_and_a_blank_wants_quotes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 1: not readable as YAML") as caught:
        read(tmp_path, "mirror: rclone copyto {file} remote: {name}\n")
    assert "in quotes" in caught.value.remedy
