"""The decoder against a full recompute and against transformers' own generation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    LogitsProcessorList,
    UnbatchedClassifierFreeGuidanceLogitsProcessor,
)

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import ContextError
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import (
    Event,
    Idle,
    Lane,
    Prefill,
    Request,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.records import Change, Finish, Message, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from tests.core.engine.local_decoder import runner_of
from tests.models import ARCHITECTURES

GREEDY = Sampling(temperature=0.0, plausibility=0.0, max_new_tokens=24)
FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=24)

OpenEngine = Callable[..., LocalEngine]


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> OpenEngine:
    opened: dict[str, LocalEngine] = {}

    def open_engine(architecture: str = "llama", **changed: Any) -> LocalEngine:
        key = f"{architecture} {changed}"
        if key not in opened:
            opened[key] = LocalEngine.open(tiny_pair(architecture, **changed))
        return opened[key]

    return open_engine


@pytest.fixture(scope="module")
def talkative(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    """An engine whose replies end only at their limit."""
    profile = tiny_pair()
    return LocalEngine(profile, replace(load_pair(profile), end_of_turn=frozenset()))


def say(*texts: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return tuple(
        Message(id=f"m{n}", parent=f"m{n - 1}" if n else None, role=roles[n % 2], text=text)  # type: ignore[arg-type]
        for n, text in enumerate(texts)
    )


def lanes(*alphas: float) -> tuple[Lane, ...]:
    return tuple(Lane(reply=f"r{n}", name=f"lane {n}", alpha=a) for n, a in enumerate(alphas))


def ask(*alphas: float, text: str = "Tell me about otters", **changed: Any) -> Request:
    return Request(messages=say(text), lanes=lanes(*alphas), **{"sampling": GREEDY, **changed})


def steps(events: list[Event], reply: str = "r0") -> list[Step]:
    return [e for e in events if isinstance(e, Step) and e.reply == reply]


def tokens(events: list[Event], reply: str = "r0") -> list[int]:
    return [s.token for s in steps(events, reply)]


def finish(events: list[Event], reply: str = "r0") -> Finish:
    return next(e for e in events if isinstance(e, Finish) and e.reply == reply)


def full_logits(engine: LocalEngine, side: str, ids: list[int]) -> torch.Tensor:
    """Logits of a whole sequence at once, without any cache, from a model loaded separately."""
    info = engine.pair.infos[0 if side == "before" else 1]
    model = AutoModelForCausalLM.from_pretrained(info.model, dtype=torch.float32)
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids]), use_cache=False).logits[0]
    return logits


@pytest.mark.parametrize("architecture", ARCHITECTURES)
class TestEveryArchitecture:
    def test_cached_steps_equal_a_full_recompute(
        self, engine: OpenEngine, architecture: str
    ) -> None:
        """Every number of every step, from logits computed without a cache."""
        subject = engine(architecture)
        events = list(subject.generate(ask(-1, 0, 1.5, sampling=FREE)))
        prompt = list(next(e for e in events if isinstance(e, Reply)).prompt.after)
        for reply, alpha in (("r0", -1.0), ("r1", 0.0), ("r2", 1.5)):
            said = steps(events, reply)
            ids = prompt + [s.token for s in said]
            before, after = (
                full_logits(subject, side, ids)[len(prompt) - 1 : -1].log_softmax(-1)
                for side in ("before", "after")
            )
            amplified = (after + alpha * (after - before)).log_softmax(-1)
            for n, step in enumerate(said):
                rows = before[n], after[n], amplified[n]
                expected = [float(row[step.token]) for row in rows]
                got = [step.logp.before, step.logp.after, step.logp.amplified]
                assert got == pytest.approx(expected, abs=2e-4)
                assert step.kl == pytest.approx(
                    float((after[n].exp() * (after[n] - before[n])).sum()), abs=2e-4
                )
                for candidate in step.top:
                    assert candidate[2:] == pytest.approx(
                        [float(row[candidate.id]) for row in rows], abs=2e-4
                    )

    def test_greedy_lanes_equal_transformers_guidance(
        self, engine: OpenEngine, architecture: str
    ) -> None:
        """Lane by lane what generate() with its CFG processor returns."""
        subject = engine(architecture)
        events = list(subject.generate(ask(-1, 0, 2)))
        prompt = next(e for e in events if isinstance(e, Reply)).prompt.after
        before, after = (
            AutoModelForCausalLM.from_pretrained(info.model, dtype=torch.float32)
            for info in subject.pair.infos
        )
        ids = torch.tensor([prompt])
        for reply, alpha in (("r0", -1), ("r1", 0), ("r2", 2)):
            guidance = UnbatchedClassifierFreeGuidanceLogitsProcessor(
                1 + alpha, before, unconditional_ids=ids
            )
            expected = after.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=24,
                do_sample=False,
                logits_processor=LogitsProcessorList([guidance]),
                eos_token_id=list(subject.pair.end_of_turn),
                pad_token_id=0,
            )[0, len(prompt) :].tolist()
            assert tokens(events, reply) == expected

    def test_a_new_turn_reads_only_what_is_new(self, engine: OpenEngine, architecture: str) -> None:
        subject = engine(architecture)
        history = ["hello there " * 8, "the quick brown fox", "and then?"]
        list(subject.generate(Request(messages=say(*history), lanes=lanes(0), sampling=GREEDY)))
        longer = say(*history, "it sleeps", "why?")
        request = Request(messages=longer, lanes=lanes(0, 1), sampling=FREE)
        warm = list(subject.generate(request))
        read = [e for e in warm if isinstance(e, Prefill)][-1].total
        subject._decoder.forget()
        cold = list(subject.generate(request))
        total = [e for e in cold if isinstance(e, Prefill)][-1].total
        assert read < total / 2
        assert [tokens(warm, r) for r in ("r0", "r1")] == [tokens(cold, r) for r in ("r0", "r1")]


class TestLanes:
    def test_each_lane_says_what_it_says_alone(self, engine: OpenEngine) -> None:
        subject = engine()
        together = list(subject.generate(ask(-1, 0, 0.7, 3, 64, sampling=FREE)))
        for n, alpha in enumerate((-1, 0, 0.7, 3, 64)):
            alone = list(subject.generate(ask(alpha, sampling=FREE)))
            assert tokens(alone) == tokens(together, f"r{n}")

    def test_equal_alphas_give_equal_text(self, engine: OpenEngine) -> None:
        events = list(engine().generate(ask(0.5, 0.5, sampling=FREE)))
        assert tokens(events, "r0") == tokens(events, "r1")

    def test_the_same_request_gives_the_same_steps(self, engine: OpenEngine) -> None:
        first, second = (list(engine().generate(ask(1, sampling=FREE))) for _ in range(2))
        assert steps(first) == steps(second)

    def test_another_seed_gives_another_text(self, engine: OpenEngine) -> None:
        other = FREE.model_copy(update={"seed": 1})
        texts = [
            tokens(list(engine().generate(ask(1, sampling=s, text="count")))) for s in (FREE, other)
        ]
        assert texts[0] != texts[1]

    def test_it_ends_with_idle_after_a_finish_a_lane(self, engine: OpenEngine) -> None:
        events = list(engine().generate(ask(-1, 0, 1, sampling=FREE)))
        assert events[-1] == Idle()
        assert {e.reply for e in events if isinstance(e, Finish)} == {"r0", "r1", "r2"}

    def test_a_lane_stops_at_the_end_of_turn(self, engine: OpenEngine) -> None:
        long = FREE.model_copy(update={"max_new_tokens": 200})
        events = list(engine().generate(ask(0, 1, 2, sampling=long)))
        for reply in ("r0", "r1", "r2"):
            said = tokens(events, reply)
            ends = engine().pair.end_of_turn
            assert not ends & set(said[:-1])
            assert (said[-1] in ends) == (finish(events, reply).reason == "stop")
            assert finish(events, reply).tokens == len(said)


class TestLiveChanges:
    def test_alpha_is_in_force_one_token_later(self, talkative: LocalEngine) -> None:
        subject = talkative
        events: list[Event] = []
        for event in subject.generate(ask(0, sampling=FREE)):
            events.append(event)
            if isinstance(event, Step) and event.index == 4:
                subject.apply(SetAlpha("r0", 3.0))
        assert [s.alpha for s in steps(events)][:7] == [0, 0, 0, 0, 0, 3, 3]

    def test_changing_alpha_equals_having_had_it_from_there(self, talkative: LocalEngine) -> None:
        """Caches depend on tokens alone: a branch at the same tokens gives the same reply."""
        subject = talkative
        events: list[Event] = []
        for event in subject.generate(ask(0, sampling=FREE)):
            events.append(event)
            if isinstance(event, Step) and event.index == 4:
                subject.apply(SetAlpha("r0", 3.0))
        head = tuple(tokens(events)[:5])
        branch = list(subject.generate(ask(3.0, sampling=FREE, forced=head)))
        assert tokens(branch) == tokens(events)

    def test_sampling_changes_are_recorded_where_they_begin(self, talkative: LocalEngine) -> None:
        subject = talkative
        events: list[Event] = []
        for event in subject.generate(ask(0, 1, sampling=FREE)):
            events.append(event)
            if isinstance(event, Step) and event.index == 2 and event.reply == "r1":
                subject.apply(SetSampling(GREEDY))
        changes = [e for e in events if isinstance(e, Change)]
        assert [(c.reply, c.index, c.sampling) for c in changes] == [
            ("r0", 3, GREEDY),
            ("r1", 3, GREEDY),
        ]
        assert all(s.rank.after == 1 for s in steps(events)[3:])

    def test_stop_ends_one_lane_and_then_all(self, talkative: LocalEngine) -> None:
        subject = talkative
        events: list[Event] = []
        for event in subject.generate(ask(0, 1, sampling=FREE)):
            events.append(event)
            if isinstance(event, Step) and event.reply == "r1":
                if event.index == 2:
                    subject.apply(Stop("r0"))
                if event.index == 4:
                    subject.apply(Stop())
        assert [len(steps(events, r)) for r in ("r0", "r1")] == [3, 5]
        assert {finish(events, r).reason for r in ("r0", "r1")} == {"cancelled"}

    def test_commands_without_a_request_do_nothing(self, talkative: LocalEngine) -> None:
        talkative.apply(Stop())
        assert finish(list(talkative.generate(ask(0)))).reason != "cancelled"


class TestForcedPrefix:
    def test_forced_tokens_are_measured_like_any_other(self, engine: OpenEngine) -> None:
        subject = engine()
        whole = list(subject.generate(ask(-1, 2, sampling=FREE)))
        for reply, alpha in (("r0", -1), ("r1", 2)):
            head = tuple(tokens(whole, reply)[:6])
            again = list(subject.generate(ask(alpha, sampling=FREE, forced=head)))
            assert tokens(again) == tokens(whole, reply)
            for ours, theirs in zip(steps(again), steps(whole, reply), strict=True):
                assert ours.logp.amplified == pytest.approx(theirs.logp.amplified, abs=1e-4)
                assert ours.rank == theirs.rank

    def test_the_record_says_how_many(self, engine: OpenEngine) -> None:
        events = list(engine().generate(ask(0, forced=(40, 41))))
        assert next(e for e in events if isinstance(e, Reply)).forced == 2
        assert tokens(events)[:2] == [40, 41]

    def test_a_forced_prefix_that_fills_max_new_tokens_ends_there(self, engine: OpenEngine) -> None:
        short = FREE.model_copy(update={"max_new_tokens": 2})
        events = list(engine().generate(ask(0, forced=(40, 41), sampling=short)))
        assert tokens(events) == [40, 41]
        assert finish(events).reason == "length"


class TestContext:
    def test_a_conversation_longer_than_the_context_is_refused_with_the_count(
        self, engine: OpenEngine
    ) -> None:
        with pytest.raises(ContextError, match=r"has 1,503 tokens and the model holds 256"):
            list(engine().generate(ask(0, text="otters " * 300)))

    def test_a_reply_ends_where_the_context_does(self, engine: OpenEngine) -> None:
        subject = engine("gpt2")
        long = FREE.model_copy(update={"max_new_tokens": 10_000, "seed": 3})
        for n in range(20):
            events = list(
                subject.generate(
                    ask(0, text="a b c " * 30, sampling=long.model_copy(update={"seed": n}))
                )
            )
            if finish(events).reason == "context":
                break
        prompt = next(e for e in events if isinstance(e, Reply)).prompt.after
        assert finish(events).reason == "context"
        assert len(prompt) + finish(events).tokens == subject.pair.context


class TestRecords:
    def test_the_top_list_is_the_union_the_design_names(self, engine: OpenEngine) -> None:
        subject = engine()
        events = list(subject.generate(ask(1, sampling=FREE, top=5)))
        prompt = list(next(e for e in events if isinstance(e, Reply)).prompt.after)
        step = steps(events)[0]
        before, after = (
            full_logits(subject, side, prompt)[-1].log_softmax(-1) for side in ("before", "after")
        )
        amplified = (2 * after - before).log_softmax(-1)
        best = {int(i) for row in (before, after, amplified) for i in row.topk(5).indices}
        moved = {int(i) for i in (after - before).abs().topk(5).indices}
        assert {c.id for c in step.top} == best | moved | {step.token}
        assert [c.amplified for c in step.top] == sorted(
            (c.amplified for c in step.top), reverse=True
        )

    def test_top_zero_leaves_candidates_out(self, engine: OpenEngine) -> None:
        assert all(s.top == () for s in steps(list(engine().generate(ask(0, top=0)))))

    def test_a_temperature_does_not_change_the_recorded_numbers(self, engine: OpenEngine) -> None:
        cold = Sampling(temperature=0.3, top_p=0.5, top_k=3, max_new_tokens=1)
        hot = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=1)
        first = [
            {c.id: c for c in steps(list(engine().generate(ask(1, sampling=s))))[0].top}
            for s in (cold, hot)
        ]
        assert all(first[0][i] == first[1][i] for i in first[0].keys() & first[1].keys())

    def test_numbers_that_became_nan_end_the_reply_with_an_error(
        self, talkative: LocalEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subject = talkative
        sides = runner_of(subject)
        original = sides.decode
        monkeypatch.setattr(sides, "decode", lambda t: [side * math.nan for side in original(t)])
        events = list(subject.generate(ask(0, sampling=FREE)))
        assert finish(events).reason == "error"
        assert "NaN" in (finish(events).error or "")
        monkeypatch.undo()
        assert finish(list(subject.generate(ask(0, sampling=FREE)))).reason != "error"
