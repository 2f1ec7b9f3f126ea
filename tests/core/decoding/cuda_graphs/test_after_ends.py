"""Ends of turn that keep after's probability, in captured steps."""

from __future__ import annotations

import pytest
import torch

from logit_amp_chat.core.decoding.cuda_graphs import static_cache as fixed
from logit_amp_chat.core.decoding.cuda_graphs.graph_stepper import StaticInputs
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.next_token import choose
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Event, SetSampling
from logit_amp_chat.core.records import Change, Step
from tests.core.decoding.cuda_graphs.test_graph_stepper import (
    ALL,
    DEVICE,
    FREE,
    MUTE,
    MakeProfile,
    ask,
    engine_of,
    numbers,
    told,
)

ENDS = ALL.model_copy(update={"ends": "after"})


@pytest.fixture
def engines(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> tuple[LocalEngine, LocalEngine]:
    """One that decodes eagerly and one in captured steps; ids 100 to 199 count as ends.

    No lane ends with them, so that there is something to compare.
    """
    monkeypatch.setattr(fixed, "LEAST_ROOM", 16)
    profile = tiny_pair(device=DEVICE)
    made = tuple(engine_of(profile, load_pair(profile), how) for how in (False, True))
    for engine in made:
        ends = torch.zeros(engine.pair.size, dtype=torch.bool, device=DEVICE)
        ends[100:200] = True
        engine.pair.__dict__["ends"] = ends
    return made[0], made[1]


def test_captured_steps_are_those_of_eager_ones(engines: tuple[LocalEngine, LocalEngine]) -> None:
    request = ask(-1.0, 0.0, 2.0, sampling=ENDS)
    direct, captured = ([*engine.generate(request)] for engine in engines)
    assert told(captured) == told(direct)
    assert numbers(captured) == pytest.approx(numbers(direct), abs=2e-4)


def test_they_can_be_switched_on_in_mid_reply(engines: tuple[LocalEngine, LocalEngine]) -> None:
    events: list[Event] = []
    for event in engines[1].generate(ask(-1.0, 2.0)):
        events.append(event)
        if isinstance(event, Step) and (event.reply, event.index) == ("r1", 5):
            engines[1].apply(SetSampling(ENDS))
    assert {e.index for e in events if isinstance(e, Change)} == {7}
    ends = [
        (e.index >= 7, c.amplified == c.after)
        for e in events
        if isinstance(e, Step)
        for c in e.top
        if 100 <= c.id < 200
    ]
    assert all(kept for later, kept in ends if later)
    assert not any(kept for later, kept in ends if not later)


def test_choosing_asks_the_device_nothing() -> None:
    assert FREE.ends == "mix"
    inputs, ends = StaticInputs(500, MUTE, 3), torch.ones(500, device=MUTE).bool()
    noise = Noise([(0, 0)], 500, MUTE)
    logits = inputs.logits[0], inputs.logits[1]
    filters = Filters.of(ENDS).to(MUTE)
    token, row = choose(logits, None, inputs.alpha, filters, noise, inputs.index, 5, ends=ends)
    assert (token.device, row.device) == (MUTE, MUTE)
