"""Openings have the numbers of plain forward passes, and leave no trace in later replies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import ProcessEngine
from logit_amp_chat.core.errors import ContextError, LogitAmpError
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.protocol import (
    Event,
    Forget,
    Idle,
    Lane,
    Prefill,
    Request,
    Stop,
)
from logit_amp_chat.core.records import Message, Opening, Step
from logit_amp_chat.core.sampling import Sampling
from tests.models import ARCHITECTURES

TEXT = "Tell me about otters"
ASKED = Message(id="m-1", parent=None, role="user", text=TEXT)
PATH = (40, 301, 77)

MakeProfile = Callable[..., Profile]


def request(
    path: tuple[int, ...] = (), alpha: float = 1.5, top: int = 6, text: str = TEXT
) -> OpeningsRequest:
    message = Message(id="m-1", parent=None, role="user", text=text)
    return OpeningsRequest(messages=(message,), path=path, alpha=alpha, top=top)


def only(events: Sequence[Event] | Iterator[Event]) -> Opening:
    (opening,) = (event for event in events if isinstance(event, Opening))
    return opening


def rendered(profile: Profile) -> tuple[int, ...]:
    """The prompt as transformers' own template renders it."""
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    chat = [{"role": "user", "content": TEXT}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)


def forward(folder: str, ids: Sequence[int]) -> torch.Tensor:
    """Log-probabilities (T, V), in fp64, of a model that transformers alone loads and runs."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([list(ids)]), use_cache=False).logits[0]
    return logits.double().log_softmax(dim=-1)


def distributions(profile: Profile, path: tuple[int, ...], alpha: float) -> list[torch.Tensor]:
    """Before, after and amplified (1 + path, V), from the prompt's last token on."""
    prompt = rendered(profile)
    before, after = (
        forward(side.model, prompt + path)[len(prompt) - 1 :]
        for side in (profile.before, profile.after)
    )
    return [before, after, (after + alpha * (after - before)).log_softmax(dim=-1)]


# --- numbers ----------------------------------------------------------------------


@pytest.mark.parametrize("path", [(), PATH])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_candidate_has_the_numbers_of_one_forward_pass(
    architecture: str, path: tuple[int, ...], tiny_pair: MakeProfile
) -> None:
    profile = tiny_pair(architecture)
    opening = only(LocalEngine.open(profile).openings(request(path)))
    before, after, amplified = (rows[-1] for rows in distributions(profile, path, 1.5))
    assert opening.prompt.before == opening.prompt.after == rendered(profile)
    assert len(opening.top) >= 6
    for candidate in opening.top:
        assert candidate.before == pytest.approx(before[candidate.id].item(), abs=1e-4)
        assert candidate.after == pytest.approx(after[candidate.id].item(), abs=1e-4)
        assert candidate.amplified == pytest.approx(amplified[candidate.id].item(), abs=1e-4)
    ids = {candidate.id for candidate in opening.top}
    for side in (before, after, amplified):
        assert set(side.topk(6).indices.tolist()) <= ids
    kl = (after.exp() * (after - before)).sum().item()
    boosted = (amplified.exp() * (amplified - after)).sum().item()
    entropy = -(amplified.exp() * amplified).sum().item()
    assert opening.kl == pytest.approx(kl, abs=1e-4)
    assert opening.kl_amplified == pytest.approx(boosted, abs=1e-4)
    assert opening.entropy == pytest.approx(entropy, abs=1e-4)


def test_the_path_has_the_probability_of_its_tokens_one_after_the_other(
    tiny_pair: MakeProfile,
) -> None:
    """Each token's own, so that their product is the probability of the text."""
    profile = tiny_pair()
    opening = only(LocalEngine.open(profile).openings(request(PATH)))
    assert opening.ids == PATH
    names = ("before", "after", "amplified")
    for name, rows in zip(names, distributions(profile, PATH, 1.5), strict=True):
        expected = [rows[place, token].item() for place, token in enumerate(PATH)]
        assert [getattr(token, name) for token in opening.path] == pytest.approx(expected, abs=1e-4)


