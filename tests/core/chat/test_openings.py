"""The openings of a message: asked for level by level, saved, and remembered."""

from __future__ import annotations

import dataclasses

import pytest

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.openings import MessageOpenings
from logit_amp_chat.core.chat.prefix import Prefix
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.protocol import Idle
from logit_amp_chat.core.records import Opening
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.tui.chat_driver import Engines, answer, make_session
from tests.tui.fake_reading import token_id

HELLO, SURE = token_id("Hello"), token_id("Sure")


@pytest.fixture
def openings(session: ChatSession, engines: Engines) -> MessageOpenings:
    """Those of the one message of a chat, which is answered."""
    answer(session, engines, "Hi")
    message = session.conversation.last_user_message()
    assert message is not None
    return MessageOpenings(session, message.id)


def asked(engines: Engines) -> list[OpeningsRequest]:
    return [c for c in engines.last.commands if isinstance(c, OpeningsRequest)]


def saved(session: ChatSession) -> list[Opening]:
    assert session.saved.recorder.path is not None
    return [r for r in read_records(session.saved.recorder.path) if isinstance(r, Opening)]


def step(openings: MessageOpenings) -> None:
    """Take what the engine reported, and ask for what is missing."""
    openings.session.drain()
    openings.follow()


def test_the_first_level_is_asked_for_at_the_live_alpha(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.session.set_alpha(0.5)
    openings.follow()
    (request,) = asked(engines)
    assert (request.path, request.alpha) == ((), 0.5)
    assert [message.text for message in request.messages] == ["Hi"]
    step(openings)
    assert openings.alpha == 0.5
    level = openings.at(())
    assert level is not None
    assert HELLO in [candidate.id for candidate in level.top]
    assert len(asked(engines)) == 1, "it is there"


def test_an_opening_is_in_the_file_before_anything_shows_it(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.follow()
    assert [opening.alpha for opening in saved(openings.session)] == [1.0]
    assert openings.at(()) is None
    step(openings)
    assert openings.at(()) == saved(openings.session)[0]


def test_a_level_deeper_is_asked_for_once(openings: MessageOpenings, engines: Engines) -> None:
    openings.follow()
    step(openings)
    openings.open((HELLO,))
    assert asked(engines)[-1].path == (HELLO,)
    step(openings)
    deeper = openings.at((HELLO,))
    assert deeper is not None
    assert deeper.ids == (HELLO,)
    openings.close((HELLO,))
    openings.open((HELLO,))
    step(openings)
    assert len(asked(engines)) == 2


def test_another_alpha_measures_what_is_open_anew_and_shows_the_old_until_then(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.follow()
    step(openings)
    openings.open((HELLO,))
    step(openings)
    engines.last.holds = True
    openings.session.set_alpha(2.0)
    openings.follow()
    assert openings.alpha == 1.0
    assert openings.wait == "measuring"
    engines.last.open_next()
    step(openings)
    assert openings.alpha == 1.0
    assert openings.at((HELLO,)) is not None
    assert asked(engines)[-1] == dataclasses.replace(asked(engines)[1], alpha=2.0)
    engines.last.open_next()
    step(openings)
    assert openings.alpha == 2.0
    assert openings.missing is None
    openings.session.set_alpha(1.0)
    openings.follow()
    assert openings.alpha == 1.0
    assert len(asked(engines)) == 4, "those at the old α were kept"


def test_other_template_variables_have_openings_of_their_own(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.follow()
    step(openings)
    assert openings.missing is None
    openings.session.live.template = {"thinking": False}
    assert openings.missing == ()
    openings.follow()
    step(openings)
    assert openings.missing is None
    assert [request.template for request in asked(engines)] == [{}, {"thinking": False}]
    openings.session.live.template = {}
    assert openings.missing is None, "those without were kept"


def test_what_was_closed_is_asked_for_no_more(openings: MessageOpenings, engines: Engines) -> None:
    openings.follow()
    step(openings)
    for path in ((HELLO,), (HELLO, token_id(" the")), (SURE,)):
        openings.open(path)
        step(openings)
    openings.close((HELLO,))
    assert openings.opened == {(SURE,)}
    openings.session.set_alpha(3.0)
    step(openings)
    step(openings)
    step(openings)
    assert [r.path for r in asked(engines) if r.alpha == 3.0] == [(), (SURE,)]


def test_a_problem_is_said_and_not_asked_for_over_and_over(
    openings: MessageOpenings, engines: Engines
) -> None:
    engines.last.holds = True
    openings.follow()
    engines.last.fail("The context is used up.")
    openings.session.drain()
    openings.failed("The context is used up.")
    openings.follow()
    assert len(asked(engines)) == 1
    assert openings.problem == "The context is used up."
    openings.retry()
    assert len(asked(engines)) == 2


def test_while_a_reply_is_written_they_wait(openings: MessageOpenings, engines: Engines) -> None:
    openings.session.submit("Hi again")
    openings.follow()
    assert openings.wait == "engine busy"
    assert asked(engines) == []
    engines.last.finish()
    step(openings)
    assert len(asked(engines)) == 1


def test_leaving_stops_what_is_being_measured(openings: MessageOpenings, engines: Engines) -> None:
    engines.last.holds = True
    openings.follow()
    openings.leave()
    openings.session.drain()
    assert openings.session.state == "ready"
    assert saved(openings.session) == []


def test_a_resumed_chat_has_them_without_asking(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.follow()
    step(openings)
    path = openings.session.saved.recorder.path
    openings.session.close()
    assert path is not None
    others = Engines()
    again = make_session(path.parent, others)
    again.resume(path)
    again.live.load()
    others.last.load()
    again.drain()
    found = MessageOpenings(again, openings.message)
    found.follow()
    assert found.at(()) == saved(again)[0]
    assert asked(others) == []


def test_what_another_pair_opened_is_not_taken_for_this_ones(openings: MessageOpenings) -> None:
    openings.follow()
    step(openings)
    session = openings.session.conversation.session
    assert session is not None
    other = dataclasses.replace(session.after, model="another/model")
    openings.session.saved.record(dataclasses.replace(session, after=other))
    assert openings.at(()) is None
    openings.session.saved.record(session)
    assert openings.at(()) is not None


def test_without_models_it_says_so(openings: MessageOpenings, engines: Engines) -> None:
    engines.last.fail("The engine died.", fatal=True)
    openings.session.drain()
    openings.follow()
    assert openings.wait == "not loaded"
    assert asked(engines) == []


def test_those_of_a_chat_that_was_left_are_not_asked_for(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.session.new_chat()
    openings.follow()
    assert openings.gone
    assert asked(engines) == []


# --- branches ---------------------------------------------------------------------


def test_a_reply_begins_with_the_tokens_that_were_chosen(
    openings: MessageOpenings, engines: Engines
) -> None:
    session = openings.session
    openings.follow()
    step(openings)
    session.set_alpha(2.0)
    assert branches.answer_with(session, openings.message, Prefix((HELLO,)))
    request = engines.last.request
    assert request is not None
    assert request.forced == (HELLO,)
    assert [(lane.name, lane.alpha) for lane in request.lanes] == [("amplified", 2.0)]
    engines.last.finish()
    session.drain()
    reply = session.conversation.last_reply()
    assert reply is not None
    assert reply.forced == (HELLO,)
    assert len(session.conversation.siblings(reply)) == 2
    assert session.conversation.kept(openings.message) is reply


def test_in_a_comparison_every_lane_begins_with_them(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.follow()
    step(openings)
    openings.session.comparing = True
    branches.answer_with(openings.session, openings.message, Prefix((SURE,)))
    assert engines.last.request is not None
    assert [lane.name for lane in engines.last.request.lanes] == ["before", "after", "amplified"]
    assert engines.last.request.forced == (SURE,)


def test_nothing_is_answered_while_the_engine_is_busy(
    openings: MessageOpenings, engines: Engines
) -> None:
    engines.last.holds = True
    openings.follow()
    leaf = openings.session.conversation.leaf
    assert not branches.answer_with(openings.session, openings.message, Prefix((HELLO,)))
    assert openings.session.conversation.leaf == leaf
    engines.last.emit([Idle()])


def test_they_keep_after_s_ends_where_the_sampling_does(
    openings: MessageOpenings, engines: Engines
) -> None:
    openings.follow()
    step(openings)
    kept = openings.session.sampling.model_copy(update={"ends": "after"})
    openings.session.set_sampling(kept)
    assert openings.at(()) is None, "those were mixed"
    openings.follow()
    step(openings)
    assert [request.ends for request in asked(engines)] == ["mix", "after"]
    level = openings.at(())
    assert level is not None
    assert level.ends == "after"
