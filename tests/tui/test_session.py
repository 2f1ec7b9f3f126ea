"""One chat without a screen: what is asked, what is saved, what is remembered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.events import Forget, Request, SetAlpha, SetSampling, Stop
from core.records import Finish, Keep, Message, Reply, Session, Step
from core.transcript import read_records
from tests.tui.chat_driver import Engines, demo_profile, make_session
from tests.tui.fake_engine import FakeEngine
from tui.engine_link import Unsaved
from tui.session import ChatSession


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture
def session(tmp_path: Path, engines: Engines) -> ChatSession:
    session = make_session(tmp_path, engines)
    session.load()
    engines.last.load()
    session.drain()
    return session


def requests(engine: FakeEngine) -> list[Request]:
    return [command for command in engine.commands if isinstance(command, Request)]


def answer(session: ChatSession, engines: Engines, text: str) -> None:
    session.submit(text)
    engines.last.finish()
    session.drain()


def types(session: ChatSession) -> list[str]:
    assert session.recorder.path is not None
    return [record.type for record in read_records(session.recorder.path)]


def test_nothing_is_written_before_the_first_message(session: ChatSession, tmp_path: Path) -> None:
    assert session.recorder.path is None
    assert not list(tmp_path.glob("*.jsonl"))


def test_everything_is_saved_in_order(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "Hi")
    kinds = types(session)
    assert kinds[:3] == ["session", "message", "reply"]
    assert kinds[-1] == "finish"
    assert set(kinds[3:-1]) == {"step"}


def test_the_message_is_saved_before_it_is_sent(session: ChatSession, engines: Engines) -> None:
    seen: list[list[str]] = []
    engine = engines.last
    engine.send = lambda command: seen.append(types(session))  # type: ignore[method-assign]
    session.submit("Hi")
    assert seen == [["session", "message"]]


def test_steps_are_saved_before_the_screen_asks_for_them(
    session: ChatSession, engines: Engines
) -> None:
    session.submit("Hi")
    engines.last.step(3)
    assert types(session).count("step") == 3
    assert session.pending


def test_a_message_waits_for_the_models(tmp_path: Path, engines: Engines) -> None:
    session = make_session(tmp_path, engines)
    session.load()
    session.submit("Hi")
    assert session.awaiting
    assert types(session) == ["message"]
    assert not requests(engines.last)
    engines.last.load()
    session.drain()
    assert [m.text for m in requests(engines.last)[0].messages] == ["Hi"]


def test_a_second_message_waits_for_the_first_reply(session: ChatSession, engines: Engines) -> None:
    session.submit("one")
    session.submit("two")
    assert session.waiting == ["two"]
    engines.last.finish()
    session.drain()
    asked = requests(engines.last)[-1].messages
    assert [m.role for m in asked] == ["user", "assistant", "user"]
    assert asked[-1].text == "two"


def test_the_history_holds_the_replies(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    answer(session, engines, "two")
    request = requests(engines.last)[-1]
    assert request.turn == 1
    assert request.messages[1].text.startswith("Otters are wonderful!")
    assert "<|end|>" not in request.messages[1].text


def test_alpha_reaches_a_running_reply(session: ChatSession, engines: Engines) -> None:
    session.submit("Hi")
    session.set_alpha(2.5)
    reply = requests(engines.last)[0].lanes[0].reply
    assert engines.last.commands[-1] == SetAlpha(reply, 2.5)
    engines.last.finish()
    session.drain()
    session.set_alpha(3)
    assert not isinstance(engines.last.commands[-1], SetAlpha) or session.state == "ready"
    answer(session, engines, "again")
    assert requests(engines.last)[-1].lanes[0].alpha == 3


def test_sampling_reaches_a_running_reply(session: ChatSession, engines: Engines) -> None:
    session.submit("Hi")
    hot = session.sampling.model_copy(update={"temperature": 2.0})
    session.set_sampling(hot)
    assert engines.last.commands[-1] == SetSampling(hot)
    assert "change" in types(session)


def test_comparing_asks_for_three_lanes(session: ChatSession, engines: Engines) -> None:
    session.comparing = True
    session.submit("Hi")
    lanes = requests(engines.last)[0].lanes
    assert [(lane.name, lane.alpha) for lane in lanes] == [
        ("before", -1.0),
        ("after", 0.0),
        ("amplified", 1.0),
    ]


def test_missing_lanes_are_asked_with_the_same_seed(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    answer(session, engines, "two")
    first = session.conversation.replies_to(session.conversation.thread()[0].id)[0]
    session.sampling = session.sampling.model_copy(update={"seed": 9})
    assert session.complete_lanes(first)
    request = requests(engines.last)[-1]
    assert [lane.name for lane in request.lanes] == ["before", "after"]
    assert request.sampling == first.reply.sampling
    assert (request.turn, request.parent) == (first.reply.turn, first.reply.parent)
    leaf = session.conversation.leaf
    engines.last.finish()
    session.drain()
    assert list(session.lanes_of(first)) == ["before", "after", "amplified"]
    assert session.conversation.leaf == leaf
    assert not session.complete_lanes(first)


def test_keep_makes_a_lane_the_history(session: ChatSession, engines: Engines) -> None:
    session.comparing = True
    answer(session, engines, "one")
    before = session.conversation.replies_to(session.conversation.thread()[0].id)[0]
    session.keep(before.id)
    answer(session, engines, "two")
    assert requests(engines.last)[-1].messages[1].text == before.text
    path = session.recorder.path
    assert path is not None
    assert Keep(reply=before.id) in read_records(path)


def test_regenerate_takes_a_new_seed_and_the_same_parent(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "Hi")
    for seed in (1, 2):
        assert session.regenerate()
        engines.last.finish()
        session.drain()
        assert requests(engines.last)[-1].sampling.seed == seed
    parents = {request.parent for request in requests(engines.last)}
    assert len(parents) == 1
    assert session.conversation.last_reply() is not None
    assert session.conversation.last_reply().reply.seed == 2  # type: ignore[union-attr]


def test_edit_makes_a_sibling(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    answer(session, engines, "two")
    assert session.edit() == "two"
    answer(session, engines, "zwei")
    messages = {m.text: m for m in session.conversation.messages.values()}
    assert messages["zwei"].parent == messages["two"].parent
    shown = [m.text for m in session.conversation.thread() if isinstance(m, Message)]
    assert shown == ["one", "zwei"]


def test_a_system_prompt_comes_first_and_only_the_last_one_counts(
    session: ChatSession, engines: Engines
) -> None:
    session.system = "Be brief."
    answer(session, engines, "one")
    session.system = "Be long."
    answer(session, engines, "two")
    messages = requests(engines.last)[-1].messages
    assert [(m.role, m.text) for m in messages if m.role != "assistant"] == [
        ("system", "Be long."),
        ("user", "one"),
        ("user", "two"),
    ]
    session.system = None
    answer(session, engines, "three")
    assert all(m.role != "system" for m in requests(engines.last)[-1].messages)


def test_regenerate_under_another_system_prompt_says_so_in_the_file(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "one")
    session.system = "Be brief."
    assert session.regenerate()
    assert [m.text for m in requests(engines.last)[-1].messages] == ["Be brief.", "one"]


def test_a_profile_s_system_prompt_is_used(tmp_path: Path, engines: Engines) -> None:
    session = make_session(tmp_path, engines, demo_profile(system="You are an otter."))
    session.load()
    engines.last.load()
    session.drain()
    session.submit("Hi")
    assert [m.role for m in requests(engines.last)[0].messages] == ["system", "user"]


def test_stop_asks_the_engine(session: ChatSession, engines: Engines) -> None:
    session.submit("Hi")
    engines.last.step()
    session.stop()
    session.drain()
    assert Stop() in engines.last.commands
    assert session.state == "ready"
    assert session.conversation.last_reply().finish.reason == "cancelled"  # type: ignore[union-attr]


def test_a_dying_engine_leaves_a_finish_and_a_conversation(
    session: ChatSession, engines: Engines
) -> None:
    session.submit("Hi")
    engines.last.step(4)
    engines.last.fail("The engine process was ended.", fatal=True)
    session.drain()
    assert session.state == "failed"
    log = session.conversation.last_reply()
    assert log is not None
    assert log.finish is not None
    assert (log.finish.reason, log.finish.tokens) == ("error", 4)
    assert types(session)[-1] == "finish"
    session.load()
    engines.last.load()
    session.drain()
    answer(session, engines, "go on")
    assert requests(engines.last)[0].messages[-1].text == "go on"


def test_a_fatal_failure_is_told_once(session: ChatSession, engines: Engines) -> None:
    engines.last.fail("There is no model x.", fatal=True)
    engines.last.fail("The engine process was ended with code 1.", fatal=True)
    assert len(session.drain()) == 1


def test_closing_finishes_the_reply_in_the_file(session: ChatSession, engines: Engines) -> None:
    session.submit("Hi")
    engines.last.step(4)
    path = session.recorder.path
    session.close()
    assert path is not None
    last = read_records(path)[-1]
    assert isinstance(last, Finish)
    assert last.reason == "cancelled"
    assert engines.last.closed


def test_an_engine_that_was_replaced_is_not_listened_to(
    session: ChatSession, engines: Engines
) -> None:
    session.submit("Hi")
    old = engines.last
    session.load()
    old.step(2)
    assert old.closed
    assert types(session).count("step") == 0


def test_resume_goes_on_in_the_same_file(tmp_path: Path, engines: Engines) -> None:
    first = make_session(tmp_path, engines)
    first.load()
    engines.last.load()
    first.drain()
    first.set_alpha(2.0)
    first.system = "Be brief."
    answer(first, engines, "one")
    path = first.recorder.path
    assert path is not None
    first.close()

    again = make_session(tmp_path, engines)
    assert again.resume(path) is None
    assert (again.alpha, again.system) == (2.0, "Be brief.")
    again.load()
    engines.last.load()
    again.drain()
    answer(again, engines, "two")
    assert again.recorder.path == path
    records = read_records(path)
    assert [r.text for r in records if isinstance(r, Message)] == ["Be brief.", "one", "two"]
    assert sum(isinstance(r, Session) for r in records) == 2
    assert [len([m for m in r.messages if m.role == "user"]) for r in requests(engines.last)] == [2]


def test_resume_names_the_pair_it_was_made_with(tmp_path: Path, engines: Engines) -> None:
    other = make_session(tmp_path, engines, demo_profile(name="x", before={"model": "other"}))
    other.load()
    engines.last.load()
    other.drain()
    answer(other, engines, "one")
    path = other.recorder.path
    assert path is not None
    other.close()
    session = make_session(tmp_path, engines)
    profile = session.resume(path)
    assert profile is not None
    assert profile.name == "x"


def test_a_saved_chat_of_a_stranger_runs_no_code(tmp_path: Path, engines: Engines) -> None:
    pair = {"before": {"model": "evil/repository"}, "trust_remote_code": True}
    stranger = make_session(tmp_path, engines, demo_profile(name="x", **pair))
    stranger.load()
    engines.last.load()
    stranger.drain()
    answer(stranger, engines, "one")
    path = stranger.recorder.path
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
    first = session.recorder.path
    session.new_chat()
    assert session.conversation.thread() == []
    answer(session, engines, "two")
    assert session.recorder.path != first
    assert types(session)[0] == "session"


def test_a_folder_that_cannot_be_written_is_said_and_the_chat_goes_on(
    tmp_path: Path, engines: Engines
) -> None:
    (tmp_path / "file").write_text("")
    session = make_session(tmp_path / "file", engines)
    session.load()
    engines.last.load()
    session.drain()
    session.submit("Hi")
    engines.last.finish()
    updates = session.drain()
    assert len([update for update in updates if isinstance(update, Unsaved)]) == 1
    assert session.conversation.last_reply().text.startswith("Otters")  # type: ignore[union-attr]
    assert not session.recorder.saved


def test_records_wait_until_the_folder_can_be_written(tmp_path: Path, engines: Engines) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    session = make_session(blocker, engines)
    session.load()
    engines.last.load()
    session.drain()
    answer(session, engines, "one")
    blocker.unlink()
    answer(session, engines, "two")
    path = session.recorder.path
    assert path is not None
    records = read_records(path)
    assert [r.text for r in records if isinstance(r, Message)] == ["one", "two"]
    assert sum(isinstance(r, Reply) for r in records) == 2
    assert sum(isinstance(r, Step) for r in records) > 10


def test_the_command_line_beats_a_resumed_chat(tmp_path: Path, engines: Engines) -> None:
    first = make_session(tmp_path, engines)
    first.load()
    engines.last.load()
    first.drain()
    first.set_alpha(2.0)
    answer(first, engines, "one")
    path = first.recorder.path
    assert path is not None
    first.close()
    same = make_session(tmp_path, engines)
    same.resume(path)
    same.insist()
    assert same.alpha == 2.0
    same.close()
    told = make_session(tmp_path, engines, demo_profile(alpha=5.0))
    told.resume(path)
    told.insist()
    assert told.alpha == 5.0


def switch(session: ChatSession, engines: Engines, vocabulary: str) -> None:
    """Load another pair that has this vocabulary."""
    session.load(demo_profile(name="other", before={"model": "other/before"}))
    engines.last.vocabulary = vocabulary
    engines.last.load()
    session.drain()


def test_another_pair_of_the_same_vocabulary_keeps_the_conversation(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "one")
    path = session.recorder.path
    switch(session, engines, "words")
    answer(session, engines, "two")
    assert [m.text for m in requests(engines.last)[-1].messages if m.role == "user"] == [
        "one",
        "two",
    ]
    assert (session.recorder.path, session.parted_from) == (path, None)
    assert types(session).count("session") == 2


def test_another_vocabulary_begins_a_new_chat(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    path = session.recorder.path
    assert path is not None
    switch(session, engines, "other words")
    assert session.parted_from == path
    assert session.conversation.thread() == []
    answer(session, engines, "two")
    assert [m.text for m in requests(engines.last)[-1].messages] == ["two"]
    assert session.recorder.path != path
    assert [r.type for r in read_records(path)].count("session") == 1, "the old file stays whole"


def test_what_was_asked_while_another_vocabulary_loads_is_asked_in_the_new_chat(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "one")
    session.load(demo_profile(name="other"))
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
    assert session.parted_from is None


def test_siblings_notes_and_the_title_survive_a_restart(tmp_path: Path, engines: Engines) -> None:
    first = make_session(tmp_path, engines)
    first.load()
    engines.last.load()
    first.drain()
    answer(first, engines, "one")
    again = first.conversation.last_reply()
    assert again is not None
    first.regenerate()
    engines.last.finish()
    first.drain()
    first.note(again.id, "odd", 2)
    first.rename("Otters")
    first.turn_to(again)
    path = first.recorder.path
    assert path is not None
    first.close()
    second = make_session(tmp_path, engines)
    second.resume(path)
    log = second.conversation.last_reply()
    assert log is not None
    assert (log.id, log.notes, second.conversation.title) == (again.id, {2: "odd"}, "Otters")
    assert len(second.conversation.siblings(log)) == 2