def test_alpha_0_is_after_and_alpha_minus_1_is_before(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    for alpha, side in ((0.0, "after"), (-1.0, "before")):
        opening = only(engine.openings(request(PATH, alpha)))
        for candidate in (*opening.path, *opening.top):
            assert candidate.amplified == pytest.approx(getattr(candidate, side), abs=2e-6)


def test_nothing_is_sampled_and_an_end_of_turn_in_the_path_ends_nothing(
    tiny_pair: MakeProfile,
) -> None:
    engine = LocalEngine.open(tiny_pair())
    end = min(engine.pair.end_of_turn)
    events = list(engine.openings(request((40, end))))
    assert only(events).ids == (40, end)
    assert not any(isinstance(event, Step) for event in events)
    assert isinstance(events[-1], Idle)


def test_it_is_what_the_first_step_of_a_reply_records(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    sampling = Sampling(max_new_tokens=1)
    lanes = (Lane(reply="r", name="amplified", alpha=1.5),)
    asked = Request(messages=(ASKED,), lanes=lanes, sampling=sampling, top=6)
    step = next(event for event in engine.generate(asked) if isinstance(event, Step))
    opening = only(engine.openings(request()))
    known = {candidate.id: candidate for candidate in opening.top}
    for candidate in step.top:
        if candidate.id in known:  # a step also lists the token that was sampled
            assert known[candidate.id][2:] == pytest.approx(candidate[2:], abs=1e-5)
    assert opening.kl == pytest.approx(step.kl, abs=1e-5)


# --- what it costs, and what it leaves behind -------------------------------------


def prefilled(events: Sequence[Event] | Iterator[Event]) -> int:
    """The tokens that were computed, on both sides."""
    return max(event.total for event in events if isinstance(event, Prefill))


def test_a_level_deeper_computes_the_path_and_not_the_prompt(tiny_pair: MakeProfile) -> None:
    """The path's own tokens again, in one pass: the record holds its whole probability."""
    engine = LocalEngine.open(tiny_pair())
    prompt = len(only(engine.openings(request(text="otters " * 20))).prompt.after)
    assert prompt > 20
    for depth in range(4):
        deeper = request(PATH[:depth], text="otters " * 20)
        assert prefilled(list(engine.openings(deeper))) == 2 * (1 + depth)


def test_replies_are_the_same_whatever_was_opened_between_them(tiny_pair: MakeProfile) -> None:
    """To the last digit, or verify would report the chat: it decodes the replies alone."""
    engine = LocalEngine.open(tiny_pair())
    lanes = (Lane(reply="r", name="amplified", alpha=1.0),)
    sampling = Sampling(temperature=1.0, max_new_tokens=8)
    turns = [
        (Message(id="m", parent=None, role="user", text=text),)
        for text in ("Tell me about otters", "Tell me about otters and more", "Tell me")
    ]

    def replies(look: Callable[[Message], None]) -> list[Step]:
        engine.apply(Forget())
        steps = list[Step]()
        for messages in turns:
            look(messages[-1])
            asked = Request(messages=messages, lanes=lanes, sampling=sampling)
            steps += [event for event in engine.generate(asked) if isinstance(event, Step)]
            look(messages[-1])
        return steps

    def look(message: Message) -> None:
        for path in ((), PATH[:1], PATH):
            list(engine.openings(request(path, text=message.text)))
        for event in engine.openings(request((9,), text=message.text + " stopped")):
            if isinstance(event, Prefill):
                engine.apply(Stop())

    assert replies(look) == replies(lambda message: None)


def test_one_that_is_stopped_has_no_record(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    events = []
    for event in engine.openings(request()):
        events.append(event)
        if isinstance(event, Prefill):
            engine.apply(Stop())
    assert [type(event) for event in events] == [Prefill, Idle]
    assert only(engine.openings(request())).top


# --- errors -----------------------------------------------------------------------


def test_what_cannot_be_opened_is_refused(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    with pytest.raises(LogitAmpError, match="do not share"):
        next(engine.openings(request((10**6,))))
    with pytest.raises(ContextError, match="context is used up"):
        next(engine.openings(request(tuple(range(100, 356)))))
    assert only(engine.openings(request())).top


def test_numbers_that_became_nan_are_an_error_and_no_record(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    weight = next(engine.pair.after.model.parameters())
    with torch.no_grad():
        weight.fill_(math.nan)
    with pytest.raises(LogitAmpError, match=r"could not be measured.*NaN"):
        list(engine.openings(request()))


# --- in a process of its own ------------------------------------------------------


def test_an_engine_in_a_process_gives_the_same_numbers(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair()
    here = only(LocalEngine.open(profile).openings(request(PATH)))
    engine = ProcessEngine.open(profile)
    try:
        events = list(engine.openings(request(PATH)))
        assert only(events) == here
        assert isinstance(events[-1], Idle)
        with pytest.raises(ContextError, match="context is used up"):
            list(engine.openings(request(tuple(range(100, 356)))))
        assert only(engine.openings(request(PATH[:1]))).ids == PATH[:1]
    finally:
        engine.close()
