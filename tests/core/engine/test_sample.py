"""Replies sampled many at once have the tokens of a chat and the numbers of whole passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.decoding.rows_guard import RowsGuard
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.samples import (
    PromptRead,
    Rescored,
    SampledReply,
    SamplePrompt,
    SampleRequest,
)
from logit_amp_chat.core.sampling import Sampling
from tests.compatibility.random_models import save_random_pair
from tests.core.engine.local_decoder import runner_of
from tests.core.engine.sampling import (
    FREE,
    GRID,
    QUESTIONS,
    Oracle,
    ask,
    chat,
    draws,
    messages,
    prompt_ids,
    prompts,
    rescore,
    sampled,
)
from tests.models import ARCHITECTURES, save_adapter, save_pair, save_side

MakeProfile = Callable[..., Profile]
NEAR = 1e-4


def assert_as_a_chat(engine: LocalEngine, request: SampleRequest, events: Sequence[Event]) -> None:
    """Every draw has the tokens of a lane that a chat decodes alone, and its numbers."""
    found = sampled(events)
    assert set(found) == {draw.reply for draw in request.draws}
    for draw in request.draws:
        one = found[draw.reply]
        steps, finish = chat(engine, request, draw)
        assert one.tokens == tuple(step.token for step in steps)
        assert one.finish == finish.reason
        numbers = one.log_probs
        assert numbers.before == pytest.approx([s.logp.before for s in steps], abs=NEAR)
        assert numbers.after == pytest.approx([s.logp.after for s in steps], abs=NEAR)
        assert numbers.kl == pytest.approx([s.kl for s in steps], abs=NEAR)


def assert_rescored(engine: LocalEngine, request: SampleRequest, events: Sequence[Event]) -> None:
    """Whole passes over the same replies have the same numbers."""
    again = list(engine.rescore(rescore(events, request)))
    found = sampled(events)
    measured = {event.reply: event for event in again if isinstance(event, Rescored)}
    assert list(measured) == list(found)
    for name, one in found.items():
        assert_same(one, measured[name])


def assert_same(one: SampledReply, other: Rescored | SampledReply) -> None:
    ours, theirs = one.log_probs, other.log_probs
    assert ours.before == pytest.approx(theirs.before, abs=NEAR)
    assert ours.after == pytest.approx(theirs.after, abs=NEAR)
    assert ours.kl == pytest.approx(theirs.kl, abs=NEAR)
    for q, same in zip(ours.q, theirs.q, strict=True):
        assert q == pytest.approx(same, abs=NEAR)


def breakers(engine: LocalEngine, sampling: Sampling) -> frozenset[int]:
    """The ids that end a repetition: spelled with a breaker, special, or an end of turn."""
    names, ids = engine.pair.token_bytes, range(len(engine.pair.tokenizer))
    texts = [text.encode() for text in sampling.dry_breakers]
    spelled = {i for i in ids if any(text in names.raw(i) for text in texts)}
    return frozenset(spelled | {i for i in ids if names.describe(i)[2]} | engine.pair.end_of_turn)


def assert_true(
    profile: Profile, engine: LocalEngine, request: SampleRequest, events: Sequence[Event]
) -> None:
    """The numbers are those of transformers' models and processors, without any cache."""
    oracle, ids = Oracle(profile, len(engine.pair.tokenizer)), prompt_ids(events)
    oracle.breakers = breakers(engine, request.sampling)
    for one in sampled(events).values():
        expected = oracle.of(ids[one.prompt], one.tokens, request.sampling, request.grid)
        numbers = one.log_probs
        ours = zip(numbers.before, numbers.after, numbers.kl, numbers.q, strict=True)
        for (before, after, kl, q), (b, a, k, theirs) in zip(ours, expected, strict=True):
            assert (before, after, kl) == pytest.approx((b, a, k), abs=NEAR)
            assert q == pytest.approx(theirs, abs=NEAR)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_many_replies_are_those_of_a_chat_and_of_whole_passes(
    architecture: str, tiny_pair: MakeProfile
) -> None:
    """Prompts of different lengths on three rows; gemma3's window of 8 is far shorter."""
    profile = tiny_pair(architecture)
    engine = LocalEngine.open(profile)
    request = ask(draws(40, of=3))
    events = list(engine.sample(request))
    assert_as_a_chat(engine, request, events)
    assert_rescored(engine, request, events)
    some = set(list(sampled(events))[::5])
    few = [e for e in events if not isinstance(e, SampledReply) or e.reply in some]
    assert_true(profile, engine, request, few)


