"""Replies of stages are branched, edited and continued by these stages, and by no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.lanes import LaneAt
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.tui.chat.test_stages import chain
from tests.tui.chat_driver import Engines, demo_profile, make_session, requests

SFT = ("base", "sft")


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture
def session(tmp_path: Path, engines: Engines) -> ChatSession:
    """A chat whose last turn has replies of the pair, and of the stage sft."""
    session = make_session(tmp_path, engines, chain())
    load(session, engines, chain())
    session.comparing, session.compared_alphas = True, (0.0,)
    session.compared_stages = (LaneAt(0.0, SFT),)
    session.submit("Hi")
    engines.last.finish()
    session.drain()
    session.comparing = False
    return session


def load(session: ChatSession, engines: Engines, profile: Profile) -> None:
    words = engines.last._words if engines.made else {}
    session.live.load(profile)
    engines.last._words |= words
    engines.last.load()
    session.drain()


def reply_of(session: ChatSession, lane: str) -> ReplyLog:
    return next(log for log in session.conversation.replies.values() if log.reply.lane == lane)


def asked(engines: Engines) -> dict[str, Any]:
    return {lane.name: lane.stages for lane in requests(engines.last)[-1].lanes}


@pytest.mark.parametrize("pair", [("base", "dpo"), ("base", "sft"), ("sft", "dpo")])
def test_whichever_pair_of_the_chain_is_loaded(
    session: ChatSession, engines: Engines, pair: tuple[str, str]
) -> None:
    load(session, engines, selected(chain(), *pair))
    sft = reply_of(session, "sft")
    assert branches.branch(session, sft, 1, sft.steps[1].top[0].id)
    assert asked(engines) == {"sft": SFT}
    engines.last.finish()
    session.drain()
    assert branches.edit(session, sft, "Otters swim")
    assert asked(engines) == {"sft": SFT}


def test_a_stage_that_was_the_pair_stays_that_stage(session: ChatSession, engines: Engines) -> None:
    """Its record has no stages of its own: the session says which they are."""
    load(session, engines, selected(chain(), *SFT))
    session.submit("And?")
    engines.last.finish()
    session.drain()
    log = reply_of(session, "sft")
    log.session = session.conversation.session
    object.__setattr__(log.reply, "stages", None)
    load(session, engines, chain())
    assert branches.edit(session, log, "Otters swim")
    assert asked(engines) == {"sft": SFT}


def other_chain() -> Profile:
    profile = chain()
    stages = [
        stage.model_copy(update={"model": "fake/other"}) if stage.name == "sft" else stage
        for stage in profile.stages
    ]
    return profile.model_copy(update={"stages": tuple(stages)})


@pytest.mark.parametrize("other", [other_chain(), demo_profile()])
def test_other_models_are_not_asked(session: ChatSession, engines: Engines, other: Profile) -> None:
    load(session, engines, other)
    sft = reply_of(session, "sft")
    assert not branches.can_branch(session, sft)
    assert not branches.edit(session, sft, "Otters swim")
    assert not requests(engines.last)


def test_the_prompt_of_a_stage_is_not_given_to_others_that_are_prompted_otherwise(
    session: ChatSession, engines: Engines
) -> None:
    sft = reply_of(session, "sft")
    assert session.prompt_of(sft) == sft.reply.prompt
    stages = [
        stage.model_copy(update={"system": "Speak plainly."}) if stage.name == "sft" else stage
        for stage in chain().stages
    ]
    load(session, engines, chain().model_copy(update={"stages": tuple(stages)}))
    assert session.prompt_of(sft) is None
    assert session.prompt_of(reply_of(session, "after")) is not None
