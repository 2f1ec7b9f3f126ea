"""Ends of turn that `before` never learned: said when a pair opens; as `after` has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.end_tokens import unlearned_end
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.protocol import Event, Lane, Request, SetSampling
from logit_amp_chat.core.records import Message, Opening, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.replay import replay, requests_by_session

MakeProfile = Callable[..., Profile]
QUESTION = Message(id="m", parent=None, role="user", text="Tell me about otters")
KEEP = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=6, ends="after")
ALPHAS = (-1.0, 0.0, 0.5, 3.0)
END, ROWS = 4, 512


def ask(*alphas: float, sampling: Sampling = KEEP) -> Request:
    return Request(
        messages=(QUESTION,),
        lanes=tuple(Lane(reply=f"r{n}", name=str(n), alpha=a) for n, a in enumerate(alphas)),
        sampling=sampling,
        top=ROWS,
    )


def by_formula(profile: Profile, ids: tuple[int, ...], alpha: float) -> torch.Tensor:
    """The distribution that README states, in fp64 from whole forward passes of transformers."""
    rows = []
    for side in (profile.before, profile.after):
        model = AutoModelForCausalLM.from_pretrained(side.model, dtype=torch.float64)
        with torch.inference_mode():
            rows.append(model(torch.tensor([ids])).logits[0, -1].softmax(-1))
    before, after = rows
    mixed = after.log() * (1 + alpha) - before.log() * alpha
    words = torch.arange(ROWS) != END
    p = torch.where(words, (mixed - mixed[words].max()).exp(), 0.0)
    return torch.where(words, p / p.sum() * (1 - after[END]), after).log()


@pytest.fixture(scope="module")
def engine(tiny_pair: MakeProfile) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


def steps(events: list[Event], reply: str) -> list[Step]:
    return [e for e in events if isinstance(e, Step) and e.reply == reply]


def test_every_lane_has_after_s_probability_of_ending(
    engine: LocalEngine, tiny_pair: MakeProfile
) -> None:
    events = [*engine.generate(ask(*ALPHAS))]
    prompt = next(e for e in events if isinstance(e, Reply)).prompt.after
    for n, alpha in enumerate(ALPHAS):
        said = steps(events, f"r{n}")
        for step in (said[0], said[-1]):
            ids = (*prompt, *(s.token for s in said[: step.index]))
            expected = by_formula(tiny_pair(), ids, alpha)
            found = {c.id: c for c in step.top}
            assert len(found) == ROWS
            assert found[END].amplified == found[END].after
            assert [found[i].amplified for i in range(ROWS)] == pytest.approx(
                expected.tolist(), abs=1e-3
            )


def test_mixed_is_the_default(engine: LocalEngine) -> None:
    mixed = KEEP.model_copy(update={"ends": "mix"})
    assert Sampling().ends == "mix"
    first = steps([*engine.generate(ask(-1.0, sampling=mixed))], "r0")[0]
    end = next(c for c in first.top if c.id == END)
    assert end.amplified == end.before != end.after


def test_it_changes_in_mid_reply_and_is_replayed(engine: LocalEngine) -> None:
    subject = LocalEngine(Profile.model_validate(engine.opened.session.profile), engine.pair)
    subject.pair.__dict__["ends"] = engine.pair.ends
    start = KEEP.model_copy(update={"ends": "mix", "max_new_tokens": 12})
    events: list[Any] = []
    for event in subject.generate(ask(0.0, 2.0, sampling=start)):
        events.append(event)
        if isinstance(event, Step) and (event.reply, event.index) == ("r1", 3):
            subject.apply(SetSampling(start.model_copy(update={"ends": "after"})))
    kept = [c.amplified == c.after for s in steps(events, "r1") for c in s.top if c.id == END]
    assert (any(kept[:4]), all(kept[4:])) == (False, True)
    subject._decoder.forget()
    (part,) = requests_by_session([subject.opened.session, QUESTION, *events])
    for request in part.requests:
        assert all(result.identical for result in replay(subject, request))


def test_an_opening_has_them_too_and_says_so(engine: LocalEngine) -> None:
    asked = OpeningsRequest(messages=(QUESTION,), alpha=3.0, top=ROWS, ends="after")
    (found,) = (e for e in engine.openings(asked) if isinstance(e, Opening))
    end = next(c for c in found.top if c.id == END)
    assert end.amplified == end.after
    assert found.ends == "after"


def test_a_session_names_the_ends_of_its_pair(engine: LocalEngine) -> None:
    assert engine.opened.session.end_of_turn == (END,)


# --- the notice -----------------------------------------------------------------


@dataclass(frozen=True)
class Says:
    """A side that gives its end tokens these log-probabilities, whatever was said."""

    ends: tuple[tuple[int, float], ...]

    def new_cache(self) -> None:
        return None

    def logits(self, ids: torch.Tensor, cache: None, last: int) -> torch.Tensor:
        taken = sum(torch.tensor(p).exp() for _, p in self.ends)
        row = torch.full((ROWS,), float((1 - torch.as_tensor(taken)).log()))
        row -= torch.tensor(float(ROWS - len(self.ends))).log()
        for token, p in self.ends:
            row[token] = p
        return row.expand(1, last, ROWS)


def notice(
    pair: Pair, before: dict[int, float], after: dict[int, float], template: str | None = None
) -> str | None:
    sides: Any = [Says(tuple(ends.items())) for ends in (before, after)]
    changed = replace(
        pair, before=sides[0], after=sides[1], end_of_turn=frozenset(before) | frozenset(after)
    )
    chat = ChatTemplate(pair.tokenizer, template or pair.template, (None, None))
    return unlearned_end(changed, chat)


@pytest.fixture(scope="module")
def pair(tiny_pair: MakeProfile) -> Pair:
    return load_pair(tiny_pair())


def test_an_end_that_before_never_learned_is_said_with_both_figures(pair: Pair) -> None:
    said = notice(pair, {END: -17.25}, {END: -0.5})
    assert said is not None
    assert "'<|end|>'" in said
    assert "−17.25 against −0.50" in said
    assert "--ends after" in said


@pytest.mark.parametrize(("before", "said"), [(-8.4, True), (-6.6, False), (-0.1, False)])
def test_it_is_said_from_seven_nats_on(pair: Pair, before: float, said: bool) -> None:
    assert (notice(pair, {END: before}, {END: -0.5}) is not None) == said


def test_an_end_that_before_knows_beside_after_s_does_not_hide_it(pair: Pair) -> None:
    said = notice(pair, {0: -0.3, END: -18.0}, {0: -9.0, END: -0.3})
    assert said is not None
    assert "'<|end|>'" in said


def test_nothing_is_said_where_nothing_can_be_measured(pair: Pair) -> None:
    refusing = "{{ raise_exception('no') }}"
    assert notice(pair, {END: -17.0}, {END: -0.5}, refusing) is None
    assert notice(pair, {}, {}) is None


@pytest.mark.parametrize(("ends", "times"), [("mix", 1), ("after", 0)])
def test_it_is_a_notice_of_the_opened_pair_unless_the_profile_keeps_them(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch, ends: str, times: int
) -> None:
    monkeypatch.setattr("logit_amp_chat.core.decoding.end_tokens.UNLEARNED", -100.0)
    opened = LocalEngine.open(tiny_pair(sampling={"ends": ends})).opened
    assert sum("hardly knows" in sentence for sentence in opened.notices) == times
