"""Chat templates of known families in few words, and the same rendered by hand.

A rendering by hand is a list of pieces: a text, and the number of the message that it is, None
for the template's own words. A message that the template rewrites has no piece of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logit_amp_chat.core.records import Message, Role

Pieces = list[tuple[str, int | None]]


def conversation(*said: tuple[Role, str]) -> tuple[Message, ...]:
    return tuple(
        Message(id=f"m{n}", parent=None, role=role, text=text)
        for n, (role, text) in enumerate(said)
    )


@dataclass(frozen=True)
class Family:
    """A template, what it does by hand, and what ends a turn."""

    name: str
    template: str
    by_hand: Callable[[Sequence[Message]], Pieces]
    end: str


CHATML = Family(
    "chatml",
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    lambda messages: [
        piece
        for n, m in enumerate(messages)
        for piece in ((f"<|im_start|>{m.role}\n", None), (m.text, n), ("<|im_end|>\n", None))
    ],
    end="<|im_end|>",
)

LLAMA = Family(
    "llama",
    "<|begin|>{% for m in messages %}"
    "{{ '<|start|>' + m['role'] + '<|stop|>\n\n' + m['content'] | trim + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant<|stop|>\n\n' }}{% endif %}",
    lambda messages: [
        ("<|begin|>", None),
        *(
            piece
            for n, m in enumerate(messages)
            for piece in (
                (f"<|start|>{m.role}<|stop|>\n\n", None),
                (m.text.strip(), n),
                ("<|eot|>", None),
            )
        ),
    ],
    end="<|eot|>",
)


def _gemma(messages: Sequence[Message]) -> Pieces:
    pieces: Pieces = [("<bos>", None)]
    system = messages[0].role == "system"
    for n, m in enumerate(messages):
        if n == 0 and system:
            continue
        role = "model" if m.role == "assistant" else m.role
        pieces += [(f"<start_of_turn>{role}\n", None)]
        if n == 1 and system:
            pieces += [(messages[0].text, 0), ("\n\n", None)]
        pieces += [(m.text.strip(), n), ("<end_of_turn>\n", None)]
    return pieces


GEMMA = Family(
    "gemma",
    "<bos>{% if messages[0]['role'] == 'system' %}"
    "{% set first = messages[0]['content'] + '\n\n' %}{% set turns = messages[1:] %}"
    "{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n'"
    " + (first if loop.first else '') }}{{ m['content'] | trim }}{{ '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    _gemma,
    end="<end_of_turn>",
)


def _mistral(messages: Sequence[Message]) -> Pieces:
    pieces: Pieces = [("<s>", None)]
    last = max(n for n, m in enumerate(messages) if m.role == "user")
    for n, m in enumerate(messages):
        if m.role == "user":
            pieces += [("[INST] ", None)]
            if n == last and messages[0].role == "system":
                pieces += [(messages[0].text, 0), ("\n\n", None)]
            pieces += [(m.text, n), ("[/INST]", None)]
        elif m.role == "assistant":
            pieces += [(" ", None), (m.text.strip(), n), ("</s>", None)]
    return pieces


MISTRAL = Family(
    "mistral",
    "<s>{% set users = messages | selectattr('role', 'equalto', 'user') | list %}"
    "{% set seen = namespace(n=0) %}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{% set seen.n = seen.n + 1 %}{{ '[INST] ' }}"
    "{% if seen.n == users | length and messages[0]['role'] == 'system' %}"
    "{{ messages[0]['content'] + '\n\n' }}{% endif %}{{ m['content'] + '[/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] | trim + '</s>' }}{% endif %}"
    "{% endfor %}",
    _mistral,
    end="</s>",
)


def _deepseek(messages: Sequence[Message]) -> Pieces:
    pieces: Pieces = [("<｜begin｜>", None)]
    for n, m in enumerate(messages):
        if m.role == "system":
            pieces += [(m.text, n)]
        elif m.role == "user":
            pieces += [("<｜User｜>", None), (m.text, n)]
        else:
            kept = m.text.split("</think>")[-1]
            pieces += [("<｜Assistant｜>", None), (kept, n if kept == m.text else None)]
            pieces += [("<｜end｜>", None)]
    return pieces


DEEPSEEK = Family(
    "deepseek",
    "<｜begin｜>{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}"
    "{% elif m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}{% else %}"
    "{% set said = m['content'] %}"
    "{% if '</think>' in said %}{% set said = said.split('</think>')[-1] %}{% endif %}"
    "{{ '<｜Assistant｜>' + said + '<｜end｜>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}",
    _deepseek,
    end="<｜end｜>",
)


def _rewritten(whole: str, text: str, number: int) -> Pieces:
    """A thought and an answer put together anew, and the message if it came out as it was."""
    core = text.strip()
    at = len(whole.rstrip()) - len(core)
    if at < 0 or whole[at : at + len(core)] != core:
        return [(whole, None)]
    spaces = text[: len(text) - len(text.lstrip())].lstrip("\n")
    start = at if core.startswith("<think>") else at - len(spaces)
    end = at + len(core) if core.endswith("</think>") else len(whole)
    return [(whole[:start], None), (whole[start:end], number), (whole[end:], None)]


def _qwen(messages: Sequence[Message]) -> Pieces:
    pieces: Pieces = []
    asked = max((n for n, m in enumerate(messages) if m.role == "user"), default=-1)
    for n, m in enumerate(messages):
        pieces += [(f"<|im_start|>{m.role}\n", None)]
        thought, answer = "", m.text
        if m.role == "assistant" and "</think>" in m.text:
            thought = m.text.split("</think>")[0].rstrip("\n").split("<think>")[-1].lstrip("\n")
            answer = m.text.split("</think>")[-1].lstrip("\n")
        if m.role == "assistant" and n > asked:
            if "</think>" in m.text:
                pieces += _rewritten(f"<think>\n{thought}\n</think>\n\n{answer}", m.text, n)
            else:
                pieces += [("<think>\n\n</think>\n\n", None), (m.text.lstrip("\n"), n)]
        else:
            pieces += [(answer, n if answer == m.text else None)]
        pieces += [("<|im_end|>\n", None)]
    return pieces


QWEN = Family(
    "qwen",
    "{% set ns = namespace(asked=-1) %}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{% set ns.asked = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' }}{% set answer = m['content'] %}{% set thought = '' %}"
    "{% if m['role'] == 'assistant' and '</think>' in answer %}"
    "{% set thought = answer.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}"
    "{% set answer = answer.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{% if m['role'] == 'assistant' and loop.index0 > ns.asked %}"
    "{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + answer.lstrip('\n') }}"
    "{% else %}{{ answer }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    _qwen,
    end="<|im_end|>",
)

FAMILIES = (CHATML, LLAMA, GEMMA, MISTRAL, DEEPSEEK, QWEN)
GENERATION = Family(
    "generation",
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}<|im_end|>"
    "{% endgeneration %}{% else %}{{ m['content'] }}<|im_end|>{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    CHATML.by_hand,
    end="<|im_end|>",
)
