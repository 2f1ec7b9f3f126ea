"""Chats and texts are recognised by their keys; what would be another text is refused."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.chat_shapes import (
    EXPECTED,
    has_text,
    recognise,
    unknown_shape,
)
from logit_amp_chat.core.reading import Chat, PlainText, Recorded, Score
from logit_amp_chat.core.records import Message, PromptIds

HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
SHAREGPT = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]
TURNS = [("user", "Hello"), ("assistant", "Hi")]


def turns(value: object, score: Score = "assistant") -> list[tuple[str, str]]:
    shaped = recognise(value, "a.jsonl:3", score)
    assert shaped is not None
    assert isinstance(shaped.content, Chat)
    assert shaped.content.score == score
    return [(message.role, message.text) for message in shaped.content.messages]


def refusal(value: object) -> str:
    with pytest.raises(UsageError) as raised:
        recognise(value, "a.jsonl:3", "assistant")
    assert raised.value.remedy
    assert raised.value.message.startswith("a.jsonl:3")
    return raised.value.message


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("messages", {"messages": HELLO}),
        ("messages", {"messages": HELLO, "prompt": "Hello", "id": 7}),
        ("conversations", {"conversations": SHAREGPT}),
        ("conversations", {"conversations": HELLO}),
        ("prompt and completion", {"prompt": "Hello", "completion": "Hi"}),
        ("prompt and completion", {"prompt": HELLO[:1], "completion": HELLO[1:]}),
        ("prompt and completion", {"prompt": HELLO[:1], "completion": "Hi"}),
        ("list of messages", HELLO),
        ("list of messages", SHAREGPT),
    ],
)
def test_a_chat_is_recognised_in_every_shape(shape: str, value: object) -> None:
    shaped = recognise(value, "a.jsonl:3", "assistant")
    assert shaped is not None
    assert shaped.shape == shape
    assert turns(value) == TURNS


@pytest.mark.parametrize("value", [{"prompt": "Hello"}, {"prompt": HELLO[:1], "id": 7}])
def test_a_prompt_alone_is_a_chat_without_an_answer(value: object) -> None:
    shaped = recognise(value, "", "all")
    assert shaped is not None
    assert shaped.shape == "prompt"
    assert turns(value) == TURNS[:1]


@pytest.mark.parametrize(
    ("shape", "value"), [("string", "Otters"), ("text", {"text": "Otters", "source": "web"})]
)
def test_a_text_is_read_without_a_template(shape: str, value: object) -> None:
    assert recognise(value, "", "user") == (shape, PlainText(text="Otters"))


@pytest.mark.parametrize(
    "value",
    [
        {"name": "a package", "version": "1"},
        {"messages": {"hello": "a translation"}},
        {"messages": ["Hello"]},
        {"prompt": "Hello", "chosen": "Hi", "rejected": "No"},
        {"from": "a@b.c", "to": "d@e.f"},
        {"text": ["Otters"]},
        [],
        [{"role": "admin"}],
        [["Hello", "Hi"]],
        {},
        7,
        None,
        True,
    ],
)
def test_anything_else_has_no_known_shape(value: object) -> None:
    assert recognise(value, "a.jsonl:3", "assistant") is None


def test_every_message_follows_the_one_before_it() -> None:
    shaped = recognise(HELLO * 2, "", "all")
    assert shaped is not None
    assert isinstance(shaped.content, Chat)
    messages = shaped.content.messages
    assert messages[0].parent is None
    assert all(b.parent == a.id for a, b in itertools.pairwise(messages))
    assert len({message.id for message in messages}) == 4


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("human", "user"),
        ("assistant", "assistant"),
        ("gpt", "assistant"),
        ("chatgpt", "assistant"),
        ("bing", "assistant"),
        ("model", "assistant"),
    ],
)
@pytest.mark.parametrize("keys", [("role", "content"), ("from", "value")])
def test_the_roles_have_many_names(name: str, role: str, keys: tuple[str, str]) -> None:
    assert turns([dict(zip(keys, (name, "Hi"), strict=True))]) == [(role, "Hi")]


def test_the_parts_of_a_message_are_joined() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}, "!"]
    assert turns([{"role": "user", "content": parts}]) == [("user", "Hello!")]


def test_a_system_prompt_beside_the_messages_comes_first() -> None:
    row = {"system": "Be brief.", "conversations": SHAREGPT}
    assert turns(row) == [("system", "Be brief."), *TURNS]
    assert turns({"system": None, "messages": HELLO}) == TURNS
    both = [{"role": "system", "content": "Be long."}, *HELLO]
    assert "a system prompt beside the messages" in refusal({"system": "a", "messages": both})


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "tool", "content": "4"}, "message 2 has the role tool"),
        ({"role": "function", "content": "4"}, "message 2 has the role function"),
        ({"role": "\x1b[2J", "content": "4"}, "message 2 has the role ␛[2J"),
        ({"role": ["user"], "content": "4"}, "message 2 has the role ['user']"),
        ({"content": "4"}, "message 2 has the role None"),
        ({"role": "user"}, "message 2 has no text"),
        ({"role": "user", "content": None}, "message 2 has no text"),
        ({"role": "user", "content": {"a": 1}}, "message 2 has no text"),
        ("Hi", "message 2 is no object"),
        ({"role": "assistant", "content": "", "tool_calls": [{}]}, "message 2 has tool_calls"),
        ({"role": "assistant", "content": "4", "thinking": "2+2"}, "message 2 has thinking"),
    ],
)
def test_a_message_that_cannot_be_read_as_it_is_is_refused(message: object, said: str) -> None:
    assert said in refusal({"messages": [HELLO[0], message]})


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "image_url", "image_url": {"url": "a.png"}}, "the type image_url"),
        ({"type": "image"}, "the type image"),
        ({"type": "text"}, "the type text"),
        ({"text": 4}, "without text"),
        (4, "without text"),
    ],
)
def test_parts_that_are_no_text_are_refused(part: object, said: str) -> None:
    parts = [{"type": "text", "text": "Look:"}, part]
    assert f"message 1 has a part {'of ' if 'type' in said else ''}{said}" in refusal(
        [{"role": "user", "content": parts}]
    )


@pytest.mark.parametrize("key", ["tools", "functions", "images", "documents"])
def test_what_a_template_would_add_is_refused_unless_it_is_empty(key: str) -> None:
    assert f"has {key}" in refusal({"messages": HELLO, key: [{"name": "search"}]})
    assert turns({"messages": HELLO, key: []}) == TURNS


def test_a_lone_surrogate_of_an_escape_becomes_a_replacement_of_the_same_length() -> None:
    assert turns([{"role": "user", "content": "a\ud800b"}]) == [("user", "a\ufffdb")]
    assert recognise("\udfff", "", "all") == ("string", PlainText(text="\ufffd"))


def test_the_refusal_of_an_unknown_shape_says_what_is_there_and_what_was_expected() -> None:
    keys = dict.fromkeys(["instruction", "in\nput", *"abcdefgh"])
    error = unknown_shape(keys, "a.jsonl:3")
    assert error.message.startswith("a.jsonl:3: ")
    assert "the keys instruction, in␊put, a, b, c and 5 more" in error.message
    assert error.remedy == EXPECTED
    assert "a list" in unknown_shape([], "a").message
    assert "neither" in unknown_shape(4, "a").message
    assert "without keys" in unknown_shape({}, "a").message


@pytest.mark.parametrize(
    ("score", "expected"), [("assistant", True), ("user", False), ("system", False), ("all", True)]
)
def test_a_chat_has_text_if_the_scored_role_says_anything(score: Score, expected: bool) -> None:
    messages = (
        Message(id="m-1", parent=None, role="user", text=""),
        Message(id="m-2", parent="m-1", role="assistant", text="Hi"),
    )
    assert has_text(Chat(messages=messages, score=score)) is expected
    assert not has_text(PlainText(text=""))
    assert not has_text(Recorded(prompt=PromptIds((1,), (1,)), tokens=()))


KEYS = (
    *("messages", "conversations", "prompt", "completion", "text", "role", "content"),
    *("from", "value", "type", "system", "tools", "tool_calls"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_a_chat_a_text_unknown_or_refused(value: Any) -> None:
    with contextlib.suppress(UsageError):
        shaped = recognise(value, "a", "all")
        assert shaped is None or isinstance(shaped.content, Chat | PlainText)
