"""What a template says of its own, and how an empty system prompt removes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.records import Message, Role
from tests.models import TEMPLATE, tiny_tokenizer

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
# As Qwen 2.5: a default in the place of a system prompt.
DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}<|system|>You are an otter.<|end|>{% endif %}"
    + TEMPLATE
)
# As Llama 3.1: a date in front of every system prompt, also of none.
DATED = (
    "{% set own = messages[0]['role'] == 'system' %}"
    "<|system|>\nToday: {{ strftime_now('%d %b %Y') }}\n"
    "{{ messages[0]['content'] if own }}<|end|>"
    "{% for m in (messages[1:] if own else messages) %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# As Gemma 2: no system prompts at all.
REFUSING = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "<|system|>You are an otter.<|end|>" + TEMPLATE
)


def say(text: str, role: Role = "user") -> Message:
    return Message(id="m", parent=None, role=role, text=text)


def prompted(
    template: str | None, *messages: Message, system: str | None = None
) -> tuple[str, tuple[str, ...]]:
    """The prompt, and the notices about it."""
    chat = ChatTemplate(tiny_tokenizer(template), template, (system, system))
    found = chat.side_prompts(messages, raw=False, moment=NOON)[1]
    assert str(chat.tokenizer.decode(found.ids)) == found.text
    return found.text, found.notices


ASKED = "<|user|>hi<|end|><|assistant|>"


@pytest.mark.parametrize("system", [None, ""])
def test_an_empty_system_prompt_removes_the_template_s_own(system: str | None) -> None:
    """As a message of the conversation, or as a side's own."""
    given = (say("", "system"), say("hi")) if system is None else (say("hi"),)
    assert prompted(DEFAULT, say("hi"))[0] == "<|system|>You are an otter.<|end|>" + ASKED
    assert prompted(DEFAULT, *given, system=system) == ("<|system|><|end|>" + ASKED, ())


@pytest.mark.parametrize("template", [TEMPLATE, None])
def test_where_there_is_none_it_changes_nothing(template: str | None) -> None:
    usual = prompted(template, say("hi"))
    assert prompted(template, say("", "system"), say("hi")) == usual
    assert usual[1] == ()


@pytest.mark.parametrize(
    ("template", "own"), [(DATED, "Today: 03 Feb 2026"), (REFUSING, "You are an otter.")]
)
def test_where_it_cannot_be_removed_that_is_said(template: str, own: str) -> None:
    usual, none = prompted(template, say("hi"))
    assert none == ()
    text, notices = prompted(template, say("", "system"), say("hi"))
    assert text == usual
    assert len(notices) == 1
    assert notices[0].endswith(own)


def test_a_side_s_own_system_prompt_stays_where_the_conversation_asks_for_none() -> None:
    text, notices = prompted(DEFAULT, say("", "system"), say("hi"), system="be brief")
    assert (text, notices) == ("<|system|>be brief<|end|>" + ASKED, ())


@pytest.mark.parametrize(
    ("template", "own"),
    [
        (TEMPLATE, ""),
        (None, ""),
        ("<|endoftext|>" + TEMPLATE, ""),
        (DEFAULT, "You are an otter."),
        (DATED, "Today: 03 Feb 2026"),
        (REFUSING, "You are an otter."),
    ],
)
def test_the_words_of_the_template_are_what_stands_before_the_first_message(
    template: str | None, own: str
) -> None:
    chat = ChatTemplate(tiny_tokenizer(template), template, (None, None))
    assert chat.own_words((say("hi"),), NOON) == own


def test_the_words_of_a_system_prompt_are_not_the_template_s() -> None:
    given = (say("be kind", "system"), say("hi"))
    for template, own in ((DEFAULT, ""), (DATED, "Today: 03 Feb 2026")):
        chat = ChatTemplate(tiny_tokenizer(template), template, (None, None))
        assert chat.own_words(given, NOON) == own
