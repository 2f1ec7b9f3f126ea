"""The prompt ids of each side."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tokenizers import processors

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


class TestBeginningOfText:
    """The tokenizer puts id 0 before plain text, or ends plain text with id 4."""

    PLAIN = "User: hello\n\nAssistant:"

    @staticmethod
    def beginning(template: str | None, single: str = "<|endoftext|> $A") -> ChatTemplate:
        tokenizer = tiny_tokenizer(template)
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=single, special_tokens=[("<|endoftext|>", 0), ("<|end|>", 4)]
        )
        return ChatTemplate(tokenizer, template, (None, None))

    @staticmethod
    def ids(text: str) -> tuple[int, ...]:
        return tuple(tiny_tokenizer()(text)["input_ids"])

    def test_the_plain_template_begins_with_it(self) -> None:
        prompt = self.beginning(None).prompts((HELLO,), raw=False)
        assert prompt.before == prompt.after == (0, *self.ids(self.PLAIN))

    def test_a_template_that_writes_it_gets_no_second_one(self) -> None:
        prompt = self.beginning("<|endoftext|>" + TEMPLATE).prompts((HELLO,), raw=False)
        assert prompt.after == (0, *self.ids("<|user|>hello<|end|><|assistant|>"))

    def test_a_template_that_leaves_it_out_gets_one(self) -> None:
        subject = self.beginning(TEMPLATE)
        prompt = subject.prompts((HELLO,), raw=False)
        assert prompt.after == (0, *self.ids("<|user|>hello<|end|><|assistant|>"))
        assert subject.adds_beginning()
        assert not self.beginning("<|endoftext|>" + TEMPLATE).adds_beginning()
        assert not chat().adds_beginning()

    @pytest.mark.parametrize("said", ["hello", "<|endoftext|>hello"])
    def test_a_raw_prompt_begins_with_it_once(self, said: str) -> None:
        message = Message(id="m0", parent=None, role="user", text=said)
        prompt = self.beginning(None).prompts((message,), raw=True)
        assert prompt.after == (0, *self.ids("hello"))

    def test_a_raw_prompt_may_be_nothing_else(self) -> None:
        empty = Message(id="m0", parent=None, role="user", text="")
        assert self.beginning(None).prompts((empty,), raw=True).after == (0,)

    @pytest.mark.parametrize("raw", [True, False])
    def test_an_end_that_the_tokenizer_appends_ends_no_prompt(self, raw: bool) -> None:
        prompt = self.beginning(None, "$A <|end|>").prompts((HELLO,), raw=raw)
        assert prompt.after == self.ids("hello" if raw else self.PLAIN)

    def test_an_end_that_was_typed_stays(self) -> None:
        typed = Message(id="m0", parent=None, role="user", text="hello<|end|>")
        prompt = self.beginning(None, "<|endoftext|> $A <|end|>").prompts((typed,), raw=True)
        assert prompt.after == (0, *self.ids("hello"), 4)


class TestMoment:
    MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)

    def written(self, template: str) -> str:
        prompt = chat(template=template).prompts((HELLO,), raw=False, moment=self.MOMENT)
        return text(prompt.after)

    @pytest.mark.parametrize(
        "said",
        ["%d %b %Y %H:%M:%S", "%-d.%-m.%y, %A %B %p", "%F %T %Z %z %j", "100%%, %%d, %%%d", "no %"],
    )
    def test_a_template_that_writes_the_time_writes_the_moment_it_is_given(self, said: str) -> None:
        assert self.written(f"{{{{ strftime_now('{said}') }}}}") == self.MOMENT.strftime(said)

    def test_it_may_ask_whether_there_is_a_clock_and_calculate_with_it(self) -> None:
        template = (
            "{% if strftime_now is defined %}{% set year = strftime_now(format='%Y') | int %}"
            "{{ year + 1 }}{% endif %}"
        )
        assert self.written(template) == "2027"

    @pytest.mark.parametrize("start", ["\n", "  ", "\n  ", ""])
    @pytest.mark.parametrize("then", ["{% if true %}x{% endif %}", "{%- if true %}x{% endif %}"])
    def test_the_rest_of_the_template_is_rendered_as_by_transformers(
        self, start: str, then: str
    ) -> None:
        template = start + then + "{{ strftime_now('!') }}"
        turns = [{"role": "user", "content": "hello"}]
        expected = TOKENIZER.apply_chat_template(turns, chat_template=template, tokenize=False)
        assert self.written(template) == expected

    def test_without_a_moment_it_is_now(self) -> None:
        prompt = chat(template="{{ strftime_now('%Y') }}").prompts((HELLO,), raw=False)
        assert int(text(prompt.after)) >= 2026
