"""Without a home or a temporary folder everything works, in a folder that is named."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from logit_amp_chat.core.config import folders
from logit_amp_chat.core.config.folders import (
    ensure_home,
    ensure_temporary_folder,
    makeshift_home,
    temporary_folder,
)
from logit_amp_chat.core.config.named_pair import pair_profile
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.transcripts.recorder import Recorder
from logit_amp_chat.core.transcripts.writer import default_folder
from logit_amp_chat.tui.commands import main as cli


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process without HOME, under a user id that passwd does not list; the working directory."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, "")  # so that what is set later is taken back
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(folders, "_makeshift", None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_home_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ensure_home()
    assert (os.environ["HOME"], makeshift_home()) == (str(tmp_path), None)


def test_without_one_the_working_directory_is_home(homeless: Path) -> None:
    ensure_home()
    assert makeshift_home() == Path.home() == homeless
    assert default_folder().is_relative_to(homeless)


def test_the_root_folder_is_no_home(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path("/"))
    ensure_home()
    assert Path.home() == homeless


def test_the_files_of_the_working_directory_are_no_settings(homeless: Path) -> None:
    ensure_home()
    assert os.environ["XDG_CONFIG_HOME"] == "/etc/xdg"


def test_where_the_working_directory_cannot_be_written_the_temporary_folder_is_home(
    homeless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = homeless / "tmp"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == temporary)
    ensure_home()
    assert Path.home() == temporary


@pytest.fixture
def nothing_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only what TMPDIR names can be written; a folder that can."""

    def named() -> list[str]:
        return [os.environ["TMPDIR"]] if os.environ["TMPDIR"] == str(tmp_path) else []

    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", named)
    return tmp_path


def test_without_a_temporary_folder_shared_memory_is_one(
    nothing_temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "SHARED_MEMORY", nothing_temporary)
    ensure_temporary_folder()
    assert temporary_folder() == nothing_temporary


def test_without_shared_memory_it_is_the_home_folder(
    nothing_temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(nothing_temporary))
    ensure_temporary_folder()
    assert temporary_folder() == nothing_temporary


def test_without_either_a_pair_is_refused_in_one_sentence(
    nothing_temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    ensure_temporary_folder()
    with pytest.raises(PairError, match=r"no folder for temporary files.*Set TMPDIR"):
        load_pair(pair_profile("org/before", "org/after"))


def test_a_chat_says_where_it_is_saved(homeless: Path) -> None:
    ensure_home()
    told: list[str] = []
    recorder = Recorder(default_folder(), lambda error: told.append(str(error)))
    recorder.append(Message(id="m", parent=None, role="user", text="Hi"))
    recorder.begin()
    recorder.close()
    assert told == [f"There is no home folder. This chat is saved in {default_folder()}."]
    assert list(default_folder().iterdir())


def test_commands_work(homeless: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["profiles"]) == 0
    assert "demo" in capsys.readouterr().out
