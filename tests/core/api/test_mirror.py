"""From Python: what is saved while a mirror is open is elsewhere when it ends."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from logit_amp_chat import UsageError, mirror
from logit_amp_chat.core.api.mirror import (
    TRIAL,
    VARIABLE,
    chosen_target,
    is_on_the_disk_of,
    trial,
)
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.transcripts.mirror_target import (
    CommandTarget,
    FolderTarget,
    MirrorError,
    mirror_target,
)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the user's settings, in a folder of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)
    path = tmp_path / "config" / "logit-amp-chat" / "settings.yaml"
    path.parent.mkdir(parents=True)
    return path


def test_what_is_saved_is_copied(tmp_path: Path) -> None:
    with mirror(str(tmp_path / "there")):
        write_atomically(tmp_path / "page.html", "a page")
    (copy,) = (tmp_path / "there").glob("*/page.html")
    assert copy.read_text() == "a page"
    write_atomically(tmp_path / "later.html", "another")
    assert not any((tmp_path / "there").glob("*/later.html"))


def test_what_could_not_be_copied_is_a_warning(tmp_path: Path) -> None:
    said = pytest.warns(UserWarning, match=r"NOT MIRRORED: .*page\.html.* exit code 1")
    with said, mirror("false"):
        write_atomically(tmp_path / "page.html", "a page")


def test_named_here_goes_before_the_environment_and_that_before_settings(
    tmp_path: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(named: str | None = None) -> Path | None:
        target = chosen_target(named)
        assert target is None or isinstance(target, FolderTarget)
        return target.folder if target else None

    assert chosen() is None
    settings.write_text("mirror: ./beside\n")
    assert chosen() == settings.parent / "beside"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "environment"))
    assert chosen() == tmp_path / "environment"
    assert chosen(str(tmp_path / "named")) == tmp_path / "named"
    assert chosen("off") is None


def test_settings_that_are_wrong_are_an_error(settings: Path) -> None:
    settings.write_text("mirror: no-such-program x\n")
    with pytest.raises(UsageError, match="Cannot mirror to no-such-program"), mirror():
        pass


def test_a_trial(tmp_path: Path) -> None:
    assert trial(FolderTarget(tmp_path / "there")) == ""
    assert [path.name for path in (tmp_path / "there").iterdir()] == [TRIAL]
    failing = mirror_target("false", tmp_path)
    assert failing is not None
    assert trial(failing) == "Cannot mirror with false: it ended with exit code 1."


def test_a_trial_ends_whatever_the_target_does() -> None:
    class Deaf:
        title = "deaf"

        def send(self, path: Path, name: str, stop: threading.Event) -> None:
            stop.wait(60)
            raise MirrorError("It was stopped.")

    began = time.monotonic()
    assert trial(Deaf(), seconds=0.05) == "It was stopped."
    sleeping = CommandTarget(["sh", "-c", "exec sleep 60", "{file}"])
    assert trial(sleeping, 0.05) == "Cannot mirror with sh: it was not done in time."
    assert time.monotonic() - began < 10


def test_a_folder_on_the_same_disk_is_told_apart(tmp_path: Path) -> None:
    assert is_on_the_disk_of(tmp_path / "chats", FolderTarget(tmp_path / "new" / "there"))
    assert not is_on_the_disk_of(tmp_path, FolderTarget(Path("/proc/x")))
    assert not is_on_the_disk_of(tmp_path, CommandTarget(["true"]))
