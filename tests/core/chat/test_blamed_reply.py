"""A reply under every stage of its chain: asked once, kept in the transcript."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.chat.blamed_reply import BlamedReply
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.protocol import Failed, Idle
from logit_amp_chat.core.reading import Recorded, StageBlock, StageReadRequest
from logit_amp_chat.core.records import Document, Finish, SideInfo
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.tui.chat.test_stages import chain
from tests.tui.chat_driver import Engines, answer, make_session


def opened(folder: Path) -> tuple[ChatSession, Engines]:
    engines = Engines()
    session = make_session(folder, engines, chain())
    session.live.load()
    engines.last.load()
    session.drain()
    answer(session, engines, "Hi")
    return session, engines


def asked(engines: Engines) -> StageReadRequest:
    return next(c for c in engines.last.commands if isinstance(c, StageReadRequest))


def read(session: ChatSession, engines: Engines, count: int) -> None:
    """The engine reads `count` tokens of what was asked."""
    request = asked(engines)
    assert isinstance(request.content, Recorded)
    tokens = request.content.tokens
    whole = count == len(tokens)
    engines.last.emit(
        [
            Document(
                id=request.document,
                text="x" * len(tokens),
                tokens=len(tokens),
                offsets=tuple((n, n + 1) for n in range(len(tokens))),
                threshold=0.0,
                window=99,
                stride=9,
            ),
            StageBlock(
                document=request.document,
                stages=request.stages,
                done=count,
                total=len(tokens),
                tokens=tokens[:count],
                logp=((-9.0, -1.0, -0.5),) * count,
                best=(((7, -0.1), (8, -0.1), (9, -0.1)),) * count,
                kl=((2.0, 0.5),) * count,
            ),
            Finish(
                reply=request.document,
                reason="length" if whole else "cancelled",
                tokens=count,
                seconds=0.1,
            ),
            Idle(),
        ]
    )
    session.drain()


def test_the_sampled_tokens_are_read_behind_their_prompt_under_every_stage(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    BlamedReply(session, log).follow()
    request = asked(engines)
    tokens = tuple(step.token for step in log.steps)
    assert request.content == Recorded(prompt=log.reply.prompt, tokens=tokens)
    assert request.stages == ("base", "sft", "dpo")
    assert session.state == "busy"


def test_what_was_measured_is_in_the_file_and_nothing_else_of_it(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    blamed = BlamedReply(session, log)
    blamed.follow()
    read(session, engines, len(log.steps))
    assert blamed.found
    assert [one.blamed for one in blamed.tokens] == [1] * len(log.steps)
    assert blamed.found.stats.blamed == [0, len(log.steps), 0]
    path = session.saved.recorder.path
    assert path is not None
    records = list(read_records(path))
    (found,) = [record for record in records if isinstance(record, Blamed)]
    assert found.chain == ("base", "sft", "dpo")
    assert not [record for record in records if isinstance(record, Document)]
    assert session.state == "ready"


def test_it_is_not_asked_again(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    BlamedReply(session, log).follow()
    read(session, engines, len(log.steps))
    again = BlamedReply(session, log)
    again.follow()
    assert len(again.tokens) == len(log.steps)
    assert sum(isinstance(c, StageReadRequest) for c in engines.last.commands) == 1


def test_what_was_stopped_is_said_and_not_kept(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    blamed = BlamedReply(session, log)
    blamed.follow()
    read(session, engines, 2)
    assert "stopped" in blamed.problem
    assert log.blamed is None


def test_what_the_engine_refuses_is_said(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    blamed = BlamedReply(session, log)
    blamed.follow()
    engines.last.emit([Failed(message="Too long.", remedy="Shorten it."), Idle()])
    session.drain()
    assert blamed.problem == "Too long. Shorten it."


def test_stages_that_were_read_one_after_the_other_are_joined(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    blamed = BlamedReply(session, log)
    blamed.follow()
    request, count = asked(engines), len(log.steps)
    for n, stage in enumerate(request.stages):
        block = StageBlock(
            document=request.document,
            stages=(stage,),
            done=count,
            total=count,
            tokens=tuple(step.token for step in log.steps),
            logp=((-9.0 + n,),) * count,
            best=(((n, -0.1),),) * count,
            kl=((),) * count,
        )
        engines.last.emit([block])
        session.drain()
        assert blamed.done == count
        assert log.blamed is None
    finish = Finish(reply=request.document, reason="length", tokens=count, seconds=0.1)
    engines.last.emit([finish, Idle()])
    session.drain()
    assert log.blamed == Blamed(
        reply=log.id,
        chain=("base", "sft", "dpo"),
        log_probs=((-9.0, -8.0, -7.0),) * count,
        likeliest=(((0, -0.1), (1, -0.1), (2, -0.1)),) * count,
        divergences=((None, None),) * count,
    )


def test_two_other_stages_of_the_chain_may_be_compared_by_then(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    other = SideInfo(
        model="fake/sft", revision=None, adapter=None, dtype="float32", quantization="none"
    )
    load(session, engines, selected(chain(), "base", "sft"), other)
    blamed = BlamedReply(session, log)
    blamed.follow()
    assert asked(engines).stages == ("base", "sft", "dpo")
    read(session, engines, len(log.steps))
    assert log.blamed is not None
    assert not blamed.problem


def test_another_chain_does_not_read_it(tmp_path: Path) -> None:
    session, engines = opened(tmp_path)
    log = session.conversation.last_reply()
    assert log is not None
    other = SideInfo(
        model="other", revision=None, adapter=None, dtype="float32", quantization="none"
    )
    stages = tuple(one.model_copy(update={"model": "other"}) for one in chain().stages)
    load(session, engines, chain().model_copy(update={"stages": stages}), other)
    blamed = BlamedReply(session, log)
    blamed.follow()
    assert "made with other models" in blamed.problem
    assert not [c for c in engines.last.commands if isinstance(c, StageReadRequest)]


def load(session: ChatSession, engines: Engines, profile: Profile, after: SideInfo) -> None:
    """Open another pair, whose after is this model."""
    session.live.load(profile)
    opened = engines.last.opened()
    engines.last.emit([replace(opened, session=replace(opened.session, after=after))])
    session.drain()
