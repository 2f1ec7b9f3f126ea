"""What is told while many replies are sampled, and how they are stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding import reply_sampler
from logit_amp_chat.core.decoding.reply_rows import RaggedRows
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import ProcessEngine
from logit_amp_chat.core.errors import ContextError, LogitAmpError, UsageError
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Drain, Event, Idle, Lane, Noticed, Request, Stop
from logit_amp_chat.core.records import PromptIds, Step
from logit_amp_chat.core.samples import (
    Draw,
    Given,
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SampleProgress,
    SamplePrompt,
)
from logit_amp_chat.core.sampling import Sampling
from tests.core.engine.local_decoder import runner_of
from tests.core.engine.sampling import (
    FREE,
    GRID,
    QUESTIONS,
    ask,
    chat,
    draws,
    messages,
    prompt_ids,
    prompts,
    rescore,
    sampled,
)

MakeProfile = Callable[..., Profile]
SHORT = FREE.model_copy(update={"max_new_tokens": 6})
LONG = FREE.model_copy(update={"max_new_tokens": 150})


@pytest.fixture(scope="module")
def engine(tiny_pair: MakeProfile) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture(scope="module")
def endless(tiny_pair: MakeProfile) -> LocalEngine:
    """Replies end only at their limit."""
    profile = tiny_pair()
    return LocalEngine(profile, replace(load_pair(profile), end_of_turn=frozenset()))


@pytest.fixture
def _busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told at every step."""
    monkeypatch.setattr(reply_sampler, "PROGRESS_SECONDS", 0.0)


