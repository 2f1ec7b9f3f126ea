"""Replies that begin with a text, or with another reply as the user edited it."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.prefix import Prefix
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.protocol import Request, SetSampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.tui.chat_driver import Engines, answer, requests

SAID = "Otters are wonderful! By the way, the lighthouse sees everything, my friend."


def last(session: ChatSession) -> ReplyLog:
    log = session.conversation.last_reply()
    assert log is not None
    return log


def asked(engines: Engines) -> Request:
    request = engines.last.request
    assert request is not None
    return request


def finish(session: ChatSession, engines: Engines) -> ReplyLog:
    engines.last.finish()
    session.drain()
    return last(session)


def test_an_edited_reply_goes_on_from_its_text(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "Hi")
    old = last(session)
    assert old.text == SAID
    assert branches.edit(session, old, "Otters are wonderful! So is the sea,")
    request = asked(engines)
    assert request.forced == tuple(step.token for step in old.steps[:4])
    assert request.begin == " So is the sea,"
    assert request.edits == old.id
    assert request.sampling.seed == old.reply.seed
    assert request.sampling.max_new_tokens == session.sampling.max_new_tokens + 4
    new = finish(session, engines)
    assert new.reply.edits == old.id
    assert new.text.startswith("Otters are wonderful! So is the sea,")
    assert session.conversation.siblings(old) == [old, new]
    assert old.text == SAID


def test_it_is_recorded_and_read_again(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "Hi")
    old = last(session)
    branches.edit(session, old, "Otters swim")
    new = finish(session, engines)
    assert session.saved.recorder.path is not None
    read = Conversation(read_records(session.saved.recorder.path))
    assert read.replies[new.id].reply == new.reply
    assert read.replies[new.id].reply.edits == old.id
    assert read.leaf == new.id


def test_a_text_that_was_only_cut_has_a_new_seed(session: ChatSession, engines: Engines) -> None:
    """With the seed of the reply it would be said again."""
    answer(session, engines, "Hi")
    branches.edit(session, last(session), "Otters are wonderful!")
    assert (asked(engines).begin, asked(engines).sampling.seed) == ("", 1)
    branches.edit(session, finish(session, engines), SAID)  # nothing is cut
    assert session.sampling.seed == 0


def test_an_unchanged_text_goes_on_under_the_same_noise(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "Hi")
    old = last(session)
    branches.edit(session, old, old.text)
    assert (asked(engines).begin, asked(engines).sampling.seed) == ("", old.reply.seed)
    assert asked(engines).prompt == old.reply.prompt


def test_a_change_while_an_edited_reply_runs_does_not_shorten_it(
    session: ChatSession, engines: Engines
) -> None:
    answer(session, engines, "Hi")
    warmer = session.sampling.model_copy(update={"temperature": 1.5, "max_new_tokens": 1})
    old = last(session)
    branches.edit(session, old, old.text)
    session.set_sampling(warmer)
    (change,) = [one for one in engines.last.commands if isinstance(one, SetSampling)]
    given = len(asked(engines).forced)
    assert given > 1
    assert change.sampling.max_new_tokens == given + 1
    assert session.sampling == warmer


def test_a_comparison_goes_on_in_every_lane(session: ChatSession, engines: Engines) -> None:
    session.comparing = True
    answer(session, engines, "Hi")
    before = next(x for x in session.conversation.replies.values() if x.reply.lane == "before")
    branches.edit(session, before, "Otters are in the sea")
    new = finish(session, engines)
    beside = session.lanes_of(new)
    assert list(beside) == ["before", "after", "amplified"]
    assert {log.reply.edits for log in beside.values()} == {before.id}
    assert {log.forced for log in beside.values()} == {new.forced}


def test_missing_lanes_are_of_the_edited_reply_too(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "Hi")
    branches.edit(session, last(session), "Otters swim")
    new = finish(session, engines)
    assert session.complete_lanes(new)
    assert asked(engines).forced == new.forced
    assert (asked(engines).begin, asked(engines).edits) == ("", new.reply.edits)
    assert asked(engines).sampling == new.reply.sampling


def test_replies_begin_with_a_text_until_it_is_taken_back(
    session: ChatSession, engines: Engines
) -> None:
    session.begin = "Sure,"
    answer(session, engines, "Hi")
    assert last(session).text.startswith("Sure,")
    assert last(session).reply.forced == 2
    session.regenerate()
    finish(session, engines)
    session.begin = ""
    answer(session, engines, "And?")
    assert [request.begin for request in requests(engines.last)] == ["Sure,", "Sure,", ""]


def test_a_message_that_waits_for_the_models_is_answered_so_too(
    session: ChatSession, engines: Engines
) -> None:
    session.live.load()
    session.begin = "Sure,"
    session.submit("Hi")
    engines.last.load()
    session.drain()
    assert asked(engines).begin == "Sure,"


def test_another_chat_begins_without_it(session: ChatSession, engines: Engines) -> None:
    session.begin = "Sure,"
    session.new_chat()
    answer(session, engines, "Hi")
    assert last(session).reply.forced == 0


def test_an_earlier_message_is_answered_with_a_text(session: ChatSession, engines: Engines) -> None:
    answer(session, engines, "one")
    first = last(session)
    answer(session, engines, "two")
    assert first.reply.parent is not None
    assert branches.answer_with(session, first.reply.parent, Prefix(text="Sure,"))
    assert asked(engines).messages[-1].text == "one"
    assert session.conversation.previous(finish(session, engines).id) is None


@pytest.mark.parametrize("fatal", [False, True])
def test_a_reply_that_is_refused_hides_no_other(
    session: ChatSession, engines: Engines, fatal: bool
) -> None:
    answer(session, engines, "Hi")
    answer(session, engines, "And then?")
    thread = session.conversation.thread()
    first = thread[0].id
    engines.last.patient = True
    assert branches.answer_with(session, first, Prefix(text="By the way"))
    engines.last.fail("Too long.", fatal=fatal)
    session.drain()
    assert session.conversation.thread() == thread