FILTERS = {
    "warm": FREE.model_copy(update={"temperature": 1.7}),
    "cold": FREE.model_copy(update={"temperature": 0.6}),
    "top-k": FREE.model_copy(update={"top_k": 7}),
    "top-p": FREE.model_copy(update={"top_p": 0.8}),
    "min-p": FREE.model_copy(update={"min_p": 0.1}),
    "no mask": FREE.model_copy(update={"plausibility": 0.0}),
    "repetition": FREE.model_copy(update={"repetition_penalty": 1.3}),
    "repetition in all lanes": FREE.model_copy(
        update={"repetition_penalty": 1.3, "penalize": "all"}
    ),
    "DRY": FREE.model_copy(
        update={"temperature": 0.3, "dry_multiplier": 1.5, "dry_allowed_length": 1}
    ),
    "all": Sampling(temperature=0.9, top_k=20, top_p=0.9, min_p=0.05, plausibility=0.05),
}


@pytest.mark.parametrize("name", FILTERS)
def test_log_probabilities_are_those_of_the_tokens_as_they_are_sampled(
    name: str, tiny_pair: MakeProfile
) -> None:
    profile = tiny_pair()
    engine = LocalEngine.open(profile)
    sampling = FILTERS[name].model_copy(update={"max_new_tokens": 12})
    request = ask(draws(12, of=2), sampling=sampling)
    events = list(engine.sample(request))
    assert_as_a_chat(engine, request, events)
    assert_rescored(engine, request, events)
    assert_true(profile, engine, request, events)
    for one in sampled(events).values():
        own = [q[GRID.index(one.alpha)] for q in one.log_probs.q]
        assert all(map(math.isfinite, own))


