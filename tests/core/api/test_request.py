"""What a caller writes becomes a request, or is refused in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from logit_amp_chat import Message, UsageError
from logit_amp_chat.core.api.request import make_request, messages_of
from logit_amp_chat.core.config.named_pair import pair_profile

PROFILE = pair_profile("org/a", "org/b").model_copy(update={"alpha": 0.5, "system": "Be kind"})


def roles(**arguments: Any) -> list[tuple[str, str]]:
    request = make_request(PROFILE, **arguments)
    return [(message.role, message.text) for message in request.messages]


def test_what_is_not_said_is_the_profiles() -> None:
    request = make_request(PROFILE, "Hi")
    assert [(lane.name, lane.alpha, lane.seed) for lane in request.lanes] == [("amplified", 0.5, 0)]
    assert request.sampling == PROFILE.sampling
    assert (request.top, request.raw) == (10, False)


def test_a_system_prompt_goes_first_unless_there_is_one() -> None:
    assert roles(prompt="Hi") == [("system", "Be kind"), ("user", "Hi")]
    assert roles(prompt="Hi", system="Be brief") == [("system", "Be brief"), ("user", "Hi")]
    own = [{"role": "system", "content": "Mine"}, {"role": "user", "content": "Hi"}]
    assert roles(prompt=own) == [("system", "Mine"), ("user", "Hi")]
    assert roles(prompt="Hi", raw=True) == [("user", "Hi")]
    assert roles(prompt="Hi", system="") == [("system", ""), ("user", "Hi")]  # asks for none


def test_replies_may_begin_with_a_text() -> None:
    assert make_request(PROFILE, "Hi", begin="Sure, \ud800").begin == "Sure, \ufffd"
    assert make_request(PROFILE, "Hi", begin=None).begin == ""


def test_messages_follow_each_other() -> None:
    said: list[Any] = [
        Message(id="x", parent=None, role="user", text="Hi"),
        {"role": "user", "content": "!"},
    ]
    messages = make_request(PROFILE, said).messages
    assert [m.parent for m in messages] == [None, messages[0].id, messages[1].id]


def test_numbers_may_be_numpys() -> None:
    request = make_request(PROFILE, "Hi", alpha=np.array([0.5, 2]), seed=np.arange(2))
    assert [(lane.alpha, lane.seed) for lane in request.lanes] == [
        (0.5, 0), (0.5, 1), (2.0, 0), (2.0, 1)
    ]  # fmt: skip
    assert all(type(lane.seed) is int and type(lane.alpha) is float for lane in request.lanes)
    options: dict[str, Any] = {"max_new_tokens": np.int64(3), "top": np.int8(2)}
    one = make_request(PROFILE, "Hi", alpha=np.array(2.0), **options)
    assert [lane.alpha for lane in one.lanes] == [2.0]
    assert (one.sampling.max_new_tokens, one.top) == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"prompt": []}, "There is no message"),
        ({"prompt": ["Hi"]}, "not a message: 'Hi'"),
        ({"prompt": [{"role": "robot", "content": "Hi"}]}, "not a message"),
        ({"prompt": [{"role": "user"}]}, "not a message"),
        ({"alpha": []}, "alpha: expected at least one"),
        ({"alpha": [0, float("nan")]}, "alpha: expected a finite number"),
        ({"alpha": ["one"]}, "alpha: expected a number, found 'one'"),
        ({"alpha": True}, "alpha: expected a number, found True"),
        ({"seed": -1}, "seed: expected a number greater than or equal to 0, found -1"),
        ({"seed": 1.5}, "seed: expected a whole number"),
        ({"temperature": -1}, "temperature: expected a number greater than or equal to 0"),
        ({"max_new_tokens": 0}, "max_new_tokens: expected a number greater than or equal to 1"),
        ({"top": -1}, "top: expected a whole number, 0 or more"),
        ({"top": 2.5}, "top: expected a whole number"),
        ({"top": True}, "top: expected a number"),
        ({"top": [1, 2]}, "top: expected a whole number"),
        ({"alpha": 10**400}, "alpha: expected a finite number"),
        ({"prompt": None}, "The prompt is None"),
        ({"prompt": b"Hi"}, "The prompt is b'Hi'"),
        ({"prompt": [{"role": "user", "content": "Hi"}], "raw": True}, "A raw prompt is one text"),
        ({"raw": "no"}, "raw: expected True or False"),
        ({"system": 5}, "system: expected a text"),
        ({"begin": ["Sure"]}, "begin: expected a text"),
        ({"temprature": 0}, "no option temprature. Did you mean temperature?"),
        ({"max_tokens": 5}, "no option max_tokens"),
        ({"raw": True, "system": "Be kind"}, "raw prompt"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        make_request(PROFILE, **{"prompt": "Hi", **arguments})


@pytest.mark.parametrize("prompt", ["", []])
def test_nothing_is_no_prompt(prompt: str | list[Message]) -> None:
    with pytest.raises(UsageError, match="Give a text or a list of messages"):
        messages_of(prompt, "Be brief.")
