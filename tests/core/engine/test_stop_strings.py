"""Replies end at stop strings: lanes of a chat, replies sampled side by side, and replays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Event, Lane, Request, SetSampling
from logit_amp_chat.core.records import Finish, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import from_line, to_line
from logit_amp_chat.core.transcripts.replay import replay
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.transcripts.reply_text import step_bytes
from tests.core.engine.sampling import ask, draws, messages, prompt_ids, prompts, sampled

FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=40)
ALPHAS = (-1.0, 0.0, 1.5)


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    """An engine whose replies end only at their limit, or at a stop string."""
    profile = tiny_pair()
    pair = replace(load_pair(profile), end_of_turn=frozenset())
    return LocalEngine(profile, pair)


def request(sampling: Sampling, forced: Sequence[int] = ()) -> Request:
    return Request(
        messages=messages("Otters?"),
        lanes=tuple(Lane(reply=f"r{n}", name=f"{a}", alpha=a) for n, a in enumerate(ALPHAS)),
        sampling=sampling,
        forced=tuple(forced),
    )


def logs(engine: LocalEngine, asked: Request) -> list[ReplyLog]:
    records = [e for e in engine.generate(asked) if isinstance(e, Reply | Step | Finish)]
    return list(Conversation(records).replies.values())


def letters(log: ReplyLog, begin: int, end: int) -> str | None:
    """What some tokens spell, where that is text."""
    if any(step.special for step in log.steps[begin:end]):
        return None
    data = b"".join(step_bytes(step) for step in log.steps[begin:end])
    try:
        return data.decode() or None
    except UnicodeDecodeError:
        return None


def text_before(log: ReplyLog, stop: str) -> str:
    """The text before the first place where all tokens together spell a stop string."""
    spelled = [(byte, step.special) for step in log.steps for byte in step_bytes(step)]
    end = bytes(byte for byte, _ in spelled).index(stop.encode())
    said = bytes(byte for byte, special in spelled[:end] if not special)
    return said.decode(errors="replace")[log.blank :]


def test_every_lane_ends_at_the_token_that_completes_a_stop_string(engine: LocalEngine) -> None:
    """A stop string of two of its tokens: the reply is the free one up to them."""
    free = logs(engine, request(FREE))
    for place, log in enumerate(free):
        begin = next(n for n in range(5, 30) if letters(log, n, n + 2))
        stop = letters(log, begin, begin + 2)
        assert stop
        stopped = logs(engine, request(FREE.model_copy(update={"stop": (stop,)})))[place]
        assert stopped.finish
        assert (stopped.finish.reason, stopped.finish.stop) == ("stop", stop)
        assert stopped.text == text_before(log, stop)
        data = b"".join(map(step_bytes, stopped.steps))
        assert stop.encode() in data
        assert stop.encode() not in data.removesuffix(step_bytes(stopped.steps[-1]))
        sampled = [step.token for step in stopped.steps]
        assert sampled == [step.token for step in log.steps[: len(sampled)]]


def test_given_tokens_end_nothing_but_may_begin_a_stop_string(engine: LocalEngine) -> None:
    free = logs(engine, request(FREE))[0]
    begin = next(n for n in range(8, 30) if letters(free, n, n + 2) and letters(free, n, n + 1))
    stop = letters(free, begin, begin + 2)
    assert stop
    sampling = FREE.model_copy(update={"stop": (stop,)})
    tokens = [step.token for step in free.steps]
    whole = logs(engine, request(sampling, tokens[: begin + 2]))[0]
    assert len(whole.steps) > begin + 2
    half = logs(engine, request(sampling, tokens[: begin + 1]))[0]
    assert half.steps[-1].token == tokens[begin + 1]  # the same noise
    assert half.finish
    assert half.finish.stop == stop
    assert half.text == text_before(free, stop)


def test_a_stop_string_may_be_set_while_a_reply_runs(engine: LocalEngine) -> None:
    free = logs(engine, request(FREE))[0]
    stop = letters(free, 12, 13) or letters(free, 13, 14)
    assert stop
    events: list[Event] = []
    for event in engine.generate(request(FREE)):
        events.append(event)
        if isinstance(event, Step) and event.index == 5 and event.reply == "r2":
            engine.apply(SetSampling(FREE.model_copy(update={"stop": (stop,)})))
    (finish,) = (e for e in events if isinstance(e, Finish) and e.reply == "r0")
    assert finish.stop == stop
    assert 6 < finish.tokens <= 14


def test_a_replay_ends_there_too(engine: LocalEngine) -> None:
    free = logs(engine, request(FREE))[1]
    stop = next(s for n in range(5, 30) if (s := letters(free, n, n + 1)))
    found = logs(engine, request(FREE.model_copy(update={"stop": (stop, "never there")})))
    assert all(result.identical for result in replay(engine, found))


def test_replies_side_by_side_end_where_a_chat_ends_them(engine: LocalEngine) -> None:
    """With given text before them; their text is without the stop string, their tokens with."""
    free = sampled(list(engine.sample(ask(draws(6), prompts("Otters?", begin="The sea")))))
    stop = next(c for c in free["r0"].text[9:] if c.isalnum())
    asked = ask(
        draws(6),
        prompts("Otters?", begin="The sea"),
        sampling=Sampling(temperature=1.0, top_p=1.0, max_new_tokens=20, stop=(stop,)),
    )
    events = list(engine.sample(asked))
    begun = {n: ids.after for n, ids in prompt_ids(events).items()}
    assert begun
    for name, one in sampled(events).items():
        whole, text = free[name], free[name].text
        assert one.tokens == whole.tokens[: len(one.tokens)]
        if one.finish == "stop":
            assert one.text == text[: text.index(stop, len("The sea"))]
            assert len(one.lengths) == len(one.tokens)
            assert one.lengths[-1] <= len(one.text)
        else:
            assert stop not in text[len("The sea") :]
    assert sampled(events)["r0"].finish == "stop"


def test_the_record_is_read_back(engine: LocalEngine) -> None:
    sampling = FREE.model_copy(update={"stop": ("\nUser:", "é")})
    (reply, *_) = (log.reply for log in logs(engine, request(sampling)))
    assert from_line(to_line(reply)) == reply
    finish = Finish(reply="r", reason="stop", tokens=3, seconds=0.1, stop="é")
    assert from_line(to_line(finish)) == finish
