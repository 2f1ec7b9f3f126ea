"""The prompt ids of each side."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.records import Message
from tests.models import TEMPLATE, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
HELLO = Message(id="m0", parent=None, role="user", text="hello")
RULES = Message(id="m9", parent=None, role="system", text="be kind")


def chat(
    template: str | None = TEMPLATE, system: tuple[str | None, str | None] = (None, None)
) -> ChatTemplate:
    return ChatTemplate(TOKENIZER, template, system)


def text(ids: tuple[int, ...]) -> str:
    return str(TOKENIZER.decode(ids))


def test_the_template_is_rendered_once_and_opens_the_reply() -> None:
    prompt = chat().prompts((RULES, HELLO), raw=False)
    assert text(prompt.before) == "<|system|>be kind<|end|><|user|>hello<|end|><|assistant|>"
    assert prompt.before == prompt.after


def test_a_side_with_a_system_prompt_of_its_own_gets_that() -> None:
    prompt = chat(system=(None, "be brief")).prompts((RULES, HELLO), raw=False)
    assert text(prompt.before).startswith("<|system|>be kind<|end|>")
    assert text(prompt.after).startswith("<|system|>be brief<|end|><|user|>hello")


def test_raw_is_the_text_and_nothing_else() -> None:
    prompt = chat().prompts((HELLO,), raw=True)
    assert text(prompt.before) == "hello"


def test_an_empty_raw_prompt_is_refused() -> None:
    empty = Message(id="m0", parent=None, role="user", text="")
    with pytest.raises(LogitAmpError, match="empty"):
        chat().prompts((empty,), raw=True)


def test_without_a_template_a_plain_one_stands_in() -> None:
    plain = chat(template=None)
    assert text(plain.prompts((HELLO,), raw=False).after) == "User: hello\n\nAssistant:"
    assert plain.template_hash is None


def test_a_template_that_refuses_the_messages_says_why() -> None:
    strict = chat(template="{{ raise_exception('System role not supported') }}")
    with pytest.raises(LogitAmpError, match="System role not supported"):
        strict.prompts((HELLO,), raw=False)
