"""Chats whose replies are read back as they were sampled, with tokenizers of real models.

    python -m tests.compatibility.histories [NAME …] [--write]

Fetches tokenizers and templates with npm and pip, and has chats of five turns with thinking, tool
calls and a reply that was cut off, tokenized as no tokenizer would cut them. `--write` puts the
table into docs/histories.md.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoTokenizer

from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.records import Message
from tests.compatibility.command import parser, quieten
from tests.compatibility.fetched import NPM, fetch

PAGE = Path(__file__).parents[2] / "docs" / "histories.md"
UNSLOTH = "unsloth==2026.10.9"
HEAD = f"""# What models read back of their replies

Chats of five turns with tokenizers and chat templates of released models, as their authors packed
them for npm ({NPM.format(name="…")}); that of gpt-oss is from pip ({UNSLOTH}). Replies are given
as ids that no tokenizer would make of their text, a few characters at a time. In the prompts that
follow

- the text is that of transformers {transformers.__version__}'s `apply_chat_template`,
- the answers are the ids that were sampled,
- where that text goes on from the last prompt and its reply, so do the ids.

`python -m tests.compatibility.histories --write` compares, and writes this page anew.

"""
Reply = tuple[str, ...]
THOUGHT: Reply = ("<think>", "\nThe user asks a sum.\n", "</think>", "\n\n")
CALL: Reply = ("<tool_call>", '\n{"name": "add", "arguments": {"a": 2, "b": 2}}\n', "</tool_call>")
ANALYSIS: Reply = ("<|channel|>", "analysis", "<|message|>", "A sum.", "<|end|>")
FINAL: Reply = ("<|channel|>", "final", "<|message|>")
OPENED: Reply = ("<|start|>", "assistant")


@dataclass(frozen=True)
class Form:
    """How a family writes: what is before an answer, its tool call, its end of turn."""

    end: str
    thought: Reply = ()
    call: Reply = ()
    before: Reply = ()

    def replies(self) -> Iterator[tuple[Reply, str]]:
        """Five replies, with the answer of each."""
        told = "Two and two are four."
        yield (*self.thought, *self.before, told, self.end), told
        yield (*self.before[-3:], "Just four, I'd say.", self.end), "Just four, I'd say."
        yield (*self.thought, *self.before, "I'll add.\n", *self.call, self.end), "I'll add.\n"
        yield (*self.before[-3:], "It was cut o"), "It was cut o"
        yield (*self.before[-3:], "naïve 日本語 ok", self.end), "naïve 日本語 ok"


FORMS = {
    "qwen3": Form("<|im_end|>", THOUGHT, CALL),
    "deepseek_v3": Form("<｜end▁of▁sentence｜>"),
    "mistral_nemo": Form("</s>", call=("[TOOL_CALLS]", '[{"name": "add"}]')),
    "llama3_1": Form("<|eot_id|>"),
    "gemma3": Form("<end_of_turn>"),
    "gptoss": Form("<|return|>", ANALYSIS, before=(*OPENED, *FINAL)),
}


class History:
    """A chat of one family."""

    def __init__(self, reference: Any, template: str) -> None:
        self.reference = reference
        self.template = template
        self.chat = ChatTemplate(reference, template, (None, None))
        self.messages: list[Message] = []
        self.turns: list[dict[str, str]] = []

    def ids(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """Names of tokens as these, all else three characters at a time."""
        found: list[int] = []
        known = self.reference.get_vocab()
        for piece in pieces:
            if piece in known:
                found.append(known[piece])
                continue
            for at in range(0, len(piece), 3):
                found += self.reference(piece[at : at + 3], add_special_tokens=False)["input_ids"]
        return tuple(found)

    def ask(self, n: int) -> tuple[str, tuple[int, ...]]:
        """Ask something; the prompt's text and ids."""
        said = f"Question {n}?"
        self.messages.append(Message(id=f"u{n}", parent=None, role="user", text=said))
        self.turns.append({"role": "user", "content": said})
        moment = datetime.now().astimezone()
        found = self.chat.side_prompts(self.messages, False, moment)[1]
        return found.text, found.ids

    def answer(self, n: int, pieces: Reply, form: Form) -> tuple[int, ...]:
        """Have it answered with these pieces; returns their ids."""
        ids = self.ids(pieces)
        own = Message(id=f"r{n}", parent=None, role="assistant", text="", token_ids=ids)
        self.messages.append(own)
        said = [piece for piece in pieces if piece != form.end]
        turn = {"role": "assistant", "content": "".join(said)}
        if form.before:  # a template that knows channels
            turn = {"role": "assistant", "content": said[-1]}
        self.turns.append(turn)
        return ids

    def expected(self) -> str:
        """The text of the prompt by transformers alone."""
        text = self.reference.apply_chat_template(
            self.turns, chat_template=self.template, add_generation_prompt=True, tokenize=False
        )
        return str(text)


def compare(reference: Any, template: str, form: Form) -> Iterator[str]:
    """What is wrong with the prompts of a chat."""
    history = History(reference, template)
    text, prompt = history.ask(0)
    told: list[tuple[int, ...]] = []
    for n, (pieces, answer) in enumerate(form.replies(), 1):
        before, start = text + "".join(pieces), (*prompt, *history.answer(n, pieces, form))
        told.append(history.ids([answer.strip()]))
        text, prompt = history.ask(n)
        if text != history.expected():
            yield f"text after reply {n}"
        if not _in_order(prompt, told):
            yield f"ids of the answers after reply {n}"
        if text.startswith(before) and prompt[: len(start)] != start:
            yield f"ids that go on from reply {n}"


def _in_order(prompt: Sequence[int], told: Sequence[tuple[int, ...]]) -> bool:
    at = 0
    for ids in told:
        places = range(at, len(prompt) - len(ids) + 1)
        at = next((n for n in places if tuple(prompt[n : n + len(ids)]) == ids), -1)
        if at < 0:
            return False
        at += len(ids)
    return True


def template_of(name: str, reference: Any, folder: Path) -> str:
    """The chat template of a tokenizer; for gpt-oss from another package."""
    if name != "gptoss":
        return str(reference.chat_template)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    subprocess.run([*command, str(folder), UNSLOTH], check=True)
    (archive,) = folder.glob("unsloth-*.whl")
    with zipfile.ZipFile(archive) as packed:
        source = packed.read("unsloth/chat_templates.py").decode()
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="gptoss_template")], value=ast.Constant(value=t)):
                return str(t)
    raise SystemExit(f"{UNSLOTH} has no template of gpt-oss any more")


def main() -> int:
    """Compare; 1 if anything is wrong."""
    arguments = parser(__doc__, "names").parse_args()
    quieten()
    lines = ["| tokenizer | replies read back | remarks |", "| --- | --- | --- |"]
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.names or FORMS:
            reference = AutoTokenizer.from_pretrained(fetch(name, Path(temporary)))
            template = template_of(name, reference, Path(temporary))
            wrong = [*compare(reference, template, FORMS[name])]
            lines.append(f"| {name} | {'WRONG' if wrong else 'right'} | {'; '.join(wrong)} |")
            print(lines[-1], flush=True)
    if arguments.write and not arguments.names:
        PAGE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    return int("WRONG" in f"{lines}")


if __name__ == "__main__":
    sys.exit(main())
