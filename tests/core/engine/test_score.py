"""Scoring given ids yields the numbers of one plain forward pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding import decoder
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import ContextError, LogitAmpError
from logit_amp_chat.core.protocol import Event, Idle, Lane, Request, ScoreRequest, SetSampling
from logit_amp_chat.core.records import Finish, Message, PromptIds, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from tests.models import ARCHITECTURES

PROMPT = PromptIds(before=(5, 6, 7), after=(5, 6, 7))
IDS = tuple((37 * n + 11) % 500 for n in range(40))
ALPHAS = (-1.0, 0.0, 1.5)

MakeProfile = Callable[..., Profile]


def ask(tokens: tuple[int, ...] = IDS, prompt: PromptIds = PROMPT, top: int = 5) -> ScoreRequest:
    lanes = tuple(Lane(reply=f"r{a}", name=f"{a}", alpha=a) for a in ALPHAS)
    return ScoreRequest(prompt=prompt, tokens=tokens, lanes=lanes, top=top)


def steps(events: list[Event], alpha: float) -> list[Step]:
    return [e for e in events if isinstance(e, Step) and e.reply == f"r{alpha}"]


def whole_forward(folder: str, ids: tuple[int, ...]) -> torch.Tensor:
    """Log-probabilities (T, V) of a model that transformers alone loads and runs."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids]), use_cache=False).logits[0]
    return logits.log_softmax(dim=-1)


@pytest.mark.parametrize("window", [7, 256])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_token_has_the_numbers_of_one_forward_pass(
    architecture: str, window: int, tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "SCORE_WINDOW", window)
    profile = tiny_pair(architecture)
    engine = LocalEngine.open(profile)
    # without a mask, the reference softmax is over the same ids
    assert engine.pair.valid is None or engine.pair.valid.all()
    events = list(engine.score(ask()))
    at = torch.arange(len(IDS)) + len(PROMPT.before) - 1
    before, after = (
        whole_forward(side.model, PROMPT.before + IDS)[at]
        for side in (profile.before, profile.after)
    )
    chosen = torch.tensor(IDS).unsqueeze(-1)
    for alpha in ALPHAS:
        amplified = (after + alpha * (after - before)).log_softmax(dim=-1)
        found = steps(events, alpha)
        assert [s.token for s in found] == list(IDS)
        for name, expected in (("before", before), ("after", after), ("amplified", amplified)):
            ours = torch.tensor([getattr(s.logp, name) for s in found])
            torch.testing.assert_close(ours, expected.gather(-1, chosen)[:, 0], atol=1e-4, rtol=0)
        kl = (after.exp() * (after - before)).sum(-1)
        torch.testing.assert_close(torch.tensor([s.kl for s in found]), kl, atol=1e-4, rtol=1e-4)


def test_the_records_are_those_of_a_reply(tiny_pair: MakeProfile) -> None:
    events = list(LocalEngine.open(tiny_pair()).score(ask()))
    replies = [e for e in events if isinstance(e, Reply)]
    assert [(r.alpha, r.forced, r.prompt) for r in replies] == [(a, 40, PROMPT) for a in ALPHAS]
    ended = [e for e in events if isinstance(e, Finish)]
    assert [(f.reason, f.tokens) for f in ended] == [("length", 40)] * 3
    assert isinstance(events[-1], Idle)


def test_an_end_of_turn_ends_nothing(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    end = min(engine.pair.end_of_turn)
    ids = (40, end, 41, end, 42)
    assert [s.token for s in steps(list(engine.score(ask(ids))), 0.0)] == list(ids)


def test_what_was_decoded_is_scored_with_the_same_numbers(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    message = Message(id="m", parent=None, role="user", text="otters")
    sampling = Sampling(temperature=1.0, max_new_tokens=16)
    lanes = (Lane(reply="r1.5", name="", alpha=1.5),)
    request = Request(messages=(message,), lanes=lanes, sampling=sampling)
    decoded = list(engine.generate(request))
    (reply,) = (e for e in decoded if isinstance(e, Reply))
    said = tuple(s.token for s in steps(decoded, 1.5))
    scored = steps(list(engine.score(ask(said, reply.prompt))), 1.5)
    for one, other in zip(steps(decoded, 1.5), scored, strict=True):
        assert one.logp.amplified == pytest.approx(other.logp.amplified, abs=1e-4)
        assert one.rank == other.rank


def test_the_context_may_be_filled_and_not_more(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    room = engine.pair.context - len(PROMPT.before)
    full = tuple(n % 400 for n in range(room))
    assert len(steps(list(engine.score(ask(full, top=0))), 0.0)) == room
    with pytest.raises(ContextError, match="context is used up"):
        next(engine.score(ask((*full, 1))))


@pytest.mark.parametrize(
    ("tokens", "prompt", "why"),
    [
        ((), PROMPT, "nothing to score"),
        (IDS, PromptIds(before=(), after=(1,)), "prompt is empty"),
        ((10**6,), PROMPT, "do not share"),
        ((-1,), PROMPT, "do not share"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    tokens: tuple[int, ...], prompt: PromptIds, why: str, tiny_pair: MakeProfile
) -> None:
    engine = LocalEngine.open(tiny_pair())
    with pytest.raises(LogitAmpError, match=why):
        next(engine.score(ask(tokens, prompt)))
    assert steps(list(engine.score(ask((40, 41)))), 0.0)


def test_changed_sampling_does_not_cut_what_is_scored(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "SCORE_WINDOW", 7)
    engine = LocalEngine.open(tiny_pair())
    events = []
    for event in engine.score(ask()):
        events.append(event)
        if isinstance(event, Step) and event.index == 3:
            engine.apply(SetSampling(Sampling(max_new_tokens=10)))
    assert len(steps(events, 0.0)) == len(IDS)


class Cut(BaseException):
    """As a time limit raises it in the middle of a forward pass."""


def test_whatever_cuts_a_forward_pass_off_leaves_no_wrong_cache(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine.open(tiny_pair())
    expected = list(engine.score(ask()))
    layer = next(m for m in engine.pair.after.model.modules() if "MLP" in type(m).__name__)

    def cut(*_: object) -> None:
        raise Cut

    hook = layer.register_forward_pre_hook(cut)
    with pytest.raises(Cut):
        list(engine.score(ask((1, 2, 3))))
    hook.remove()
    again = list(engine.score(ask()))
    assert steps(again, 1.5) == steps(expected, 1.5)
