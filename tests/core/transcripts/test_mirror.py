"""What is written reaches the target in the background, and nobody waits for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from logit_amp_chat.core.records import Message, Note
from logit_amp_chat.core.transcripts import mirror as module
from logit_amp_chat.core.transcripts.mirror import Mirror, Mirrored, Unmirrored
from logit_amp_chat.core.transcripts.mirror_target import FolderTarget, MirrorError
from logit_amp_chat.core.transcripts.writer import Transcript

SECONDS = 20.0


class Target:
    """A target in memory, which can be told to fail or to hang."""

    title = "memory"

    def __init__(self) -> None:
        self.got: dict[str, bytes] = {}
        self.attempts = 0
        self.trouble = ""
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def send(self, path: Path, name: str, stop: threading.Event) -> None:
        self.attempts += 1
        content = path.read_bytes()
        while not self.may_go_on.wait(0.01):
            if stop.is_set():
                raise MirrorError("It was stopped.")
        if self.trouble:
            raise MirrorError(self.trouble)
        self.got[name] = content


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.005)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_SECONDS", "QUIET_SECONDS"):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(module, "PAUSES", (0.02, 0.04))


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def mirror(target: Target, tmp_path: Path) -> Iterator[Mirror]:
    mirror = Mirror(target, [tmp_path])
    yield mirror
    target.may_go_on.set()
    mirror.close()


@pytest.fixture
def chat(mirror: Mirror, tmp_path: Path) -> Iterator[Transcript]:
    transcript = Transcript.create(tmp_path / "chats")
    yield transcript
    transcript.close()


def message(text: str) -> Message:
    return Message(id=f"m-{text}", parent=None, role="user", text=text)


def has_all(target: Target, chat: Transcript) -> bool:
    return target.got.get(f"chats/{chat.path.name}") == chat.path.read_bytes()


def test_what_is_written_arrives(chat: Transcript, target: Target) -> None:
    for text in ("one", "two"):
        chat.append(message(text))
        until(lambda: has_all(target, chat))


def test_what_was_not_written_to_is_not_touched(
    mirror: Mirror, target: Target, tmp_path: Path
) -> None:
    """Opening another program's file, or one that is no transcript, gives it to nobody."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear")
    Transcript.reopen(path).abandon()
    assert mirror.finish(SECONDS)
    assert target.got == {}


def test_a_chat_that_goes_on_arrives_whole(target: Target, tmp_path: Path) -> None:
    """What was written before there was a mirror comes along."""
    with contextlib.closing(Transcript.create(tmp_path)) as earlier:
        earlier.append(message("one"))
    mirror = Mirror(target, [tmp_path])
    chat, _ = Transcript.resume(earlier.path)
    with contextlib.closing(chat):
        chat.append(message("two"))
        until(lambda: target.got.get(chat.path.name) == chat.path.read_bytes())
    mirror.close()


def test_the_folder_of_an_unknown_file_tells_it_from_others(
    mirror: Mirror, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for folder in (tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")):
        (folder / "out").mkdir()
        (folder / "out" / "sweep.jsonl").write_text("{}\n")
        mirror.watch(folder / "out" / "sweep.jsonl")
    until(lambda: len(target.got) == 2)
    names = {name.partition("-")[0] for name in target.got}
    assert names == {"out"}
    assert all(name.endswith("/sweep.jsonl") for name in target.got)


def test_while_the_target_hangs_the_writer_goes_on_and_the_newest_wins(
    chat: Transcript, target: Target, mirror: Mirror
) -> None:
    target.may_go_on.clear()
    chat.append(message("one"))
    until(lambda: target.attempts == 1)
    for number in range(100):
        chat.append(Note(about="m-one", text=str(number)))
    assert target.attempts == 1, "one at a time"
    target.may_go_on.set()
    until(lambda: has_all(target, chat))
    assert target.attempts == 2


def test_a_file_that_never_rests_is_sent_too(
    chat: Transcript, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 1000.0)
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    chat.append(message("one"))
    until(lambda: has_all(target, chat))


def test_a_failure_is_said_once_and_its_end_takes_it_back(
    chat: Transcript, target: Target, mirror: Mirror
) -> None:
    target.trouble = "Cannot mirror: no route."
    chat.append(message("one"))
    until(lambda: target.attempts >= 3)
    said = list(mirror.take_news())
    assert [one.message for one in said if isinstance(one, Unmirrored)] == [target.trouble]
    assert len(said) == 1
    assert mirror.failure == said[0]
    assert mirror.last_success is None
    target.trouble = ""
    until(lambda: has_all(target, chat) and mirror.failure is None)
    assert list(mirror.take_news()) == [Mirrored(said[0])]
    assert mirror.last_success is not None


class Clock:
    """A clock that stands still; counts how often it was asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        return self.now

    def pass_by(self) -> None:
        """Wait until the mirror has looked at it several times."""
        enough = self.asked + 5
        until(lambda: self.asked >= enough)


def test_pauses_grow(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", (2.0, 4.0, 60.0))
    monkeypatch.setattr(module, "time", clock := Clock())
    target.trouble = "no"
    mirror = Mirror(target, [tmp_path])
    with contextlib.closing(Transcript.create(tmp_path)) as chat:
        chat.append(message("one"))
        clock.pass_by()
        clock.now = 10.0
        for attempts, pause in enumerate((2.0, 4.0, 60.0, 60.0), 1):
            until(partial(has_tried, target, attempts))
            clock.pass_by()
            clock.now += pause - 0.1
            clock.pass_by()
            assert target.attempts == attempts, "not before the pause is over"
            clock.now += 0.2
        target.trouble = ""
        assert mirror.finish(SECONDS), "at the end it is tried at once"
        assert mirror.close() == ()


def has_tried(target: Target, times: int) -> bool:
    return target.attempts == times


def test_the_end_sends_what_is_new(chat: Transcript, target: Target, mirror: Mirror) -> None:
    chat.append(message("one"))
    assert mirror.finish(SECONDS)
    assert mirror.close() == ()
    assert has_all(target, chat)


def test_the_end_waits_for_a_while_and_says_what_is_left(
    chat: Transcript, target: Target, mirror: Mirror
) -> None:
    target.may_go_on.clear()
    chat.append(message("one"))
    assert not mirror.finish(0.05)
    assert mirror.close() == (chat.path,)


def test_at_the_end_what_fails_is_tried_once(
    chat: Transcript, target: Target, mirror: Mirror
) -> None:
    target.trouble = "no"
    chat.append(message("one"))
    until(lambda: mirror.failure is not None)
    assert mirror.finish(SECONDS)
    assert mirror.close() == (chat.path,)


def test_a_chat_that_was_deleted_is_left_at_the_target(
    chat: Transcript, target: Target, mirror: Mirror
) -> None:
    chat.append(message("one"))
    until(lambda: has_all(target, chat))
    chat.append(message("two"))
    chat.path.unlink()
    assert mirror.finish(SECONDS)
    assert mirror.close() == ()
    assert list(target.got) == [f"chats/{chat.path.name}"]


def test_a_target_that_comes_back(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.write_text("in the way")
    mirror = Mirror(FolderTarget(place), [tmp_path])
    transcript = Transcript.create(tmp_path / "chats")
    transcript.append(message("one"))
    until(lambda: mirror.failure is not None)
    place.unlink()
    until(lambda: mirror.failure is None)
    transcript.close()
    assert mirror.close() == ()
    assert (place / "chats" / transcript.path.name).read_bytes() == transcript.path.read_bytes()
