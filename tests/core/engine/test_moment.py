"""Templates that write the time: what one chat asks is asked at one moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.protocol import Event, Lane, Request
from logit_amp_chat.core.records import Message, Opening, PromptIds, Reply
from logit_amp_chat.core.sampling import Sampling
from tests.models import TEMPLATE, save_side

QUESTION = Message(id="m", parent=None, role="user", text="Hi")
ANSWER = Message(id="a", parent="m", role="assistant", text="Hello")
LATER = Message(id="n", parent="a", role="user", text="And?")
CLOCK = "{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    folder = tmp_path_factory.mktemp("dated")
    sides = {
        name: {"model": str(save_side(folder / name, seed=seed, template=CLOCK + TEMPLATE))}
        for seed, name in enumerate(("before", "after"))
    }
    how = {"name": "dated", "dtype": "float32", "device": "cpu"}
    return LocalEngine.open(Profile.model_validate({**sides, **how}))


def ask(time: str | None = None) -> Request:
    other = (QUESTION, ANSWER, LATER)
    return Request(
        messages=(QUESTION,),
        lanes=(
            Lane(reply="a", name="a", alpha=0.0),
            Lane(reply="b", name="b", alpha=1.0, messages=other),
        ),
        sampling=Sampling(temperature=0.0, max_new_tokens=1),
        time=time,
    )


def prompts(events: list[Event]) -> list[PromptIds]:
    return [e.prompt for e in events if isinstance(e, Reply | Opening)]


def written(engine: LocalEngine, prompt: PromptIds) -> str:
    """The moment as it stands at the beginning of a prompt."""
    return str(engine.pair.tokenizer.decode(prompt.after)).split("<|user|>")[0]


def test_lanes_regenerations_and_openings_see_the_session_s_moment(engine: LocalEngine) -> None:
    first, second = (prompts([*engine.generate(ask())]) for _ in range(2))
    asked = OpeningsRequest(messages=(QUESTION,), alpha=0.0)
    openings = prompts([*engine.openings(asked)])
    assert first == second
    moment = datetime.fromisoformat(engine.opened.session.time)
    expected = moment.strftime("%d %b %Y %H:%M:%S.000000")
    assert {written(engine, p) for p in (*first, *openings)} == {expected}


def test_a_request_may_name_the_moment_its_chat_began(engine: LocalEngine) -> None:
    time = "2026-02-03T04:05:06+00:00"
    asked = OpeningsRequest(messages=(QUESTION,), alpha=0.0, time=time)
    found = [*prompts([*engine.generate(ask(time))]), *prompts([*engine.openings(asked)])]
    assert {written(engine, p) for p in found} == {"03 Feb 2026 04:05:06.000000"}


def test_a_time_that_is_none_is_the_session_s(engine: LocalEngine) -> None:
    """As of a transcript that another program wrote."""
    found = prompts([*engine.generate(replace(ask(), time="yesterday"))])
    assert found == prompts([*engine.generate(ask())])
