"""Whose replies a lane continues, edited messages, and replies that are continued."""

from __future__ import annotations

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.protocol import Lane, Request, Stop
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.tui.chat_driver import Engines, answer
from tests.tui.fake_engine import TEXTS


def asked(engines: Engines) -> Request:
    request = engines.last.request
    assert request is not None
    return request


def lane(request: Request, name: str) -> Lane:
    return next(lane for lane in request.lanes if lane.name == name)


def said(request: Request, name: str) -> list[str]:
    """What a lane is prompted with."""
    return [message.text for message in request.messages_of(lane(request, name))]


def again(session: ChatSession) -> Conversation:
    """What the file adds up to."""
    assert session.saved.recorder.path is not None
    return Conversation(read_records(session.saved.recorder.path))


def compared(session: ChatSession, engines: Engines, text: str) -> dict[str, ReplyLog]:
    session.comparing = True
    answer(session, engines, text)
    log = session.conversation.last_reply()
    assert log is not None
    return session.lanes_of(log)


class TestHistories:
    def test_all_lanes_continue_the_chat_unless_told_otherwise(
        self, session: ChatSession, engines: Engines
    ) -> None:
        compared(session, engines, "one")
        session.submit("two")
        for name in ("before", "after", "amplified"):
            assert said(asked(engines), name) == ["one", TEXTS["amplified"], "two"]
            assert lane(asked(engines), name).follows is None

    def test_every_lane_continues_its_own_reply(
        self, session: ChatSession, engines: Engines
    ) -> None:
        first = compared(session, engines, "one")
        session.own_histories = True
        session.submit("two")
        request = asked(engines)
        for name in ("before", "after"):
            assert said(request, name) == ["one", TEXTS[name], "two"]
            assert lane(request, name).follows == first[name].id
        assert lane(request, "amplified").messages is None
        engines.last.finish()
        session.drain()
        second = session.lanes_of(last(session))
        session.submit("three")
        assert said(asked(engines), "before") == [
            *("one", TEXTS["before"]),
            *("two", TEXTS["before"]),
            "three",
        ]
        assert lane(asked(engines), "before").follows == second["before"].id

    def test_a_lane_that_answered_from_another_history_is_asked_again(
        self, session: ChatSession, engines: Engines
    ) -> None:
        compared(session, engines, "one")
        compared(session, engines, "two")
        session.own_histories = True
        log = last(session)
        shared = session.lanes_of(log)["before"]
        assert session.complete_lanes(log)
        assert said(asked(engines), "before") == ["one", TEXTS["before"], "two"]
        engines.last.finish()
        session.drain()
        assert session.lanes_of(log)["before"].reply.follows is not None
        session.own_histories = False
        assert session.lanes_of(log)["before"] is shared

    def test_keeping_a_reply_makes_it_every_lanes_history(
        self, session: ChatSession, engines: Engines
    ) -> None:
        session.own_histories = True
        first = compared(session, engines, "one")
        session.keep(first["before"])
        session.submit("two")
        for name in ("before", "after", "amplified"):
            assert said(asked(engines), name) == ["one", TEXTS["before"], "two"]

    def test_the_chat_goes_on_in_the_lane_that_was_kept(
        self, session: ChatSession, engines: Engines
    ) -> None:
        compared(session, engines, "one")
        session.keep(compared(session, engines, "two")["before"])
        session.own_histories = True
        answer(session, engines, "three")
        assert last(session).reply.lane == "before"
        assert set(session.lanes_of(last(session))) == {"before", "after", "amplified"}
        thread = [item.id for item in session.conversation.thread()]
        assert thread == [item.id for item in again(session).thread()]

    def test_asking_for_lanes_changes_no_history(
        self, session: ChatSession, engines: Engines
    ) -> None:
        """Neither that of the turn that is looked at, nor what follows it."""
        compared(session, engines, "one")
        first = compared(session, engines, "two")["before"]
        session.keep(first)
        session.own_histories = True
        assert session.complete_lanes(first)
        engines.last.finish()
        session.drain()
        assert last(session) is first
        session.own_histories = False
        answer(session, engines, "three")
        end = session.conversation.leaf
        session.compared_alphas = (2.0,)
        session.set_alpha(0.5)
        session.own_histories = True
        assert session.complete_lanes(first)
        engines.last.finish()
        session.drain()
        assert session.conversation.leaf == end
        assert again(session).leaf == end
        assert session.conversation.kept(first.reply.parent) is first

    def test_an_engine_that_died_while_lanes_were_asked_for_leaves_no_trace(
        self, session: ChatSession, engines: Engines
    ) -> None:
        """What was to be kept then is not what is kept when the next message is answered."""
        first = compared(session, engines, "one")["before"]
        session.keep(first)
        session.compared_alphas = (2.0,)
        assert session.complete_lanes(first)
        engines.last.fail("It died.", fatal=True)
        session.drain()
        session.live.load()
        engines.last.load()
        session.drain()
        answer(session, engines, "two")
        assert session.conversation.said() == ["one", "two"]
        assert last(session).reply.lane == "amplified"

    def test_a_branch_keeps_the_history_of_its_reply(
        self, session: ChatSession, engines: Engines
    ) -> None:
        compared(session, engines, "one")
        session.own_histories = True
        before = compared(session, engines, "two")["before"]
        session.comparing = False
        token = before.steps[1].top[1].id
        assert branches.branch(session, before, 1, token)
        assert said(asked(engines), "before") == ["one", TEXTS["before"], "two"]
        engines.last.finish()
        session.drain()
        assert last(session).reply.follows == before.reply.follows
        assert [item.id for item in again(session).thread()] == [
            item.id for item in session.conversation.thread()
        ]

    def test_a_resumed_chat_goes_on_with_own_histories(
        self, session: ChatSession, engines: Engines
    ) -> None:
        compared(session, engines, "one")
        session.own_histories = True
        compared(session, engines, "two")
        path = session.saved.recorder.path
        assert path is not None
        session.new_chat()
        assert not session.own_histories
        session.resume(path)
        assert session.own_histories
        assert len(session.lanes_of(last(session))) == 3


