"""Branches and siblings, notes and names: what is asked, what is saved, what is remembered."""

from __future__ import annotations

import dataclasses

import pytest

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.records import Keep, Name, Note
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.tui.chat_driver import Engines, answer


def answered(session: ChatSession, engines: Engines, text: str = "Hi") -> ReplyLog:
    answer(session, engines, text)
    log = session.conversation.last_reply()
    assert log is not None
    return log


def rival(log: ReplyLog, place: int) -> int:
    """A candidate that was not chosen."""
    return next(c.id for c in log.steps[place].top if c.id != log.steps[place].token)


def again(session: ChatSession) -> Conversation:
    """What the file adds up to."""
    assert session.saved.recorder.path is not None
    return Conversation(read_records(session.saved.recorder.path))


def test_a_branch_begins_like_the_reply_and_goes_on_from_another_token(
    session: ChatSession, engines: Engines
) -> None:
    log = answered(session, engines)
    token = rival(log, 2)
    assert branches.branch(session, log, 2, token)
    request = engines.last.request
    assert request is not None
    assert request.forced == (log.steps[0].token, log.steps[1].token, token)
    assert request.sampling.seed == log.reply.seed
    assert [lane.name for lane in request.lanes] == ["amplified"]
    engines.last.finish()
    session.drain()
    branch = session.conversation.last_reply()
    assert branch is not None
    assert branch.id != log.id
    assert branch.forced == request.forced
    assert session.conversation.siblings(log) == [log, branch]


def test_a_branch_of_an_earlier_turn_is_the_history_also_in_the_file(
    session: ChatSession, engines: Engines
) -> None:
    first = answered(session, engines, "one")
    answered(session, engines, "two")
    branches.branch(session, first, 1, rival(first, 1))
    engines.last.finish()
    session.drain()
    assert session.conversation.thread()[0].id == first.reply.parent
    assert len(session.conversation.thread()) == 2
    assert again(session).leaf == session.conversation.leaf


def test_a_branch_of_a_kept_before_lane_stays_in_that_lane(
    session: ChatSession, engines: Engines
) -> None:
    session.comparing = True
    answered(session, engines)
    before = next(x for x in session.conversation.replies.values() if x.reply.lane == "before")
    session.comparing = False
    session.saved.keep(before.id)
    branches.branch(session, before, 3, rival(before, 3))
    engines.last.finish()
    session.drain()
    shown = session.conversation.last_reply()
    assert shown is not None
    assert (shown.reply.lane, shown.reply.alpha) == ("before", -1.0)
    assert shown.id != before.id


def test_in_a_comparison_every_lane_goes_on_from_the_branch(
    session: ChatSession, engines: Engines
) -> None:
    session.comparing = True
    log = answered(session, engines)
    branches.branch(session, log, 1, rival(log, 1))
    engines.last.finish()
    session.drain()
    branch = session.conversation.last_reply()
    assert branch is not None
    assert branch.reply.lane == "amplified"
    beside = session.lanes_of(branch)
    assert list(beside) == ["before", "after", "amplified"]
    assert {other.forced for other in beside.values()} == {branch.forced}
    assert all(other.reply.forced == 0 for other in session.lanes_of(log).values())


def test_missing_lanes_of_a_branch_begin_as_it_does(session: ChatSession, engines: Engines) -> None:
    log = answered(session, engines)
    branches.branch(session, log, 1, rival(log, 1))
    engines.last.finish()
    session.drain()
    branch = session.conversation.last_reply()
    assert branch is not None
    assert session.complete_lanes(branch)
    assert engines.last.request is not None
    assert engines.last.request.forced == branch.forced


def test_ids_of_another_pair_are_not_forced(session: ChatSession, engines: Engines) -> None:
    log = answered(session, engines)
    assert log.session is not None
    other = dataclasses.replace(log.session.after, model="another/model")
    log.session = dataclasses.replace(log.session, after=other)
    assert not branches.can_branch(session, log)
    assert not branches.branch(session, log, 1, rival(log, 1))
    assert engines.last.request is None


@pytest.mark.parametrize(
    "changed", [{"model": "another/model"}, {"adapter": "a/lora"}, {"quantization": "nf4"}]
)
def test_another_pair_is_not_asked_for_lanes_beside_a_reply(
    session: ChatSession, engines: Engines, changed: dict[str, str]
) -> None:
    log = answered(session, engines)
    assert log.session is not None
    other = dataclasses.replace(log.session.after, **changed)
    log.session = dataclasses.replace(log.session, after=other)
    assert not session.complete_lanes(log)
    assert engines.last.request is None


def test_turning_to_a_sibling_brings_back_what_was_said_after_it(
    session: ChatSession, engines: Engines
) -> None:
    first = answered(session, engines, "one")
    second = answered(session, engines, "two")
    branches.branch(session, first, 1, rival(first, 1))
    engines.last.finish()
    session.drain()
    session.saved.switch_to(first.id)
    assert session.conversation.leaf == second.id
    assert again(session).leaf == second.id
    session.saved.switch_to(session.conversation.siblings(first)[1].id)
    assert len(session.conversation.thread()) == 2
    assert again(session).thread()[-1].id == session.conversation.thread()[-1].id


def test_notes_and_names_are_saved(session: ChatSession, engines: Engines) -> None:
    log = answered(session, engines)
    session.saved.note(log.id, "odd", step=3)
    session.saved.name(log.id, "lighthouse")
    assert session.saved.recorder.path is not None
    saved = [
        r for r in read_records(session.saved.recorder.path) if isinstance(r, Note | Name | Keep)
    ]
    assert saved == [
        Note(about=log.id, text="odd", step=3),
        Name(reply=log.id, text="lighthouse"),
    ]
    read = again(session).replies[log.id]
    assert (read.notes, read.name) == ({3: "odd"}, "lighthouse")