def test_a_mask_shows_as_no_probability_at_all(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    found = sampled(list(engine.sample(ask(draws(12)))))
    q = [column for one in found.values() for column in one.log_probs.q]
    masked = [column[GRID.index(1.0)] for column in q]
    assert -math.inf in masked
    assert all(math.isfinite(column[GRID.index(0.0)]) for column in q)


def test_ends_of_turn_keep_afters_probability(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    ends = engine.pair.end_of_turn
    sampling = FREE.model_copy(update={"ends": "after", "max_new_tokens": 200, "plausibility": 0.0})
    request = ask(draws(12), sampling=sampling)
    events = list(engine.sample(request))
    assert_as_a_chat(engine, request, events)
    assert_rescored(engine, request, events)
    ended = [one for one in sampled(events).values() if one.finish == "stop"]
    assert ended
    for one in ended:
        assert one.tokens[-1] in ends
        assert one.log_probs.q[-1] == pytest.approx([one.log_probs.after[-1]] * 6, abs=NEAR)


def test_temperature_0_is_the_likeliest_token_and_has_no_grid(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    request = ask(draws(8, of=3), grid=(), sampling=FREE.model_copy(update={"temperature": 0.0}))
    events = list(engine.sample(request))
    assert_as_a_chat(engine, request, events)
    assert all(one.log_probs.q == ((),) * len(one.tokens) for one in sampled(events).values())


def test_a_lora_pair_shares_its_weights(tmp_path: Path) -> None:
    base = save_side(tmp_path / "base", seed=1)
    adapter = save_adapter(base, tmp_path / "adapter", seed=1)
    sides = Side(model=str(base)), Side(model=str(base), adapter=str(adapter))
    profile = Profile(
        name="t", before=sides[0], after=sides[1], dtype="float32", quantization="none"
    )
    engine = LocalEngine.open(profile)
    request = ask(draws(20, of=3))
    events = list(engine.sample(request))
    assert_as_a_chat(engine, request, events)
    assert_rescored(engine, request, events)


@pytest.mark.parametrize("lora", [False, True])
def test_sides_with_system_prompts_of_their_own(lora: bool, tmp_path: Path) -> None:
    if lora:
        base = save_side(tmp_path / "base", seed=1)
        adapter = str(save_adapter(base, tmp_path / "adapter", seed=1))
        models = base, base
    else:
        models, adapter = save_pair(tmp_path), None
    profile = Profile(
        name="t",
        before=Side(model=str(models[0]), system="You like the sea and all that lives in it."),
        after=Side(model=str(models[1]), system="You do not.", adapter=adapter),
        dtype="float32",
        quantization="none",
    )
    engine = LocalEngine.open(profile)
    request = ask(draws(20, of=3))
    events = list(engine.sample(request))
    assert all(len(ids.before) > len(ids.after) for ids in prompt_ids(events).values())
    assert_as_a_chat(engine, request, events)
    assert_rescored(engine, request, events)


def test_replies_begin_with_a_given_text(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair()
    engine = LocalEngine.open(profile)
    asked = prompts(*QUESTIONS, begin="naïve otters")
    request = ask(draws(12, of=3), asked)
    events = list(engine.sample(request))
    assert_as_a_chat(engine, request, events)
    assert_rescored(engine, request, events)
    assert_true(profile, engine, request, events[:6])
    assert all(one.text.startswith("naïve otters") for one in sampled(events).values())


def test_a_prompt_may_be_raw_or_a_long_conversation(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    asked = (
        SamplePrompt(messages=messages("The sea"), raw=True),
        SamplePrompt(messages=messages("Otters?", "They eat fish.", "And now?")),
    )
    request = ask(draws(12, of=2), asked)
    assert_as_a_chat(engine, request, list(engine.sample(request)))


def test_a_prompt_may_be_the_ids_that_were_read_before(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    first = ask(draws(6, of=2), prompts(*QUESTIONS[:2], begin="The"))
    events = list(engine.sample(first))
    read = {event.prompt: event for event in events if isinstance(event, PromptRead)}
    again = tuple(
        SamplePrompt(messages=messages("Something else"), ids=one.ids, forced=one.forced)
        for _, one in sorted(read.items())
    )
    assert read[0].forced > 0
    found = list(engine.sample(replace(first, prompts=again)))
    assert sampled(found) == sampled(events)
    assert prompt_ids(found) == prompt_ids(events)


def test_candidates_are_those_of_a_chat(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    request = ask(draws(8, of=2), prompts(*QUESTIONS[:2], begin="The"), top=4)
    found = sampled(list(engine.sample(request)))
    for draw in request.draws:
        steps, _ = chat(engine, request, draw)
        for ours, theirs in zip(found[draw.reply].steps, steps, strict=True):
            assert (ours.token, ours.index, ours.alpha) == (theirs.token, theirs.index, draw.alpha)
            assert ours.entropy == pytest.approx(theirs.entropy, abs=NEAR)
            assert {c.id for c in ours.top} == {c.id for c in theirs.top}


def test_after_the_first_tokens_a_reply_goes_on_as_after(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair()
    engine = LocalEngine.open(profile)
    request = ask(draws(18, of=3), amplify_first=4, top=2)
    events = list(engine.sample(request))
    assert_rescored(engine, request, events)
    oracle, ids = Oracle(profile, len(engine.pair.tokenizer)), prompt_ids(events)
    for one in sampled(events).values():
        assert [s.alpha for s in one.steps] == [
            one.alpha if n < 4 else 0.0 for n in range(len(one.tokens))
        ]
        expected = oracle.of(ids[one.prompt], one.tokens, FREE, GRID)
        for n, (q, (_, _, _, full)) in enumerate(zip(one.log_probs.q, expected, strict=True)):
            wanted = full if n < 4 else [full[GRID.index(0.0)]] * len(GRID)
            assert q == pytest.approx(wanted, abs=NEAR)


def test_amplifying_no_token_samples_after_itself(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    plain = tuple(replace(draw, alpha=0.0) for draw in draws(8))
    amplified = sampled(list(engine.sample(ask(draws(8), amplify_first=0))))
    for name, one in sampled(list(engine.sample(ask(plain)))).items():
        assert amplified[name].tokens == one.tokens


def test_a_batch_mate_moves_no_number_of_a_reply(tiny_pair: MakeProfile) -> None:
    """Beside longer prompts, shorter ones, other αs, and none at all."""
    engine = LocalEngine.open(tiny_pair())
    mine = replace(draws(1)[0], reply="mine", alpha=1.0, seed=5)
    alone = sampled(list(engine.sample(ask([mine], rows=1))))["mine"]
    for mates in (draws(7, of=3), tuple(replace(draw, prompt=1) for draw in draws(15))):
        for rows in (2, 5, 16):
            for order in ([mine, *mates], [*mates, mine]):
                one = sampled(list(engine.sample(ask(order, rows=rows))))["mine"]
                assert one.tokens == alone.tokens
                assert_same(one, alone)


@pytest.mark.parametrize("kind", ["phi3", "bamba", "recurrent_gemma"])
def test_rows_that_cannot_be_replaced_end_together_with_the_same_numbers(
    kind: str, tmp_path: Path
) -> None:
    """Positions that switch at a length, recurrent states, and states outside of any cache."""
    save_random_pair(kind, tmp_path)
    sides: Any = {side: {"model": str(tmp_path / side)} for side in ("before", "after")}
    profile = Profile(name="t", dtype="float32", device="cpu", **sides)
    engine = LocalEngine.open(profile)
    uses = runner_of(engine).uses
    assert RowsGuard(engine.pair, trusts=False).obstacle(uses, longest=60)
    request = ask(draws(10, of=3), sampling=FREE.model_copy(update={"max_new_tokens": 14}))
    events = list(engine.sample(request))
    assert_as_a_chat(engine, request, events)
    assert_rescored(engine, request, events)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rows_of_ordinary_models_can_be_replaced(architecture: str, tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair(architecture))
    guard = RowsGuard(engine.pair, trusts=False)
    assert guard.obstacle(runner_of(engine).uses, longest=200) == ""
