"""A chat without a screen and its files: resumed, begun anew, taken to another pair."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logit_amp_chat.core.chat.engine_link import Unsaved
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.settings import prefer_profile
from logit_amp_chat.core.protocol import Forget, Request
from logit_amp_chat.core.records import Message, Reply, Session, Step
from logit_amp_chat.core.transcripts.jsonl import read_records, to_line
from tests.core.read_texts import reading
from tests.tui.chat_driver import Engines, answer, demo_profile, make_session, requests, types


def test_resume_goes_on_in_the_same_file(tmp_path: Path, engines: Engines) -> None:
    first = make_session(tmp_path, engines)
    first.live.load()
    engines.last.load()
    first.drain()
    first.set_alpha(2.0)
    first.system = "Be brief."
    answer(first, engines, "one")
    path = first.saved.recorder.path
    assert path is not None
    first.close()

    again = make_session(tmp_path, engines)
    assert again.resume(path) is None
    assert (again.alpha, again.system) == (2.0, "Be brief.")
    again.live.load()
    engines.last.load()
    again.drain()
    answer(again, engines, "two")
    assert again.saved.recorder.path == path
    records = read_records(path)
    assert [r.text for r in records if isinstance(r, Message)] == ["Be brief.", "one", "two"]
    assert sum(isinstance(r, Session) for r in records) == 2
    assert [len([m for m in r.messages if m.role == "user"]) for r in requests(engines.last)] == [2]


def test_resume_names_the_pair_it_was_made_with(tmp_path: Path, engines: Engines) -> None:
    other = make_session(tmp_path, engines, demo_profile(name="x", before={"model": "other"}))
    other.live.load()
    engines.last.load()
    other.drain()
    answer(other, engines, "one")
    path = other.saved.recorder.path
    assert path is not None
    other.close()
    session = make_session(tmp_path, engines)
    profile = session.resume(path)
    assert profile is not None
    assert profile.name == "x"


def test_a_chat_that_begins_in_the_file_of_a_diff_leaves_it_as_it_is(
    tmp_path: Path, engines: Engines
) -> None:
    path = tmp_path / "read.jsonl"
    records = reading([("so ", 2.5), ("it", 0.0)])
    path.write_text("".join(to_line(record) + "\n" for record in records))
    session = make_session(tmp_path, engines)
    session.resume(path)
    session.live.load()
    engines.last.load()
    session.drain()
    answer(session, engines, "one")
    found = read_records(path)
    assert found[: len(records)] == records
    assert [r.text for r in found if isinstance(r, Message)] == ["one"]
    (request,) = requests(engines.last)
    assert [message.text for message in request.messages] == ["one"]


def test_a_saved_chat_of_a_stranger_runs_no_code(tmp_path: Path, engines: Engines) -> None:
    pair = {"before": {"model": "evil/repository"}, "trust_remote_code": True}
    stranger = make_session(tmp_path, engines, demo_profile(name="x", **pair))
    stranger.live.load()
    engines.last.load()
    stranger.drain()
    answer(stranger, engines, "one")
    path = stranger.saved.recorder.path
    assert path is not None
    stranger.close()
    profile = make_session(tmp_path, engines).resume(path)
    assert profile is not None
    assert profile.before.model == "evil/repository"
    assert profile.trust_remote_code is False


def test_a_new_chat_starts_from_empty_caches(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    session.new_chat()
    answer(session, engines, "two")
    kinds = [type(command) for command in engines.last.commands]
    assert kinds == [Request, Forget, Request]


def test_a_new_chat_takes_a_new_file(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    first = session.saved.recorder.path
    session.new_chat()
    assert session.conversation.thread() == []
    answer(session, engines, "two")
    assert session.saved.recorder.path != first
    assert types(session)[0] == "session"


def test_where_nothing_can_be_written_it_is_said_and_the_chat_goes_on(
    tmp_path: Path, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(file))
    monkeypatch.setattr("tempfile.tempdir", str(file))
    session = make_session(file, engines)
    session.live.load()
    engines.last.load()
    session.drain()
    session.submit("Hi")
    engines.last.finish()
    updates = session.drain()
    assert len([update for update in updates if isinstance(update, Unsaved)]) == 1
    assert session.conversation.last_reply().text.startswith("Otters")  # type: ignore[union-attr]
    assert not session.saved.recorder.saved


def test_records_wait_until_the_folder_can_be_written(tmp_path: Path, engines: Engines) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    session = make_session(blocker, engines)
    session.live.load()
    engines.last.load()
    session.drain()
    answer(session, engines, "one")
    blocker.unlink()
    answer(session, engines, "two")
    path = session.saved.recorder.path
    assert path is not None
    records = read_records(path)
    assert [r.text for r in records if isinstance(r, Message)] == ["one", "two"]
    assert sum(isinstance(r, Reply) for r in records) == 2
    assert sum(isinstance(r, Step) for r in records) > 10


def test_the_command_line_beats_a_resumed_chat(tmp_path: Path, engines: Engines) -> None:
    first = make_session(tmp_path, engines)
    first.live.load()
    engines.last.load()
    first.drain()
    first.set_alpha(2.0)
    answer(first, engines, "one")
    path = first.saved.recorder.path
    assert path is not None
    first.close()
    same = make_session(tmp_path, engines)
    same.resume(path)
    prefer_profile(same)
    assert same.alpha == 2.0
    same.close()
    told = make_session(tmp_path, engines, demo_profile(alpha=5.0))
    told.resume(path)
    prefer_profile(told)
    assert told.alpha == 5.0


def test_template_variables_are_sent_and_taken_over_where_a_chat_is_resumed(
    tmp_path: Path, engines: Engines
) -> None:
    first = make_session(tmp_path, engines, demo_profile(template={"thinking": False}))
    first.live.load()
    engines.last.load()
    first.drain()
    answer(first, engines, "one")
    first.live.template = {"thinking": True, "effort": "low"}
    answer(first, engines, "two")
    sent = [request.template for request in requests(engines.last)]
    assert sent == [{"thinking": False}, {"thinking": True, "effort": "low"}]
    path = first.saved.recorder.path
    assert path is not None
    first.close()
    resumed = make_session(tmp_path, engines, demo_profile(template={"thinking": False}))
    resumed.resume(path)
    prefer_profile(resumed)
    assert resumed.live.template == {"thinking": True, "effort": "low"}
    resumed.close()
    told = make_session(tmp_path, engines, demo_profile(template={"effort": "high"}))
    told.resume(path)
    prefer_profile(told)
    assert told.live.template == {"effort": "high"}


def switch(session: ChatSession, engines: Engines, vocabulary: str) -> None:
    """Load another pair that has this vocabulary."""
    session.live.load(demo_profile(name="other", before={"model": "other/before"}))
    engines.last.vocabulary = vocabulary
    engines.last.load()
    session.drain()


def test_another_pair_of_the_same_vocabulary_keeps_the_conversation(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "one")
    path = session.saved.recorder.path
    switch(session, engines, "words")
    answer(session, engines, "two")
    assert [m.text for m in requests(engines.last)[-1].messages if m.role == "user"] == [
        "one",
        "two",
    ]
    assert (session.saved.recorder.path, session.incompatible_chat) == (path, None)
    assert types(session).count("session") == 2


def test_another_vocabulary_begins_a_new_chat(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    path = session.saved.recorder.path
    assert path is not None
    switch(session, engines, "other words")
    assert session.incompatible_chat == path
    assert session.conversation.thread() == []
    answer(session, engines, "two")
    assert [m.text for m in requests(engines.last)[-1].messages] == ["two"]
    assert session.saved.recorder.path != path
    assert [r.type for r in read_records(path)].count("session") == 1, "the old file stays whole"


def test_what_was_asked_while_another_vocabulary_loads_is_asked_in_the_new_chat(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "one")
    session.live.load(demo_profile(name="other"))
    session.submit("two")
    engines.last.vocabulary = "other words"
    engines.last.load()
    session.drain()
    assert [m.text for m in requests(engines.last)[-1].messages] == ["two"]


def test_an_old_file_without_a_vocabulary_goes_on(session: ChatSession, engines: Engines) -> None:
    engines.last.vocabulary = None
    session.new_chat()
    answer(session, engines, "one")
    assert session.conversation.session is not None
    session.conversation.session = dataclasses.replace(
        session.conversation.session, vocabulary=None
    )
    switch(session, engines, "other words")
    assert session.incompatible_chat is None


def test_a_chat_begun_later_has_a_time_of_its_own(session: ChatSession, engines: Engines) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    answer(session, engines, "one")
    loaded = session.conversation.session
    session.new_chat()
    answer(session, engines, "two")
    assert session.saved.recorder.path is not None
    records = read_records(session.saved.recorder.path)
    (record,) = (one for one in records if isinstance(one, Session))
    assert loaded is not None
    assert dataclasses.replace(record, time=loaded.time) == loaded
    assert began <= datetime.fromisoformat(record.time) <= datetime.now(UTC)


def test_siblings_notes_and_the_title_survive_a_restart(tmp_path: Path, engines: Engines) -> None:
    first = make_session(tmp_path, engines)
    first.live.load()
    engines.last.load()
    first.drain()
    answer(first, engines, "one")
    again = first.conversation.last_reply()
    assert again is not None
    first.regenerate()
    engines.last.finish()
    first.drain()
    first.saved.note(again.id, "odd", 2)
    first.saved.rename("Otters")
    first.saved.switch_to(again.id)
    path = first.saved.recorder.path
    assert path is not None
    first.close()
    second = make_session(tmp_path, engines)
    second.resume(path)
    log = second.conversation.last_reply()
    assert log is not None
    assert (log.id, log.notes, second.conversation.title) == (again.id, {2: "odd"}, "Otters")
    assert len(second.conversation.siblings(log)) == 2
