"""Penalties of repetition in whole replies: chosen by them, recorded without them, replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, RepetitionPenaltyLogitsProcessor

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.decoder import Decoder
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Event, Lane, Request, SetAlpha, SetSampling
from logit_amp_chat.core.records import Change, Finish, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line, to_line
from logit_amp_chat.core.transcripts.replay import replay
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.decoding.dry import enumerated
from tests.core.engine.sampling import messages

GREEDY = Sampling(temperature=0.0, plausibility=0.0, max_new_tokens=30)
PENALTIES: dict[str, dict[str, object]] = {
    "repetition": {"repetition_penalty": 1.4},
    "DRY": {"dry_multiplier": 2.0, "dry_allowed_length": 1},
    "both": {"repetition_penalty": 1.2, "dry_multiplier": 1.0, "penalize": "all"},
}
ALPHAS = (-1.0, 0.0, 2.0)


@pytest.fixture(scope="module")
def profile(tiny_pair: Callable[..., Profile]) -> Profile:
    return tiny_pair()


def open_engine(profile: Profile, *, captures: bool = False) -> LocalEngine:
    """One whose replies end only at their limit; captured steps run eagerly without a GPU."""
    pair = replace(load_pair(profile), end_of_turn=frozenset())
    return LocalEngine(profile, pair, decoder=Decoder(pair, cuda_graphs=captures))


@pytest.fixture(scope="module")
def engine(profile: Profile) -> LocalEngine:
    return open_engine(profile)


def request(sampling: Sampling, forced: Sequence[int] = ()) -> Request:
    return Request(
        messages=messages("Otters, otters, otters?"),
        lanes=tuple(Lane(reply=f"r{n}", name=f"{a}", alpha=a) for n, a in enumerate(ALPHAS)),
        sampling=sampling,
        forced=tuple(forced),
    )


def logs_of(events: Sequence[Event]) -> list[ReplyLog]:
    records = [e for e in events if isinstance(e, Reply | Step | Change | Finish)]
    return list(Conversation(records).replies.values())


def chosen(name: str) -> Sampling:
    return Sampling.model_validate(GREEDY.model_dump() | PENALTIES[name])


class Oracle:
    """The greedy token after any ids, from whole passes and transformers' own processor."""

    def __init__(self, engine: LocalEngine) -> None:
        self._models = [
            AutoModelForCausalLM.from_pretrained(info.model, dtype=torch.float32)
            for info in engine.pair.infos
        ]
        names = engine.pair.token_bytes
        self._size = engine.pair.size
        self._valid = engine.pair.valid
        self.breakers = {
            i
            for i in range(self._size)
            if names.describe(i)[2] or any(b in names.raw(i) for b in (b"\n", b":", b'"', b"*"))
        }

    @torch.inference_mode()
    def amplified(self, ids: Sequence[int], alpha: float) -> torch.Tensor:
        rows = [
            model(torch.tensor([ids]), use_cache=False).logits[0, -1, : self._size]
            for model in self._models
        ]
        if self._valid is not None:
            rows = [row.masked_fill(~self._valid, -torch.inf) for row in rows]
        before, after = (row.log_softmax(-1) for row in rows)
        mixed = torch.where(after.isneginf(), after, after + alpha * (after - before))
        return mixed.log_softmax(-1)

    def token(self, ids: Sequence[int], alpha: float, sampling: Sampling) -> int:
        scores = self.amplified(ids, alpha)
        if alpha not in (-1, 0) or sampling.penalize == "all":
            penalty = RepetitionPenaltyLogitsProcessor(float(sampling.repetition_penalty))
            scores = penalty(torch.tensor([ids]), scores[None])[0]
            if sampling.dry_multiplier:
                for token, nats in enumerated(ids, self.breakers, sampling).items():
                    scores[token] -= nats
        return int(scores.argmax())


@pytest.mark.parametrize("name", PENALTIES)
def test_tokens_are_chosen_with_the_penalties_and_recorded_without(
    engine: LocalEngine, name: str
) -> None:
    oracle, sampling = Oracle(engine), chosen(name)
    plain = logs_of(list(engine.generate(request(GREEDY))))
    found = logs_of(list(engine.generate(request(sampling))))
    for log, free in zip(found, plain, strict=True):
        ids = [*log.reply.prompt.after]
        for step in log.steps:
            assert step.token == oracle.token(ids, log.reply.alpha, sampling)
            unpenalized = oracle.amplified(ids, log.reply.alpha)
            assert step.logp.amplified == pytest.approx(float(unpenalized[step.token]), abs=2e-4)
            ids.append(step.token)
        penalized = log.reply.alpha not in (-1, 0) or sampling.penalize == "all"
        same = [s.token for s in log.steps] == [s.token for s in free.steps]
        assert same == (not penalized)


def test_given_tokens_count_as_what_stands_before(engine: LocalEngine) -> None:
    """A reply that is begun with its own first tokens goes on as it did."""
    whole = logs_of(list(engine.generate(request(chosen("both")))))[2]
    tokens = [step.token for step in whole.steps]
    begun = logs_of(list(engine.generate(request(chosen("both"), tokens[:11]))))[2]
    assert [step.token for step in begun.steps] == tokens


@pytest.mark.parametrize("captures", [False, True])
def test_they_may_be_switched_while_a_reply_runs(profile: Profile, captures: bool) -> None:
    """On, off and on again, α as well: every token is that of the settings in its record."""
    engine = open_engine(profile, captures=captures)
    oracle = Oracle(engine)
    plan = {4: chosen("both"), 10: GREEDY, 15: chosen("DRY"), 20: chosen("repetition")}
    events: list[Event] = []
    for event in engine.generate(request(GREEDY)):
        events.append(event)
        if isinstance(event, Step) and event.reply == "r2" and event.index in plan:
            engine.apply(SetSampling(plan[event.index]))
            engine.apply(SetAlpha("r1", float(event.index)))
    for log in logs_of(events):
        assert len(log.changes) == len(plan)
        ids = [*log.reply.prompt.after]
        for step in log.steps:
            assert step.token == oracle.token(ids, step.alpha, log.sampling_at(step.index))
            ids.append(step.token)


@pytest.mark.parametrize("captures", [False, True])
def test_replies_are_replayed(profile: Profile, captures: bool) -> None:
    engine = open_engine(profile, captures=captures)
    sampling = chosen("both").model_copy(update={"temperature": 0.8})
    found = logs_of(list(engine.generate(request(sampling))))
    assert from_line(to_line(found[0].reply)) == found[0].reply
    engine._decoder.forget()
    assert all(result.identical for result in replay(engine, found))
