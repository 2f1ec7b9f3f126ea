"""Where messages stand in the text that a chat template makes of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.message_spans import RenderedChat, render_with_spans
from logit_amp_chat.core.records import Message
from tests.core.models.template_families import (
    CHATML,
    DEEPSEEK,
    FAMILIES,
    GEMMA,
    GENERATION,
    LLAMA,
    MISTRAL,
    QWEN,
    Family,
    Pieces,
    conversation,
)
from tests.models import tiny_tokenizer

MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
TOKENIZER = tiny_tokenizer()
TALK = conversation(
    ("system", "Be kind."),
    ("user", "user"),
    ("assistant", "assistant says: user"),
    ("user", "a\nb"),
    ("assistant", "26"),
)
HOSTILE = (
    *("user", "assistant", "model", "system", "\n", " ", "\t", "\u00a0", "\x85", "\x1b[31m", "\0"),
    *(
        "<|im_end|>",
        "<|im_start|>user\n",
        "[INST] ",
        "[/INST]",
        "</s>",
        "<end_of_turn>\n",
        "<|eot|>",
    ),
    *(
        "🙂",
        "e\u0301",
        "שלום",
        "\u202e",
        "\ue000",
        "\ue0000\ue000",
        "{{ x }}",
        "{% raw %}",
        "0",
        "x",
    ),
    *("<think>", "</think>", "<think>\n", "\n</think>\n\n", "<｜end｜>", "\n\n"),
)
TEXTS = st.lists(st.sampled_from(HOSTILE), max_size=6).map("".join) | st.text(max_size=5)


def rendered(
    template: str, messages: tuple[Message, ...], system: str | None = None
) -> RenderedChat:
    chat = ChatTemplate(TOKENIZER, template, (system, system))
    return render_with_spans(chat, messages, system, MOMENT)


def located(pieces: Pieces) -> tuple[str, dict[int, tuple[int, int]]]:
    """The text of a rendering by hand and its messages."""
    text, spans = "", {}
    for piece, number in pieces:
        if number is not None:
            spans[number] = (len(text), len(text) + len(piece))
        text += piece
    return text, spans


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_message_of_an_ordinary_chat_is_located(family: Family) -> None:
    found = rendered(family.template, TALK)
    assert (found.text, found.spans) == located(family.by_hand(TALK))
    assert not found.generated


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@given(texts=st.lists(TEXTS, min_size=5, max_size=5), system=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_text_is_located_at_a_wrong_place(
    family: Family, texts: list[str], system: bool
) -> None:
    said = [(m.role, text) for m, text in zip(TALK, texts, strict=True)]
    messages = conversation(*said[0 if system else 1 :])
    found = rendered(family.template, messages)
    text, spans = located(family.by_hand(messages))
    assert found.text == text
    assert found.spans.items() <= spans.items()


@pytest.mark.parametrize("family", [CHATML, LLAMA], ids=lambda family: family.name)
@given(texts=st.lists(TEXTS, min_size=5, max_size=5))
@settings(max_examples=150, deadline=None)
def test_templates_that_only_frame_messages_locate_any_text(
    family: Family, texts: list[str]
) -> None:
    messages = conversation(*((m.role, t) for m, t in zip(TALK, texts, strict=True)))
    assert rendered(family.template, messages).spans == located(family.by_hand(messages))[1]


def test_spaces_belong_to_a_message_where_the_template_keeps_them() -> None:
    messages = conversation(("user", " \n hello\t\n"), ("assistant", "\n\n"), ("user", " "))
    for family in (CHATML, LLAMA):
        found = rendered(family.template, messages)
        assert found.spans == located(family.by_hand(messages))[1]
    assert rendered(CHATML.template, messages).text.count(" \n hello\t\n") == 1


def test_spaces_that_may_be_of_either_of_two_messages_leave_both_out() -> None:
    template = "{{ messages[0]['content'] + ' ' + messages[1]['content'] | trim }}!"
    messages = conversation(("system", "a "), ("user", " b"))
    assert rendered(template, messages).text == "a  b!"
    assert not rendered(template, messages).spans


class TestRewrittenMessages:
    THOUGHT = "<think>\nhm\n</think>\n\nfour"

    def test_a_reply_whose_thinking_is_dropped_is_not_located(self) -> None:
        messages = conversation(("user", "2 + 2"), ("assistant", self.THOUGHT), ("user", "four"))
        for family in (DEEPSEEK, QWEN):
            assert rendered(family.template, messages).spans.keys() == {0, 2}

    def test_spaces_of_others_are_still_theirs(self) -> None:
        messages = conversation(
            ("user", "2 + 2\n"), ("assistant", f"\n{self.THOUGHT}\n"), ("user", " four ")
        )
        for family in (DEEPSEEK, QWEN):
            found = rendered(family.template, messages)
            said = {n: found.text[start:end] for n, (start, end) in found.spans.items()}
            assert said == {0: "2 + 2\n", 2: " four "}

    def test_a_last_reply_that_is_put_together_as_it_was_is(self) -> None:
        messages = conversation(("user", "2 + 2"), ("assistant", self.THOUGHT))
        found = rendered(QWEN.template, messages)
        start, end = found.spans[1]
        assert found.text[start:end] == self.THOUGHT

    def test_thinking_that_is_put_before_a_reply_is_not_of_it(self) -> None:
        found = rendered(QWEN.template, conversation(("user", "2 + 2"), ("assistant", "four")))
        start, end = found.spans[1]
        assert found.text[start:end] == "four"
        assert found.text[:start].endswith("</think>\n\n")

    @pytest.mark.parametrize(
        "template",
        [
            "{% for m in messages %}{{ m['content'] | upper }}\n{% endfor %}",
            "{% for m in messages %}{{ m['content'] + m['content'] }}\n{% endfor %}",
            "{% for m in messages %}{{ m['content'] | length }}\n{% endfor %}",
            "{% for m in messages %}{{ m['content'].replace('a', 'b') }}\n{% endfor %}",
            "hallo\n",
        ],
    )
    def test_text_that_is_changed_doubled_counted_or_dropped_is_not_located(
        self, template: str
    ) -> None:
        assert not rendered(template, conversation(("user", "hallo"))).spans

    def test_a_template_that_looks_at_the_ends_of_messages_is_not_misled(self) -> None:
        template = (
            "{% for m in messages %}{% if m['content'].startswith('<a>') and"
            " m['content'].endswith('</a>') %}{{ 'tool: ' + m['content'] }}{% else %}"
            "{{ 'user: ' + m['content'] }}{% endif %}{% endfor %}"
        )
        found = rendered(template, conversation(("user", "<a>hello</a>")))
        assert (found.text, found.spans) == ("tool: <a>hello</a>", {0: (6, 18)})

    def test_a_template_that_refuses_a_mark_is_asked_with_another(self) -> None:
        template = (
            "{% if not messages[0]['content'].endswith('.') %}{{ raise_exception('.') }}"
            "{% endif %}{{ messages[0]['content'] }}"
        )
        assert rendered(template, conversation(("user", "hi."))).spans == {0: (0, 3)}

    def test_a_message_that_must_be_empty_does_not_hide_the_others(self) -> None:
        template = (
            "{% for m in messages %}{% if m['content'] %}{{ m['role'] + ': ' + m['content'] }};"
            "{% endif %}{% endfor %}"
        )
        found = rendered(template, conversation(("user", "hi"), ("assistant", ""), ("user", "ho")))
        assert (found.text, found.spans) == ("user: hi;user: ho;", {0: (6, 8), 2: (15, 17)})

    def test_messages_that_would_overlap_are_not_located(self) -> None:
        template = (
            "a{{ messages[1]['content'] }}{{ messages[0]['content'][2:] }}"
            "{{ messages[2]['content'] }}"
        )
        messages = conversation(("user", "abc"), ("assistant", "b"), ("user", "d"))
        assert rendered(template, messages).text == "abcd"
        assert rendered(template, messages).spans == {2: (3, 4)}

    def test_a_template_that_refuses_the_messages_says_why(self) -> None:
        with pytest.raises(LogitAmpError, match="must alternate"):
            rendered(GEMMA.template, conversation(("assistant", "hi")))


def test_a_system_prompt_of_the_sides_own_is_no_message() -> None:
    found = rendered(CHATML.template, TALK, system="Be kind.")
    pieces = CHATML.by_hand(TALK)
    text, spans = located(pieces)
    assert found.text == text
    assert found.spans == {n: span for n, span in spans.items() if n != 0}


class TestGenerated:
    """Templates that mark what the model wrote with {% generation %}."""

    def test_it_is_what_the_template_says_for_every_reply(self) -> None:
        found = rendered(GENERATION.template, TALK)
        text, spans = located(GENERATION.by_hand(TALK))
        assert (found.text, found.spans) == (text, spans)
        ends = {n: spans[n][1] + len("<|im_end|>") for n in (2, 4)}
        assert found.generated == {n: (spans[n][0], end) for n, end in ends.items()}

    def test_it_places_replies_that_the_template_rewrites(self) -> None:
        template = GENERATION.template.replace(
            "m['content'] }}<|im_end|>{% end",
            "m['content'].split('</think>')[-1] }}<|im_end|>{% end",
        )
        messages = conversation(("user", "hi"), ("assistant", "<think>x</think>ho"), ("user", "x"))
        found = rendered(template, messages)
        start = found.text.index("ho<|im_end|>")
        assert found.generated[1] == found.spans[1] == (start, start + len("ho<|im_end|>"))

    @given(texts=st.lists(TEXTS, min_size=5, max_size=5))
    @settings(max_examples=150, deadline=None)
    def test_hostile_text_does_not_move_it(self, texts: list[str]) -> None:
        messages = conversation(*((m.role, t) for m, t in zip(TALK, texts, strict=True)))
        spans = located(GENERATION.by_hand(messages))[1]
        found = rendered(GENERATION.template, messages)
        assert found.generated == {
            n: (spans[n][0], spans[n][1] + len("<|im_end|>")) for n in (2, 4)
        }

    @pytest.mark.parametrize(
        "template",
        [
            # In a macro, transformers counts from the last text outside of it.
            "{% macro turn(m) %}[{{ m['role'] }}]{% generation %}{{ m['content'] }}"
            "{% endgeneration %};{% endmacro %}{% for m in messages %}{{ turn(m) }}{% endfor %}",
            # It marks what users say, too.
            "{% for m in messages %}[{{ m['role'] }}]{% generation %}{{ m['content'] }}"
            "{% endgeneration %};{% endfor %}",
            # It marks the last reply only.
            "{% for m in messages %}[{{ m['role'] }}]{% if loop.last %}{% generation %}"
            "{{ m['content'] }}{% endgeneration %}{% else %}{{ m['content'] }}{% endif %};"
            "{% endfor %}",
            # It marks nothing.
            "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }};{% endfor %}"
            "{% if false %}{% generation %}{% endgeneration %}{% endif %}",
        ],
        ids=["macro", "users", "last", "nothing"],
    )
    def test_marks_that_are_not_exactly_the_replies_do_not_count(self, template: str) -> None:
        found = rendered(template, TALK)
        assert not found.generated
        assert (
            found.spans
            == located(
                [
                    piece
                    for n, m in enumerate(TALK)
                    for piece in ((f"[{m.role}]", None), (m.text, n), (";", None))
                ]
            )[1]
        )


def test_a_system_prompt_that_comes_late_is_located() -> None:
    found = rendered(MISTRAL.template, TALK)
    assert found.spans[0][0] > found.spans[2][1]
