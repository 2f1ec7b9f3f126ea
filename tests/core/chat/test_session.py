"""One chat without a screen: what is asked, what is saved, what is remembered."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.chat.session import ChatSession, Draft
from logit_amp_chat.core.protocol import SetAlpha, SetSampling, Stop
from logit_amp_chat.core.records import Finish, Keep, Message
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.tui.chat_driver import Engines, answer, demo_profile, make_session, requests, types


def test_nothing_is_written_before_the_first_message(session: ChatSession, tmp_path: Path) -> None:
    assert session.saved.recorder.path is None
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
    assert session.live.has_updates


def test_a_message_waits_for_the_models(tmp_path: Path, engines: Engines) -> None:
    session = make_session(tmp_path, engines)
    session.live.load()
    session.submit("Hi")
    assert session.awaiting_models
    assert types(session) == ["message"]
    assert not requests(engines.last)
    engines.last.load()
    session.drain()
    assert [m.text for m in requests(engines.last)[0].messages] == ["Hi"]


def test_a_second_message_waits_for_the_first_reply(session: ChatSession, engines: Engines) -> None:
    session.submit("one")
    session.submit("two")
    assert session.queued == [Draft("two")]
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


def test_alphas_that_agree_in_six_digits_are_lanes_of_their_own(
    session: ChatSession, engines: Engines
) -> None:
    session.compared_alphas = (12.345671, 12.345672)
    session.comparing = True
    session.submit("Hi")
    lanes = requests(engines.last)[0].lanes
    assert [lane.alpha for lane in lanes] == [12.345671, 12.345672, 1.0]
    assert len({lane.name for lane in lanes}) == 3


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
    assert request.prompt == first.reply.prompt, "what differs would not be due to α"
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
    session.saved.keep(before.id)
    answer(session, engines, "two")
    assert requests(engines.last)[-1].messages[1].text == before.text
    path = session.saved.recorder.path
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
    session.live.load()
    engines.last.load()
    session.drain()
    session.submit("Hi")
    assert [m.role for m in requests(engines.last)[0].messages] == ["system", "user"]


def test_stop_asks_the_engine(session: ChatSession, engines: Engines) -> None:
    session.submit("Hi")
    engines.last.step()
    session.live.stop()
    session.drain()
    assert Stop() in engines.last.commands
    assert session.state == "ready"
    assert session.conversation.last_reply().finish.reason == "cancelled"  # type: ignore[union-attr]


def test_a_dying_engine_leaves_a_finish_and_a_conversation(
    session: ChatSession, engines: Engines
) -> None:
    session.submit("Hi")
    engines.last.step(4)
    engines.last.fail("The engine process died.", fatal=True)
    session.drain()
    assert session.state == "failed"
    log = session.conversation.last_reply()
    assert log is not None
    assert log.finish is not None
    assert (log.finish.reason, log.finish.tokens) == ("error", 4)
    assert types(session)[-1] == "finish"
    session.live.load()
    engines.last.load()
    session.drain()
    answer(session, engines, "go on")
    assert requests(engines.last)[0].messages[-1].text == "go on"


def test_a_fatal_failure_is_told_once(session: ChatSession, engines: Engines) -> None:
    engines.last.fail("There is no model x.", fatal=True)
    engines.last.fail("The engine process died (exit code 1).", fatal=True)
    assert len(session.drain()) == 1


def test_closing_finishes_the_reply_in_the_file(session: ChatSession, engines: Engines) -> None:
    session.submit("Hi")
    engines.last.step(4)
    path = session.saved.recorder.path
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
    session.live.load()
    old.step(2)
    assert old.closed
    assert types(session).count("step") == 0


def test_a_chat_keeps_its_moment_through_reloads_and_a_new_one_has_its_own(
    session: ChatSession, engines: Engines
) -> None:
    """A template may write the time, and the same turn must not be asked at two moments."""
    answer(session, engines, "Hi")
    began = session.conversation.began
    session.live.load()
    engines.last.opened_at = "2031-01-01T00:00:00+00:00"
    engines.last.load()
    session.drain()
    session.regenerate()
    assert began is not None
    assert [request.time for request in requests(engines.last)] == [began]
    session.saved.start_new()
    assert session.conversation.began is None
