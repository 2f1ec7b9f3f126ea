"""A text is read with the numbers of plain forward passes, and of a chat's own steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.core.analysis.hunks import usual_threshold
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import ProcessEngine
from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.protocol import Event, Idle, Lane, Request, ScoreRequest, Stop
from logit_amp_chat.core.reading import (
    Chat,
    Content,
    Names,
    NamesRequest,
    PlainText,
    ReadBlock,
    ReadRequest,
    Recorded,
    TokenSums,
)
from logit_amp_chat.core.records import Document, Finish, Message, PromptIds, Reply, Role, Step
from logit_amp_chat.core.sampling import Sampling
from tests.models import ARCHITECTURES

TEXT = "The quick brown fox, it says, lives in the dark wood. " * 6
MakeProfile = Callable[..., Profile]


def ask(content: Content | str = TEXT, **options: Any) -> ReadRequest:
    content = PlainText(text=content) if isinstance(content, str) else content
    return ReadRequest(document="d-1", content=content, **options)


def document(events: Sequence[Event]) -> Document:
    (found,) = (event for event in events if isinstance(event, Document))
    return found


def steps(events: Sequence[Event]) -> list[Step]:
    return [step for event in events if isinstance(event, ReadBlock) for step in event.steps]


def further(events: Sequence[Event]) -> list[tuple[float, ...]]:
    return [more for event in events if isinstance(event, ReadBlock) for more in event.further]


def plain_logits(folder: str, ids: Sequence[int]) -> Tensor:
    """Log-probabilities (T, V), fp64, of a model that transformers alone loads and runs."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([list(ids)]), use_cache=False).logits[0]
    return logits.double().log_softmax(dim=-1)


def folders(profile: Profile) -> tuple[str, str]:
    return profile.before.model, profile.after.model


def by_hand(profile: Profile, window: int, stride: int) -> list[tuple[float, float, float]]:
    """log p before, after and KL(after‖before) of every token but the first, or of all."""
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    begin = tokenizer("")["input_ids"]
    room, end, found = window - len(begin), 0, []
    while end < len(ids):
        first, end = end, min(len(ids), end + stride if end else room)
        start = max(0, end - room)
        row = begin + ids[start:end]
        before, after = (plain_logits(folder, row) for folder in folders(profile))
        for place in range(first, end):
            at = len(begin) + place - start - 1
            if at < 0:
                continue  # nothing comes before it
            b, a = before[at], after[at]
            kl = float((a.exp() * (a - b)).sum())
            found.append((float(b[ids[place]]), float(a[ids[place]]), kl))
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("window", "stride"), [(256, 128), (24, 12), (16, 15), (9, 1)])
def test_every_token_has_the_numbers_of_a_plain_forward_over_its_window(
    architecture: str, window: int, stride: int, tiny_pair: MakeProfile
) -> None:
    profile = tiny_pair(architecture)
    events = list(LocalEngine.open(profile).read(ask(window=window, stride=stride)))
    expected = by_hand(profile, window, stride)
    found = [(step.logp.before, step.logp.after, step.kl) for step in steps(events)]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_numbers_are_those_of_the_decoders_own_steps(
    architecture: str, tiny_pair: MakeProfile
) -> None:
    engine = LocalEngine.open(tiny_pair(architecture))
    prompt, ids = (5, 6, 7), tuple((37 * n + 11) % 500 for n in range(60))
    scored = engine.score(
        ScoreRequest(
            prompt=PromptIds(prompt, prompt),
            tokens=ids,
            lanes=(Lane(reply="r-1", name="amplified", alpha=1.5),),
        )
    )
    expected = [event for event in scored if isinstance(event, Step)]
    content = Recorded(prompt=PromptIds(prompt, prompt), tokens=ids)
    events = list(engine.read(ask(content, alphas=(1.5,), everywhere=True)))
    assert [step.token for step in steps(events)] == list(ids)
    for one, other in zip(steps(events), expected, strict=True):
        assert one.logp.before == pytest.approx(other.logp.before, abs=1e-4)
        assert one.logp.after == pytest.approx(other.logp.after, abs=1e-4)
        assert one.logp.amplified == pytest.approx(other.logp.amplified, abs=1e-4)
        assert one.kl == pytest.approx(other.kl, abs=1e-4)
        assert one.kl_amplified == pytest.approx(other.kl_amplified, abs=1e-4)
        assert one.entropy == pytest.approx(other.entropy, abs=1e-4)
        assert one.rank == other.rank
        assert {c.id for c in one.top} == {c.id for c in other.top}
        assert (one.text, one.bytes, one.special) == (other.text, other.bytes, other.special)


