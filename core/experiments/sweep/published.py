"""Reads a sweep that somebody else published: prompts, αs and generated texts in JSON."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown, some
from logit_amp_chat.core.experiments.json_values import MOST, invalid_json
from logit_amp_chat.core.experiments.source_files import explained
from logit_amp_chat.core.experiments.sweep.plan import reply_id
from logit_amp_chat.core.experiments.sweep.prompts import new_prompt
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.experiments.sweep.turn_marks import end_of_turn
from logit_amp_chat.core.records import FinishReason, Role
from logit_amp_chat.core.text import clean

Fields = Mapping[str, Any]

LISTS = ("experiments", "results", "prompts", "sweep", "data")
PROMPT = ("prompt", "messages", "question", "instruction", "input")
ALPHA = ("alpha", "α", "strength", "amplification", "amp", "coefficient")
ALPHAS = ("alphas", "αs", "strengths", "amplifications", "coefficients")
TEXT = ("text", "response", "output", "completion", "generation", "generated_text", "reply")
TEXTS = (
    "generations",
    "responses",
    "outputs",
    "completions",
    "results",
    "samples",
    "texts",
    "replies",
    *TEXT,
)
SETTINGS = ("model_before", "model_after", "temperature", "top_p", "top_k", "max_new_tokens")

HOW = (
    'Expected is a list of {"prompt": …, "alpha": …, "text": …}, of {"prompt": …, "alphas":'
    ' […], "generations": [{"text": …}, …]} or of {"prompt": …, "responses": {"0.3": …}}.'
)

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_RENDERED = re.compile(r"<\|[\w ]+\|>|\[INST\]|<start_of_turn>|^<s>|^<bos>")


@dataclass(frozen=True, slots=True)
class Published:
    """A published sweep. Its replies have no tokens and no log-probabilities: no estimate.

    `cut` is how many texts ran on past an end of turn, where they are cut; `settings` is what
    the file says of its models and sampling.
    """

    prompts: tuple[SweepPrompt, ...]
    replies: tuple[SweepReply, ...]
    cut: int
    settings: dict[str, Any]

    @property
    def notices(self) -> Iterator[str]:
        """What has to be said about it, in sentences."""
        if self.cut:
            yield (
                f"{self.cut:,} of {len(self.replies):,} texts run on past an end of turn; they are"
                " cut there."
            )
        raw = sum(prompt.raw for prompt in self.prompts)
        if raw:
            yield f"{raw:,} of {len(self.prompts):,} prompts are already rendered by a template."
        yield (
            "Imported replies have no log-probabilities, so their rates are counted, and no rate"
            " of after is estimated from them."
        )


def read_published(path: str | Path) -> Published:
    """The prompts and replies of a JSON file.

    Raises UsageError for a file that cannot be read, and for one that has no known shape, with
    what was missing and where.
    """
    name = str(path)
    return _Reader(name).read(_json(Path(path), name))


def _json(path: Path, name: str) -> object:
    try:
        if path.stat().st_size > MOST:
            raise UsageError(
                f"{shown(name)} is JSON of more than {MOST >> 20} MB, which is too much to hold.",
                "Import its prompts in several files.",
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise explained(name, error) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown(name)} is no UTF-8 text.", "Convert it with iconv.") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid_json(name, 1, error) from error


class _Answer(NamedTuple):
    """A generated text, and how many tokens the file says it has (None: it does not say)."""

    alpha: float
    text: str
    tokens: int | None


@dataclass
class _Reader:
    """Reads one file, and knows where in it something is wrong."""

    name: str
    prompts: dict[str, SweepPrompt] = field(default_factory=dict)
    replies: list[SweepReply] = field(default_factory=list)
    cut: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    _counts: Counter[tuple[str, float]] = field(default_factory=Counter)

    def read(self, value: object) -> Published:
        """Everything in the value of a file. Raises UsageError."""
        items = self._items(value)
        for number, item in enumerate(items, 1):
            where = f"item {number:,}"
            if not isinstance(item, dict):
                raise self._refused(where, "is no object with a prompt and texts")
            prompt = self._prompt(where, item)
            for answer in self._answers(where, item):
                self._add(prompt, answer)
        return Published(tuple(self.prompts.values()), tuple(self.replies), self.cut, self.settings)

    def _items(self, value: object) -> list[Any]:
        if isinstance(value, dict):
            self.settings = {name: value[name] for name in SETTINGS if name in value}
            key = next((key for key in LISTS if isinstance(value.get(key), list)), None)
            if key is None:
                raise self._refused("the file", f"has no list {_or(LISTS)}", value)
            value = value[key]
        if not isinstance(value, list) or not value:
            raise self._refused("the file", "is no list of prompts")
        return value

    # --- prompts ----------------------------------------------------------------

    def _prompt(self, where: str, item: Fields) -> SweepPrompt:
        key = next((key for key in PROMPT if key in item), None)
        if key is None:
            raise self._refused(where, f"has no {_or(PROMPT)}", item)
        match item[key]:
            case str() as text:
                messages: tuple[tuple[Role, str], ...] = (("user", clean(text)),)
            case [_, *_] as said:
                messages = tuple(self._message(f"{where}, {key}", one) for one in said)
            case _:
                raise self._refused(where, f"has a {key} that is neither a text nor messages")
        raw = isinstance(item[key], str) and bool(_RENDERED.search(item[key]))
        prompt = new_prompt(
            messages, raw=raw, source=self.name, place=where, number=len(self.prompts) + 1
        )
        return self.prompts.setdefault(prompt.key, prompt)

    def _message(self, where: str, value: object) -> tuple[Role, str]:
        match value:
            case {"role": str() as role, "content": str() as text} if role in _ROLES:
                return _ROLES[role], clean(text)
        raise self._refused(where, "has something else in it than a role and a content")

    # --- texts ------------------------------------------------------------------

    def _answers(self, where: str, item: Fields) -> Iterator[_Answer]:
        """The texts of an item, each with its α."""
        alphas = next((item[key] for key in ALPHAS if isinstance(item.get(key), list)), None)
        alpha = next((item[key] for key in ALPHA if key in item), None)
        key = next((key for key in TEXTS if key in item), None)
        if key is None:
            raise self._refused(where, f"has no {_or(TEXTS)}", item)
        place, texts = f"{where}, {key}", item[key]
        if alpha is not None:
            yield from self._texts(place, alpha, texts)
        elif isinstance(texts, dict):
            for each, text in texts.items():
                yield from self._texts(place, each, text)
        elif not isinstance(texts, list):
            raise self._refused(where, f"has no {_or(ALPHA + ALPHAS)}", item)
        elif alphas is not None:
            if len(alphas) != len(texts):
                raise self._refused(
                    where, f"has {len(alphas):,} alphas and {len(texts):,} texts in {key}"
                )
            for each, text in zip(alphas, texts, strict=True):
                yield from self._texts(place, each, text)
        else:
            for number, one in enumerate(texts, 1):
                if not isinstance(one, dict):
                    raise self._refused(where, f"has no {_or(ALPHA + ALPHAS)}", item)
                yield from self._answers(f"{place} {number:,}", one)

    def _texts(self, where: str, alpha: object, value: object) -> Iterator[_Answer]:
        """One text, or several of one α."""
        match value:
            case str() as text:
                yield _Answer(self._alpha(where, alpha), clean(text), None)
            case list():
                for one in value:
                    yield from self._texts(where, alpha, one)
            case dict():
                said = next((value[key] for key in TEXT if isinstance(value.get(key), str)), None)
                if said is None:
                    raise self._refused(where, f"has no {_or(TEXT)}", value)
                tokens = value.get("tokens")
                count = len(tokens) if isinstance(tokens, list) else None
                yield _Answer(self._alpha(where, alpha), clean(said), count)
            case _:
                raise self._refused(where, "has something that is no text")

    def _alpha(self, where: str, value: object) -> float:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                alpha = float(value)
            except (ValueError, OverflowError):
                alpha = math.nan
            if math.isfinite(alpha):
                return alpha + 0.0  # −0 is 0
        raise self._refused(where, f"has {shown(value)} where an α should be")

    def _add(self, prompt: SweepPrompt, answer: _Answer) -> None:
        end = end_of_turn(answer.text)
        self.cut += end is not None
        n = self._counts[prompt.id, answer.alpha]
        self._counts[prompt.id, answer.alpha] += 1
        self.replies.append(
            SweepReply(
                id=reply_id(prompt.id, answer.alpha, n),
                prompt=prompt.id,
                alpha=answer.alpha,
                n=n,
                seed=0,
                tokens=(),
                text=answer.text[:end],
                lengths=(),
                finish=self._finish(answer, end),
            )
        )

    def _finish(self, answer: _Answer, end: int | None) -> FinishReason:
        """The length limit ended a text that has as many tokens, and no end of turn in it."""
        most = self.settings.get("max_new_tokens")
        at_limit = isinstance(most, int) and answer.tokens is not None and answer.tokens >= most
        return "length" if end is None and at_limit else "stop"

    def _refused(self, where: str, what: str, has: Fields | None = None) -> UsageError:
        keys = f"; it has {some(has)}" if has else ""
        return UsageError(f"{shown(self.name)}: {where} {what}{keys}.", HOW)


def _or(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}"