class TestResuming:
    def test_a_comparison_is_resumed_with_its_alphas(
        self, session: ChatSession, engines: Engines
    ) -> None:
        session.compared_alphas = (2.0, -1.0)
        compared(session, engines, "one")
        path = session.saved.recorder.path
        assert path is not None
        session.new_chat()
        session.compared_alphas = (0.5,)
        session.resume(path)
        assert session.comparing
        assert list(session.compared_alphas) == [-1.0, 2.0]
        assert len(session.lanes_of(last(session))) == 3

    def test_a_chat_with_one_reply_is_shown_as_a_transcript(
        self, session: ChatSession, engines: Engines
    ) -> None:
        answer(session, engines, "one")
        path = session.saved.recorder.path
        assert path is not None
        session.new_chat()
        session.comparing = True
        session.resume(path)
        assert not session.comparing


class TestVersions:
    def test_an_edited_message_without_a_reply_can_be_gone_back_to(
        self, session: ChatSession, engines: Engines
    ) -> None:
        answer(session, engines, "one")
        first = last(session)
        session.edit()
        session.submit("won")
        engines.last.request = None  # the machine is gone before anything is decoded
        version = session.conversation.last_user_message()
        assert version is not None
        session.saved.switch_to(first.id)
        assert again(session).last_reply() is not None
        session.saved.switch_to(version.id)
        assert again(session).leaf == version.id


class TestGoingOn:
    def stopped(self, session: ChatSession, engines: Engines) -> ReplyLog:
        session.submit("Hi")
        engines.last.step(3)
        engines.last.send(Stop())
        session.drain()
        return last(session)

    def test_a_stopped_reply_goes_on_from_what_it_has(
        self, session: ChatSession, engines: Engines
    ) -> None:
        log = self.stopped(session, engines)
        tokens = tuple(step.token for step in log.steps)
        assert branches.go_on(session, log)
        assert asked(engines).forced == tokens
        assert asked(engines).sampling.seed == log.reply.seed
        engines.last.finish()
        session.drain()
        assert last(session).text == TEXTS["amplified"]
        assert last(session).forced == tokens

    def test_it_may_get_as_many_tokens_again(self, session: ChatSession, engines: Engines) -> None:
        session.set_sampling(session.sampling.model_copy(update={"max_new_tokens": 5}))
        log = self.stopped(session, engines)
        branches.go_on(session, log)
        assert asked(engines).sampling.max_new_tokens == 3 + 5

    def test_a_reply_that_came_to_its_end_does_not(
        self, session: ChatSession, engines: Engines
    ) -> None:
        answer(session, engines, "Hi")
        assert not branches.go_on(session, last(session))


def last(session: ChatSession) -> ReplyLog:
    log = session.conversation.last_reply()
    assert log is not None
    return log