def test_a_reply_reads_as_it_was_sampled(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    message = Message(id="m-1", parent=None, role="user", text="Where do otters live?")
    lane = Lane(reply="r-1", name="amplified", alpha=1.0)
    sampling = Sampling(max_new_tokens=30, seed=5)
    request = Request(messages=(message,), lanes=(lane,), sampling=sampling)
    said = [event for event in engine.generate(request) if isinstance(event, Step)]
    content = Recorded(prompt=_prompt(engine, request), tokens=tuple(s.token for s in said))
    assert _same(said, steps(list(engine.read(ask(content, alphas=(1.0,))))))


def test_a_chat_of_several_turns_reads_as_if_its_last_message_were_a_reply(
    tiny_pair: MakeProfile,
) -> None:
    engine = LocalEngine.open(tiny_pair())
    texts = ("Where?", "The quick fox", "And now?", "lives in the dark wood")
    roles: tuple[Role, ...] = ("user", "assistant", "user", "assistant")
    messages = tuple(
        Message(id=f"m-{n}", parent=f"m-{n - 1}" if n else None, role=role, text=text)
        for n, (role, text) in enumerate(zip(roles, texts, strict=True))
    )
    read = list(engine.read(ask(Chat(messages=messages))))
    start = document(read).spans[-1][2]
    pairs = zip(document(read).offsets, steps(read), strict=True)
    last = [step for (begin, _), step in pairs if begin >= start]
    lane = Lane(reply="r-1", name="after", alpha=0.0)
    asked = Request(messages=messages[:-1], lanes=(lane,), sampling=Sampling(max_new_tokens=1))
    given = ScoreRequest(
        prompt=_prompt(engine, asked), tokens=tuple(s.token for s in last), lanes=(lane,)
    )
    scored = [event for event in engine.score(given) if isinstance(event, Step)]
    assert "".join(s.text for s in last if not s.special).strip() == texts[-1]
    assert _same(last, scored)


def _prompt(engine: LocalEngine, request: Request) -> PromptIds:
    (reply,) = (event for event in engine.generate(request) if isinstance(event, Reply))
    return reply.prompt


def _same(one: Sequence[Step], other: Sequence[Step]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        a.token == b.token
        and math.isclose(a.logp.before, b.logp.before, abs_tol=1e-4)
        and math.isclose(a.logp.after, b.logp.after, abs_tol=1e-4)
        and math.isclose(a.kl, b.kl, abs_tol=1e-4)
        for a, b in pairs
    )


def test_further_alphas_come_from_the_same_passes(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair()
    alphas = (2.0, -1.0, 0.0, 0.5)
    events = list(LocalEngine.open(profile).read(ask(alphas=alphas, window=256)))
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    begin = tokenizer("")["input_ids"]
    ids = begin + tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    before, after = (plain_logits(folder, ids) for folder in folders(profile))
    places = range(max(1, len(begin)), len(ids))
    for place, step, more in zip(places, steps(events), further(events), strict=True):
        found = (step.logp.amplified, *more)
        for alpha, value in zip(alphas, found, strict=True):
            a, b = after[place - 1], before[place - 1]
            mixed = (a + alpha * (a - b)).log_softmax(dim=-1)
            assert value == pytest.approx(float(mixed[ids[place]]), abs=1e-4)


def test_the_sums_are_what_either_side_would_say(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair()
    engine = LocalEngine.open(profile)
    events = list(engine.read(ask(sums=True, window=256)))
    (sums,) = (event for event in events if isinstance(event, TokenSums))
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    begin = tokenizer("")["input_ids"]
    ids = begin + tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    rows = slice(max(1, len(begin)) - 1, len(ids) - 1)
    assert sums.positions == len(steps(events)) == rows.stop - rows.start
    for folder, found in zip(folders(profile), (sums.before, sums.after), strict=True):
        expected = plain_logits(folder, ids)[rows].exp().sum(dim=0)
        assert torch.tensor(found) == pytest.approx(expected[: len(found)], abs=1e-4)


def test_candidates_stand_where_the_log_ratio_reaches_the_threshold(
    tiny_pair: MakeProfile,
) -> None:
    engine = LocalEngine.open(tiny_pair())
    everywhere = steps(list(engine.read(ask(everywhere=True, top=3))))
    ratios = sorted(abs(step.logp.after - step.logp.before) for step in everywhere)
    threshold = ratios[-5]
    found = steps(list(engine.read(ask(threshold=threshold, top=3))))
    for step, full in zip(found, everywhere, strict=True):
        notable = abs(step.logp.after - step.logp.before) >= threshold
        assert step.top == (full.top if notable else ())
    assert sum(bool(step.top) for step in found) == 5


def test_without_a_threshold_it_is_the_usual_one_of_the_first_tokens(
    tiny_pair: MakeProfile,
) -> None:
    engine = LocalEngine.open(tiny_pair())
    events = list(engine.read(ask(threshold=None, window=32, stride=16)))
    everything = steps(list(engine.read(ask(everywhere=True, window=32, stride=16))))
    ratios = [step.logp.after - step.logp.before for step in everything]
    threshold = document(events).threshold
    assert threshold == usual_threshold([ratios])
    assert steps(events) == steps(list(engine.read(ask(threshold=threshold, window=32, stride=16))))


def test_offsets_are_those_of_the_scored_tokens(tiny_pair: MakeProfile) -> None:
    events = list(LocalEngine.open(tiny_pair()).read(ask()))
    read = document(events)
    assert read.text == TEXT
    assert len(read.offsets) == len(steps(events))
    for (start, end), step in zip(read.offsets, steps(events), strict=True):
        assert TEXT[start:end] == step.text
    assert [step.index for step in steps(events)] == [*range(len(read.offsets))]


def test_only_the_asked_role_is_scored(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    messages = (
        Message(id="m-1", parent=None, role="user", text="The quick fox"),
        Message(id="m-2", parent="m-1", role="assistant", text="lives in the dark wood"),
    )
    for role, text in (("user", "The quick fox"), ("assistant", "lives in the dark wood")):
        events = list(engine.read(ask(Chat(messages=messages, score=role))))  # type: ignore[arg-type]
        said = "".join(step.text for step in steps(events) if not step.special)
        assert said.strip() == text


def test_the_end_says_how_much_was_read(tiny_pair: MakeProfile) -> None:
    events = list(LocalEngine.open(tiny_pair()).read(ask()))
    finish, idle = events[-2:]
    assert isinstance(idle, Idle)
    assert isinstance(finish, Finish)
    assert (finish.reply, finish.reason, finish.tokens) == ("d-1", "length", len(steps(events)))


def test_a_stopped_reading_says_so(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    events: list[Event] = []
    for event in engine.read(ask(window=16, stride=4)):
        events.append(event)
        if isinstance(event, ReadBlock):
            engine.apply(Stop())
    (finish,) = (event for event in events if isinstance(event, Finish))
    assert finish.reason == "cancelled"
    assert 0 < finish.tokens == len(steps(events)) < len(document(events).offsets)


def test_reading_changes_nothing_about_the_replies_after_it(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    message = Message(id="m-1", parent=None, role="user", text="Otters?")
    lane = Lane(reply="r-1", name="amplified", alpha=1.0)
    request = Request(
        messages=(message,), lanes=(lane,), sampling=Sampling(max_new_tokens=8, seed=3)
    )

    def said() -> list[Event]:
        return [event for event in engine.generate(request) if isinstance(event, Step)]

    first, again = said(), said()
    list(engine.read(ask()))
    assert said() == again
    assert [s.token for s in first if isinstance(s, Step)] == [
        s.token for s in again if isinstance(s, Step)
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 1}, "A window of 1 tokens cannot be read"),
        ({"window": 10_000_000}, "the pair holds"),
        ({"window": 16, "stride": 16}, "A stride of 16 tokens does not fit"),
        ({"window": 16, "stride": 0}, "A stride of 0 tokens does not fit"),
    ],
)
def test_windows_that_cannot_be_are_refused(
    options: dict[str, Any], message: str, tiny_pair: MakeProfile
) -> None:
    with pytest.raises(UsageError, match=message):
        list(LocalEngine.open(tiny_pair()).read(ask(**options)))


def test_ids_that_only_one_side_has_are_refused(tiny_pair: MakeProfile) -> None:
    content = Recorded(prompt=PromptIds((1,), (1,)), tokens=(10_000_000,))
    with pytest.raises(LogitAmpError, match="do not share"):
        list(LocalEngine.open(tiny_pair()).read(ask(content)))


def test_numbers_that_are_none_end_the_reading(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    with torch.no_grad():
        engine.pair.after.model.get_output_embeddings().weight.fill_(math.nan)
    with pytest.raises(LogitAmpError, match="NaN at scored token 1"):
        list(engine.read(ask()))


@pytest.mark.parametrize("alphas", [(3e38,), (0.0, 3e38)])
def test_an_alpha_that_leaves_the_range_of_numbers_is_named(
    alphas: tuple[float, ...], tiny_pair: MakeProfile
) -> None:
    with pytest.raises(
        LogitAmpError, match=r"At α \+3e\+38 the numbers became NaN at scored token"
    ):
        list(LocalEngine.open(tiny_pair()).read(ask(alphas=alphas)))


@pytest.mark.parametrize("text", ["", "a", "\n", "é", "\u202e‮\x1b[31m"])
def test_texts_of_hardly_anything(text: str, tiny_pair: MakeProfile) -> None:
    events = list(LocalEngine.open(tiny_pair()).read(ask(text)))
    read = document(events)
    assert read.text == text
    assert len(read.offsets) == len(steps(events))
    assert isinstance(events[-1], Idle)


def test_names_of_tokens(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    names, idle = engine.names(NamesRequest((300, 301)))
    described = engine.pair.token_bytes.describe
    assert names == Names((described(300)[0], described(301)[0]))
    assert isinstance(idle, Idle)


def test_an_engine_process_reads_the_same(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair()
    here = list(LocalEngine.open(profile).read(ask(alphas=(1.0, 2.0), threshold=0.5)))
    engine = ProcessEngine.open(profile)
    try:
        there = list(engine.read(ask(alphas=(1.0, 2.0), threshold=0.5)))
    finally:
        engine.close()
    assert document(there) == document(here)
    assert steps(there) == steps(here)
    assert further(there) == further(here)
