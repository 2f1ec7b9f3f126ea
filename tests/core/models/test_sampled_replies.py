"""The history of a turn is the ids that were sampled, in templates of every family's shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from tokenizers import AddedToken, decoders

from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.sampled_replies import ALTERED
from logit_amp_chat.core.records import Message
from tests.core.models.tiny_tokenizers import sentencepiece_bpe, with_names
from tests.models import tiny_tokenizer

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)

QWEN = (
    "{% set ns = namespace(asked=-1) %}{% for m in messages %}{% if m.role == 'user' %}"
    "{% set ns.asked = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}"
    "{{ '<|im_start|>' + m.role + '\n' }}{% set content = m.content %}{% set thought = '' %}"
    "{% if m.reasoning_content is defined and m.reasoning_content is not none %}"
    "{% set thought = m.reasoning_content %}{% elif '</think>' in content %}"
    "{% set thought = content.split('</think>')[0].split('<think>')[-1] %}"
    "{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{% if loop.index0 > ns.asked and thought %}"
    "{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}"
    "{% else %}{{ content }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEEPSEEK = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<|User|>' + m.content }}{% else %}"
    "{% set said = m.content %}{% if '</think>' in said %}"
    "{% set said = said.split('</think>')[-1] %}{% endif %}"
    "{{ '<|Assistant|>' + said + '<|eos|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\n' }}{% endif %}"
)
HARMONY = (
    "{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '<|start|>user<|message|>' + m.content + '<|end|>' }}{% else %}"
    "{% if '<|channel|>analysis<|message|>' in m.content %}{{ raise_exception('no channels') }}"
    "{% endif %}{% if loop.last and not add_generation_prompt and m.thinking is defined %}"
    "{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{% endif %}"
    "{% if m.tool_calls is defined %}{% set call = m.tool_calls[0].function %}"
    "{{ '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>'"
    " + call.arguments | tojson + '<|call|>' }}{% else %}"
    "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}{% endif %}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
MISTRAL = (
    "<s>{% for m in messages %}{% if m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}"
    "{% else %}{{ m.content + '</s>' }}{% endif %}{% endfor %}"
)
LLAMA = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n\n' + m.content | trim }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n\n' }}{% endif %}"
)
CONTROL = (
    *("<|im_start|>", "<|im_end|>", "<|User|>", "<|Assistant|>", "<|eos|>", "<s>", "</s>"),
    *("[INST]", "[/INST]", "[TOOL_CALLS]", "[THINK]", "[/THINK]"),
    *("<|start|>", "<|message|>", "<|channel|>", "<|end|>", "<|return|>", "<|call|>"),
)
TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>")


def toy() -> Any:
    tokenizer = with_names(tiny_tokenizer(None), *CONTROL)
    tokenizer.add_tokens([AddedToken(name, special=False) for name in TOKENS])
    return tokenizer


TOKENIZER = toy()


def ids(*pieces: str) -> tuple[int, ...]:
    """Names of tokens as these; all else a character at a time, as no tokenizer cuts it."""
    found: list[int] = []
    for piece in pieces:
        if piece in (*CONTROL, *TOKENS):
            found.append(TOKENIZER.convert_tokens_to_ids(piece))
            continue
        for char in piece:
            found += TOKENIZER(char, add_special_tokens=False)["input_ids"]
    return tuple(found)


def chat_of(
    template: str | None, said: Sequence[tuple[str, ...]], *, thinks: bool = False
) -> list[Message]:
    """Questions, and these replies to all but the last one."""
    messages = []
    for n, reply in enumerate(said):
        messages.append(Message(id=f"u{n}", parent=None, role="user", text=f"question {n}"))
        own = {"token_ids": ids(*reply), "thinks": thinks}
        messages.append(Message(id=f"r{n}", parent=None, role="assistant", text="", **own))  # type: ignore[arg-type]
    messages.append(Message(id="last", parent=None, role="user", text="and now?"))
    return messages


def prompt(template: str | None, messages: Sequence[Message]) -> tuple[tuple[int, ...], str]:
    """The ids of a prompt, and its notices."""
    found = ChatTemplate(TOKENIZER, template, (None, None)).side_prompts(messages, False, NOON)[1]
    return found.ids, " ".join(found.notices)


def expected(*pieces: str | tuple[int, ...]) -> tuple[int, ...]:
    """Texts as the tokenizer cuts them, and ids as they are."""
    found: list[int] = []
    for piece in pieces:
        if isinstance(piece, tuple):
            found += piece
        else:
            found += TOKENIZER(piece, add_special_tokens=False)["input_ids"]
    return tuple(found)


THOUGHTS = ("<think>", "\nHm.\n", "</think>", "\n\n")
CALL = ("<tool_call>", '\n{"name": "f"}\n', "</tool_call>")
SAID: tuple[tuple[str, ...], ...] = (
    (*THOUGHTS, "It is 4.", "<|im_end|>"),
    ("A plain answer.", "<|im_end|>"),
    (*THOUGHTS, "Let me look.\n", *CALL, "<|im_end|>"),
    ("It was cut o",),
    ("And <|im_end|> spelled.", "<|im_end|>"),
)


def test_five_turns_of_qwen_keep_the_sampled_ids_and_drop_thinking() -> None:
    kept = [reply[4:] if reply[0] == "<think>" else reply for reply in SAID]
    pieces: list[str | tuple[int, ...]] = []
    for n, reply in enumerate(kept):
        pieces += [f"<|im_start|>user\nquestion {n}<|im_end|>\n<|im_start|>assistant\n"]
        ended = reply[-1] == "<|im_end|>"
        pieces += [ids(*reply), "\n" if ended else "<|im_end|>\n"]
    pieces += ["<|im_start|>user\nand now?<|im_end|>\n<|im_start|>assistant\n"]
    assert prompt(QWEN, chat_of(QWEN, SAID)) == (expected(*pieces), "")


def test_thinking_that_the_template_keeps_is_as_it_was_sampled() -> None:
    messages = chat_of(QWEN, SAID[2:3])[:-1]  # nothing was asked since
    found, notices = prompt(QWEN, messages)
    head = "<|im_start|>user\nquestion 0<|im_end|>\n<|im_start|>assistant\n"
    tail = "\n<|im_start|>assistant\n"
    assert (found, notices) == (expected(head, ids(*SAID[2]), tail), "")


def test_thinking_that_the_prompt_began_goes_with_its_end() -> None:
    said = (("Hm.\n", "</think>", "\n\nIt is 4.", "<|eos|>"),)
    found, notices = prompt(DEEPSEEK, chat_of(DEEPSEEK, said, thinks=True))
    answer = ids("\n\nIt is 4.", "<|eos|>")
    tail = "<|User|>and now?<|Assistant|><think>\n"
    assert found == expected("<|User|>question 0<|Assistant|>", answer, tail)
    assert notices == ""


def test_harmony_keeps_the_final_channel() -> None:
    analysis = ("<|channel|>", "analysis", "<|message|>", "A sum.", "<|end|>")
    final = ("<|start|>", "assistant", "<|channel|>", "final", "<|message|>", "It is 4.")
    found, notices = prompt(HARMONY, chat_of(HARMONY, [(*analysis, *final, "<|return|>")]))
    head = "<|start|>user<|message|>question 0<|end|>"
    tail = "<|end|><|start|>user<|message|>and now?<|end|><|start|>assistant"
    assert (found, notices) == (expected(head, ids(*final), tail), "")


def test_a_tool_call_in_a_channel_is_what_the_template_makes_of_it() -> None:
    header = ("<|channel|>", "commentary", " to=functions.f", "<|message|>")
    found, notices = prompt(HARMONY, chat_of(HARMONY, [(*header, '{"a":1}', "<|call|>")]))
    text = (
        "<|start|>user<|message|>question 0<|end|><|start|>assistant to=functions.f<|channel|>"
        'commentary json<|message|>{"a": 1}<|call|>'
        "<|start|>user<|message|>and now?<|end|><|start|>assistant"
    )
    assert (found, notices) == (expected(text), ALTERED)


@pytest.mark.parametrize(
    "reply",
    [
        ("[TOOL_CALLS]", '[{"name": "f"}]', "</s>"),
        ("[THINK]", "Hm.", "[/THINK]", "It is 4.", "</s>"),
        ("It is 4.", "</s>"),
    ],
)
def test_mistral_reads_back_all_that_it_said(reply: tuple[str, ...]) -> None:
    found, notices = prompt(MISTRAL, chat_of(MISTRAL, [reply]))
    wanted = expected("<s>[INST]question 0[/INST]", ids(*reply), "[INST]and now?[/INST]")
    assert (found, notices) == (wanted, "")


@pytest.mark.parametrize("said", ["It is 4.", " It is 4.", "  It", "4\n"])
def test_the_plain_template_goes_on_as_it_began(said: str) -> None:
    messages = chat_of(None, [(said,)])
    first, _ = prompt(None, messages[:1])
    found, notices = prompt(None, messages)
    assert found == (*first, *ids(said), *expected("\n\nUser: and now?\n\nAssistant:"))
    assert notices == ""


def test_a_reply_that_the_template_trims_keeps_what_is_whole_and_says_so() -> None:
    vocabulary = TOKENIZER.get_vocab()
    name, first = next(one for one in vocabulary.items() if re.match("Ġ[a-z]{2}", one[0]))
    messages = chat_of(LLAMA, [("x",)])
    messages[1] = Message(
        id="r", parent=None, role="assistant", text="", token_ids=(first, *ids(" eat fish"))
    )
    found, notices = prompt(LLAMA, messages)
    head = "<|im_start|>user\n\nquestion 0<|im_end|><|im_start|>assistant\n\n"
    begin = name.removeprefix("Ġ")
    tail = "<|im_end|><|im_start|>user\n\nand now?<|im_end|><|im_start|>assistant\n\n"
    assert found == expected(head + begin, ids(" eat fish"), tail)
    assert notices == ALTERED


def test_the_blank_of_sentencepiece_is_not_doubled() -> None:
    tokenizer = sentencepiece_bpe()
    backend = tokenizer.backend_tokenizer
    backend.decoder = decoders.Sequence([backend.decoder, decoders.Strip(" ", 1, 0)])  # as Llama 2
    blank, a = (tokenizer.convert_tokens_to_ids(token) for token in ("▁", "a"))
    template = (
        "{% for m in messages %}{% if m.role == 'user' %}[{{ m.content }}]{% else %}"
        "{{ ' ' + m.content + '</s>' }}{% endif %}{% endfor %}"
    )
    asked = Message(id="u", parent=None, role="user", text="b")
    said = Message(id="r", parent=None, role="assistant", text="a", token_ids=(blank, a, blank, a))
    chat = ChatTemplate(tokenizer, template, (None, None))
    first = chat.side_prompts([asked], False, NOON)[1].ids
    found = chat.side_prompts([asked, said, asked], False, NOON)[1]
    assert found.text == "[b] a a</s>[b]"
    assert found.ids[: len(first) + 4] == (*first, blank, a, blank, a)
    assert found.ids[len(first) + 4] == tokenizer.eos_token_id


def test_messages_without_ids_are_the_text_that_they_are() -> None:
    messages = [m if m.role == "user" else _typed(m, "It is 4.") for m in chat_of(QWEN, SAID[:2])]
    turns = [{"role": m.role, "content": m.text} for m in messages]
    wanted = TOKENIZER.apply_chat_template(
        turns, chat_template=QWEN, add_generation_prompt=True, return_dict=False
    )
    assert prompt(QWEN, messages) == (tuple(wanted), "")


def _typed(message: Message, text: str) -> Message:
    return Message(id=message.id, parent=None, role="assistant", text=text)
