"""OpenAI's own client gets the numbers of our engine, and what is not followed is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.api.open_pair import OpenPair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.server.limits import Limits
from tests.served import TOKEN, served

SAID: Any = [{"role": "user", "content": "Otters?"}]
IDS = [5, 6, 7, 300, 41, 80, 12]


@pytest.fixture(scope="module")
def pair(tiny_pair: Callable[..., Profile]) -> OpenPair:
    profile = tiny_pair()
    return OpenPair(profile, LocalEngine.open(profile))


@pytest.fixture(scope="module")
def client(pair: OpenPair) -> Iterator[openai.OpenAI]:
    with (
        served(pair.engine, pair.profile, Limits(lanes=8)) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0) as client,
    ):
        yield client


def test_the_models_are_the_two_sides_and_what_is_beyond(client: openai.OpenAI) -> None:
    listed = [model.id for model in client.models.list()]

    assert listed == ["base", "tuned", "amplified", "amplified:+1"]


@pytest.mark.parametrize(
    ("model", "alpha", "same"),
    [
        ("base", None, -1.0),
        ("tuned", None, 0.0),
        ("amplified:+1.5", None, 1.5),
        ("amplified", 1.5, 1.5),
        ("amplified:-2", -2, -2.0),
    ],
)
def test_a_chat_says_what_reply_says(
    model: str, alpha: float | None, same: float, client: openai.OpenAI, pair: OpenPair
) -> None:
    answer = client.chat.completions.create(
        model=model, messages=SAID, seed=3, max_tokens=12, extra_body={"alpha": alpha}
    )
    here = pair.reply("Otters?", alpha=same, seed=3, max_new_tokens=12)[0]

    assert answer.choices[0].message.content == here.text
    assert here.finish is not None
    assert answer.usage is not None
    assert answer.usage.completion_tokens == here.finish.tokens
    assert answer.usage.prompt_tokens == len(here.record.prompt.after)
    assert answer.choices[0].finish_reason == ("stop" if here.finish.reason == "stop" else "length")


def test_several_choices_have_consecutive_seeds(client: openai.OpenAI, pair: OpenPair) -> None:
    answer = client.chat.completions.create(model="tuned", messages=SAID, seed=3, n=3, max_tokens=6)
    here = pair.reply("Otters?", alpha=0, seed=[3, 4, 5], max_new_tokens=6)

    assert [one.message.content for one in answer.choices] == [one.text for one in here]


def test_a_stream_adds_up_to_the_answer(client: openai.OpenAI) -> None:
    asked: Any = {"model": "amplified:+1", "messages": SAID, "seed": 3, "max_tokens": 12, "n": 2}
    whole = client.chat.completions.create(**asked, logprobs=True)
    said, tokens = ["", ""], [0, 0]
    for chunk in client.chat.completions.create(
        **asked, logprobs=True, stream=True, stream_options={"include_usage": True}
    ):
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
            found = choice.logprobs.content if choice.logprobs else None
            tokens[choice.index] += len(found or [])
        usage = chunk.usage

    assert said == [one.message.content for one in whole.choices]
    assert usage == whole.usage
    assert sum(tokens) == whole.usage.completion_tokens


def test_log_probabilities_are_those_of_the_amplified_model(
    client: openai.OpenAI, pair: OpenPair
) -> None:
    answer = client.chat.completions.create(
        model="amplified:+1.5",
        messages=SAID,
        seed=3,
        max_tokens=6,
        logprobs=True,
        top_logprobs=2,
    )
    here = pair.reply("Otters?", alpha=1.5, seed=3, max_new_tokens=6, top=2)[0]

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [one.logprob for one in logprobs.content] == [s.logp.amplified for s in here.steps]
    for one, step in zip(logprobs.content, here.steps, strict=True):
        best = sorted((c.amplified for c in step.top), reverse=True)[:2]
        assert [top.logprob for top in one.top_logprobs] == best


@pytest.mark.parametrize("alpha", [-1.0, 0.0, 1.5])
def test_an_echoed_prompt_has_the_log_probabilities_of_two_plain_forward_passes(
    alpha: float, client: openai.OpenAI, pair: OpenPair
) -> None:
    answer = client.completions.create(
        model="amplified",
        prompt=IDS,
        max_tokens=1,
        echo=True,
        logprobs=1,
        temperature=0,
        extra_body={"alpha": alpha},
    )

    before, after = (
        _whole_forward(side.model, IDS) for side in (pair.profile.before, pair.profile.after)
    )
    amplified = (after + alpha * (after - before)).log_softmax(-1)
    expected = amplified[:-1].gather(-1, torch.tensor(IDS[1:])[:, None])[:, 0]
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    found = logprobs.token_logprobs or []
    assert len(found) == len(IDS) + 1, "an evaluation harness takes the last one off"
    assert found[0] is None
    torch.testing.assert_close(torch.tensor(found[1:-1]), expected, atol=1e-4, rtol=0)
    assert found[-1] == pytest.approx(float(amplified[-1].max()), abs=1e-4)
    best = [max(top.values()) for top in (logprobs.top_logprobs or [])[1:-1]]
    torch.testing.assert_close(torch.tensor(best), amplified[:-1].max(-1).values, atol=1e-4, rtol=0)


def test_an_echo_begins_with_the_text_as_it_was_given(client: openai.OpenAI) -> None:
    text = "Otters eat fish"
    plain = client.completions.create(model="tuned", prompt=text, max_tokens=5, seed=1)
    echoed = client.completions.create(
        model="tuned", prompt=text, max_tokens=5, seed=1, echo=True, logprobs=0
    )
    only = client.completions.create(model="tuned", prompt=text, max_tokens=0, echo=True)

    assert echoed.choices[0].text == text + plain.choices[0].text
    assert only.choices[0].text == text
    logprobs = echoed.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.text_offset is not None
    assert logprobs.text_offset[0] == 0
    assert len(text) in logprobs.text_offset


def test_several_prompts_have_choices_in_their_order(client: openai.OpenAI, pair: OpenPair) -> None:
    answer = client.completions.create(
        model="tuned", prompt=["Otters", "The sea"], max_tokens=5, n=2, seed=1
    )

    here = [
        pair.reply(text, alpha=0, seed=seed, raw=True, max_new_tokens=5)[0].text
        for text in ("Otters", "The sea")
        for seed in (1, 2)
    ]
    assert [choice.text for choice in answer.choices] == here


def test_a_stop_string_ends_the_text_before_it(client: openai.OpenAI) -> None:
    asked: Any = {"model": "tuned", "prompt": "Otters", "seed": 1, "max_tokens": 30}
    text = client.completions.create(**asked).choices[0].text
    found = re.search("[a-z]{3}", text[1:])
    assert found is not None
    stop = found[0]

    stopped = client.completions.create(**asked, stop=stop).choices[0]
    pieces = [c.choices[0].text for c in client.completions.create(**asked, stop=stop, stream=True)]

    assert stopped.text == text[: text.index(stop)] == "".join(pieces)
    assert stopped.finish_reason == "stop"


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"model": "base", "extra_body": {"alpha": 1}}, 400, "model base is α −1, but alpha"),
        ({"model": "amplified:+1", "extra_body": {"alpha": 0}}, 400, "but alpha is"),
        ({"model": "gpt-4"}, 404, "no model 'gpt-4'"),
        ({"presence_penalty": 0.5}, 400, "presence_penalty"),
        ({"logit_bias": {"5": 1}}, 400, "logit_bias"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format"),
        ({"extra_body": {"aplha": 1}}, 400, "aplha"),
        ({"extra_body": {"alpha": "high"}}, 400, "alpha"),
        ({"top_logprobs": 3}, 400, "needs logprobs"),
        ({"temperature": -1}, 400, "temperature"),
        ({"n": 100}, 400, "at most 8 replies"),
        ({"max_tokens": 10**6}, 400, "at most 16384 new tokens"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "user", "content": "otters " * 5000}]}, 400, "context"),
    ],
)
def test_what_is_not_followed_is_refused(
    changed: dict[str, Any], status: int, words: str, client: openai.OpenAI
) -> None:
    asked: dict[str, Any] = {"model": "tuned", "messages": SAID, "max_tokens": 4}
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError, match=words) as refused:
            client.chat.completions.create(**asked | changed, stream=stream)
        assert refused.value.status_code == status


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"echo": True, "stream": True}, "not streamed"),
        ({"best_of": 3}, "best_of"),
        ({"suffix": "x"}, "suffix"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [10**9]}, "ids go up to 511"),
        ({"prompt": ["x"] * 9}, "at most 8"),
        ({"logprobs": 100}, "logprobs"),
    ],
)
def test_what_a_completion_cannot_be_is_refused(
    changed: dict[str, Any], words: str, client: openai.OpenAI
) -> None:
    asked: dict[str, Any] = {"model": "tuned", "prompt": "Otters", "max_tokens": 4}
    with pytest.raises(openai.BadRequestError, match=words):
        client.completions.create(**asked | changed)


def _whole_forward(folder: str, ids: list[int]) -> torch.Tensor:
    """Log-probabilities (T, V) of a model that transformers alone loads and runs."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids]), use_cache=False).logits[0]
    return logits.log_softmax(dim=-1)


def test_a_reply_that_the_server_ends_is_an_error_and_no_shorter_reply(pair: OpenPair) -> None:
    limits = Limits(seconds=0.0)
    asked: Any = {"model": "tuned", "prompt": "Otters", "max_tokens": 2000, "n": 4, "seed": 5}
    with (
        served(pair.engine, pair.profile, limits) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError, match="broke off"):
            client.completions.create(**asked)
        with pytest.raises(openai.APIError, match="broke off"):
            list(client.completions.create(**asked, stream=True))