def until(
    engine: LocalEngine | ProcessEngine, events: Iterator[Event], command: Any, count: int
) -> list[Event]:
    """All events; `command` is given once `count` tokens are sampled."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if isinstance(event, SampleProgress) and event.tokens >= count and command is not None:
            engine.apply(command)
            command = None
    return found


def test_a_prompt_is_told_once_and_before_its_replies(engine: LocalEngine) -> None:
    events = list(engine.sample(ask(draws(12, of=3), sampling=SHORT)))
    told: list[int] = []
    for event in events:
        if isinstance(event, PromptRead):
            told.append(event.prompt)
        elif isinstance(event, SampledReply):
            assert event.prompt in told
    assert told == [0, 1, 2]
    assert isinstance(events[-1], Idle)
    assert not any(isinstance(event, Idle) for event in events[:-1])


def test_the_ids_of_a_prompt_have_those_of_the_text_that_replies_begin_with(
    engine: LocalEngine,
) -> None:
    tokenizer = engine.pair.tokenizer
    (plain,) = prompt_ids(list(engine.sample(ask(draws(1), sampling=SHORT)))).values()
    begin = tokenizer("The sea", add_special_tokens=False)["input_ids"]
    asked = prompts(QUESTIONS[0], begin="The sea")
    (read, *_) = engine.sample(ask(draws(1), asked, sampling=SHORT))
    assert isinstance(read, PromptRead)
    assert read.ids.after == (*plain.after, *begin)
    assert read.forced == len(begin)


@pytest.mark.usefixtures("_busy")
def test_progress_counts_replies_rows_and_tokens(engine: LocalEngine) -> None:
    events = list(engine.sample(ask(draws(9), sampling=SHORT)))
    progress = [event for event in events if isinstance(event, SampleProgress)]
    assert [event.tokens for event in progress] == sorted(event.tokens for event in progress)
    assert max(event.rows for event in progress) == 3
    assert progress[-1].ended == 9


def test_progress_is_told_now_and_then_only(engine: LocalEngine) -> None:
    events = list(engine.sample(ask(draws(3), sampling=SHORT)))
    assert sum(isinstance(event, SampleProgress) for event in events) <= 1


def test_texts_are_whole_characters_and_say_where_tokens_end(engine: LocalEngine) -> None:
    sampling = Sampling(temperature=2.0, top_p=1.0, plausibility=0.0, max_new_tokens=60)
    request = ask(draws(12), prompts("Otters?", begin="日本"), sampling=sampling)
    names = engine.pair.token_bytes
    for one in sampled(list(engine.sample(request))).values():
        raw = [b"" if names.describe(t)[2] else names.raw(t) for t in one.tokens]
        for n, length in enumerate(one.lengths):
            data = "日本".encode() + b"".join(raw[: n + 1])
            complete = data.decode(errors="replace").rstrip("\ufffd")
            assert one.text.startswith(complete)
            assert len(complete) <= length <= len(data.decode(errors="replace"))
        assert one.text == ("日本".encode() + b"".join(raw)).decode(errors="replace")


@pytest.mark.usefixtures("_busy")
def test_draining_finishes_what_has_begun_and_begins_no_more(endless: LocalEngine) -> None:
    """The replies are the first of the request: none of them is left out for being long."""
    request = ask(draws(40, of=3), sampling=LONG)
    events = until(endless, endless.sample(request), Drain(), 200)
    found = sampled(events)
    assert 3 <= len(found) < 10
    assert set(found) == {draw.reply for draw in request.draws[: len(found)]}
    assert all(one.finish == "length" for one in found.values())


@pytest.mark.usefixtures("_busy")
def test_replies_that_end_with_their_first_token_are_no_more_than_the_first_when_draining(
    tiny_pair: MakeProfile,
) -> None:
    """First tokens are chosen ahead; nothing is told of a reply before its turn."""
    profile = tiny_pair()
    pair = load_pair(profile)
    ends = frozenset(range(0, pair.size, 2))  # every second token ends a reply
    engine = LocalEngine(profile, replace(pair, end_of_turn=ends))
    request = ask(draws(60), sampling=LONG, rows=8)
    found = sampled(until(engine, engine.sample(request), Drain(), 15))
    assert 0 < len(found) < 60
    assert set(found) == {draw.reply for draw in request.draws[: len(found)]}


@pytest.mark.usefixtures("_busy")
def test_stopping_cancels_the_replies_that_have_begun(endless: LocalEngine) -> None:
    request = ask(draws(40, of=3), sampling=LONG)
    events = until(endless, endless.sample(request), Stop(), 100)
    found = sampled(events)
    assert [one.finish for one in found.values()] == ["cancelled"] * 3
    assert isinstance(events[-1], Idle)
    for one in found.values():
        steps, _ = chat(endless, request, request.draws[int(one.reply[1:])])
        assert one.tokens == tuple(step.token for step in steps[: len(one.tokens)])


@pytest.mark.usefixtures("_busy")
def test_one_reply_can_be_stopped(endless: LocalEngine) -> None:
    request = ask(draws(6), sampling=FREE)
    found = sampled(until(endless, endless.sample(request), Stop("r1"), 12))
    assert {name: one.finish for name, one in found.items()} == {
        draw.reply: "cancelled" if draw.reply == "r1" else "length" for draw in request.draws
    }


def test_a_reply_ends_where_the_context_does(endless: LocalEngine) -> None:
    sampling = FREE.model_copy(update={"max_new_tokens": 500})
    found = sampled(list(endless.sample(ask(draws(4, of=2), sampling=sampling))))
    read = prompt_ids(list(endless.sample(ask(draws(2, of=2), sampling=SHORT))))
    for one in found.values():
        assert one.finish == "context"
        assert len(read[one.prompt].after) + len(one.tokens) == endless.pair.context


def test_what_becomes_no_number_ends_one_reply_alone(engine: LocalEngine) -> None:
    """α 1e38 leaves the range of fp32."""
    wild = Draw(reply="wild", prompt=0, alpha=3e38, seed=1)
    request = ask([draws(1)[0], wild, *draws(6)[1:]], grid=())
    found = sampled(list(engine.sample(request)))
    assert found["wild"].finish == "error"
    assert "NaN at token 0 with α +3e+38" in (found["wild"].error or "")
    others = [one for name, one in found.items() if name != "wild"]
    assert len(others) == 6
    assert all(one.finish != "error" for one in others)
    assert not any(map(math.isnan, (p for one in others for p in one.log_probs.after)))


def test_without_memory_half_the_rows_go_on_with_the_same_replies(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(draws(16, of=3), rows=4)
    usual = sampled(list(engine.sample(request)))
    calls, sizes, decode = 0, list[int](), RaggedRows.decode

    def failing(self: RaggedRows, tokens: list[int]) -> Any:
        nonlocal calls
        calls += 1
        sizes.append(len(tokens))
        if calls == 9:
            raise torch.OutOfMemoryError("no memory")
        return decode(self, tokens)

    monkeypatch.setattr(RaggedRows, "decode", failing)
    events = list(engine.sample(request))
    (noticed,) = (event for event in events if isinstance(event, Noticed))
    assert noticed.sentence == "Memory is used up: 2 replies are sampled at once, not 4."
    assert (max(sizes[:9]), max(sizes[9:])) == (4, 2)
    found = sampled(events)
    assert {name: one.tokens for name, one in found.items()} == {
        name: one.tokens for name, one in usual.items()
    }
    assert sum(isinstance(event, SampledReply) for event in events) == 16


def test_without_memory_for_one_reply_it_says_so(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: RaggedRows, tokens: list[int]) -> Any:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(RaggedRows, "decode", failing)
    with pytest.raises(LogitAmpError, match="used up by a single reply"):
        list(engine.sample(ask(draws(4))))


def test_sampling_uses_and_changes_no_cache_of_a_chat(engine: LocalEngine) -> None:
    asked = Request(
        messages=messages("Otters?"),
        lanes=(Lane(reply="r", name="amplified", alpha=1.0),),
        sampling=SHORT,
    )

    def said() -> list[Event]:
        return [event for event in engine.generate(asked) if isinstance(event, Step)]

    said()
    again = said()
    held = [[len(kept.rows[0]) for kept in c._kept] for c in runner_of(engine).caches]
    list(engine.sample(ask(draws(6, of=3), sampling=SHORT)))
    assert held == [[len(k.rows[0]) for k in c._kept] for c in runner_of(engine).caches]
    assert said() == again


def test_no_draw_is_no_reply(engine: LocalEngine) -> None:
    assert list(engine.sample(ask([]))) == [Idle()]


def test_prompts_that_are_asked_in_turn_are_read_again_where_rows_are_few(
    engine: LocalEngine,
) -> None:
    asked = prompts(*(f"Otters, {n}?" for n in range(9)))
    request = ask(draws(27, of=9), asked, sampling=SHORT, rows=2)
    events = list(engine.sample(request))
    assert sum(isinstance(event, PromptRead) for event in events) == 9
    for name, one in sampled(events).items():
        steps, _ = chat(engine, request, request.draws[int(name[1:])])
        assert one.tokens == tuple(step.token for step in steps)


def test_as_many_rows_as_memory_allows(engine: LocalEngine) -> None:
    found = sampled(list(engine.sample(ask(draws(30), rows=None, sampling=SHORT))))
    assert len(found) == 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": FREE.model_copy(update={"temperature": 0.0})}, "At temperature 0"),
        ({"grid": (0.0, 1.0)}, "α −1 of reply r0 is not in the grid"),
        ({"grid": (*GRID, math.inf)}, "no finite number"),
        ({"rows": 0}, "0 rows decode nothing"),
        ({"amplify_first": -1}, "The first -1 tokens cannot be amplified"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    options: dict[str, Any], message: str, engine: LocalEngine
) -> None:
    with pytest.raises(UsageError, match=message):
        list(engine.sample(ask(draws(6), **options)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prompt": 3}, "answers prompt 3, and there are 3"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"alpha": math.nan}, "α nan of reply r0 is no finite number"),
    ],
)
def test_draws_that_cannot_be_are_refused(
    changed: dict[str, Any], message: str, engine: LocalEngine
) -> None:
    with pytest.raises(UsageError, match=message):
        list(engine.sample(ask([replace(draws(1)[0], **changed)])))


def test_prompts_that_cannot_be_are_refused(engine: LocalEngine) -> None:
    with pytest.raises(ContextError, match="Prompt 1: The context is used up"):
        list(engine.sample(ask(draws(1), prompts("a", "otter " * 300))))
    meant = (replace(messages("a")[0], special=True),)
    with pytest.raises(UsageError, match="has an end of turn in it"):
        list(engine.sample(ask(draws(1), [SamplePrompt(messages=meant, begin="b<|end|>")])))
    with pytest.raises(UsageError, match="and a reply 6 at most"):
        list(engine.sample(ask(draws(1), prompts("a", begin="b c d e f g"), sampling=SHORT)))


def test_replies_that_cannot_be_measured_are_refused(engine: LocalEngine) -> None:
    request = rescore(list(engine.sample(ask(draws(2), sampling=SHORT))), ask(draws(2)))
    (first, *_) = request.replies
    for changed, message in (
        ({"tokens": ()}, "Reply r0 has no tokens"),
        ({"tokens": (10_000,)}, "do not share"),
        ({"tokens": (5,) * 300}, "context is used up"),
    ):
        given = replace(first, reply="r0", **changed)
        with pytest.raises(UsageError, match=message):
            list(engine.rescore(replace(request, replies=(given,))))
    cold = request.sampling.model_copy(update={"temperature": 0.0})
    with pytest.raises(UsageError, match="At temperature 0"):
        list(engine.rescore(replace(request, sampling=cold)))


def test_measuring_again_can_be_stopped(engine: LocalEngine) -> None:
    request = rescore(list(engine.sample(ask(draws(6), sampling=SHORT))), ask(draws(6)))
    found = []
    for event in engine.rescore(request):
        found.append(event)
        engine.apply(Stop())
    assert len(found) == 2
    assert isinstance(found[0], Rescored)
    assert isinstance(found[1], Idle)


def test_an_empty_prompt_is_refused_when_measuring(engine: LocalEngine) -> None:
    given = Given(reply="r", ids=PromptIds((), ()), tokens=(5,))
    with pytest.raises(UsageError, match="Reply r: The prompt is empty"):
        list(engine.rescore(RescoreRequest(replies=(given,), sampling=FREE, grid=GRID)))


@pytest.fixture(scope="module")
def process(tiny_pair: MakeProfile) -> Iterator[ProcessEngine]:
    made = ProcessEngine.open(tiny_pair())
    yield made
    made.close()


def test_an_engine_process_says_the_same(engine: LocalEngine, process: ProcessEngine) -> None:
    request = ask(draws(8, of=3), sampling=SHORT, top=2)
    here, there = list(engine.sample(request)), list(process.sample(request))
    assert sampled(there) == sampled(here)
    assert prompt_ids(there) == prompt_ids(here)
    again = rescore(here, request)
    assert list(process.rescore(again)) == list(engine.rescore(again))


@pytest.mark.parametrize("command", [Drain(), Stop()])
def test_commands_reach_an_engine_process(command: Any, process: ProcessEngine) -> None:
    request = ask(draws(4000, of=3), sampling=LONG)
    found = sampled(until(process, process.sample(request), command, 1))
    assert len(found) < 4000
    ends = {one.finish for one in found.values()}
    assert "cancelled" in ends if isinstance(command, Stop) else "cancelled" not in ends
    assert list(process.sample(ask(draws(1), sampling=SHORT)))[-1] == Idle()
