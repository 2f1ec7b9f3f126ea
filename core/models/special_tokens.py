"""The tokens that steer a model, and the plain ids of their spelling."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from logit_amp_chat.core.models.vocabulary import TokenBytes, Tokenizer, special_ids
from logit_amp_chat.core.records import Message

# What is put before a spelling where a tokenizer would begin it with a blank, and cut off again.
ANCHORS = ("", "\n", ".", "a")

# What an assistant writes itself, as tokens that a reply's text has: <think>, <tool_call> …
ASSISTANTS = re.compile("think|tool", re.IGNORECASE)


@dataclass(frozen=True)
class SpecialTokens:
    """The added tokens that a text must not spell unmeant, by id.

    `control` are those that the tokenizer marks as special; `written` are others that the chat
    template itself writes, such as <think>. Added tokens that are only words or spaces (HTML
    tags of Gemma, runs of spaces of GPT-NeoX) are neither.
    """

    control: dict[int, str]
    written: dict[int, str]

    @classmethod
    def of(cls, tokenizer: Tokenizer, template: str | None) -> SpecialTokens:
        """Those of a tokenizer with its chat template."""
        added = {i: str(token.content) for i, token in tokenizer.added_tokens_decoder.items()}
        special = special_ids(tokenizer)
        named = {i: added.get(i) or str(tokenizer.convert_ids_to_tokens(i)) for i in special}
        written = {
            i: text
            for i, text in added.items()
            if i not in special and template and text in template
            if not text.isspace() and not text.isalnum()
        }
        return cls({i: text for i, text in named.items() if text.strip()}, written)

    @functools.cached_property
    def spellings(self) -> tuple[str, ...]:
        """How all of them are spelled."""
        return tuple(sorted({*self.control.values(), *self.written.values()}))

    @property
    def ids(self) -> frozenset[int]:
        """The ids of all of them."""
        return frozenset(self.control.keys() | self.written.keys())

    def spelled_in(self, message: Message) -> Iterator[re.Match[str]]:
        """Where a message spells one that it does not mean.

        An assistant means those that it thinks and calls tools with, unless the tokenizer marks
        them as special: then a reply's text does not have them. What the models said has its
        ids.
        """
        if message.token_ids is not None:
            return
        own = message.role == "assistant"
        pattern = self._assistant_pattern if own else self._pattern
        if not message.special and pattern is not None:
            yield from pattern.finditer(message.text)

    def split(self, text: str) -> list[str]:
        """A text in pieces: others, one special token, others, and so on; others may be empty."""
        pieces: list[str] = []
        end = 0
        for found in self._pattern.finditer(text) if self._pattern else ():
            pieces += [text[end : found.start()], found[0]]
            end = found.end()
        return [*pieces, text[end:]]

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return _any_of([*self.control.values(), *self.written.values()])

    @functools.cached_property
    def _assistant_pattern(self) -> re.Pattern[str] | None:
        others = [text for text in self.written.values() if not ASSISTANTS.search(text)]
        return _any_of([*self.control.values(), *others])


def _any_of(texts: Sequence[str]) -> re.Pattern[str] | None:
    """Any of the texts, the longest that is there."""
    longest_first = sorted(set(texts), key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, longest_first))) if texts else None


def plain_ids(
    tokenizer: Tokenizer, token_bytes: TokenBytes, text: str, special: frozenset[int]
) -> tuple[int, ...] | None:
    """The ids of a text that spells added tokens, as if it did not.

    They give exactly the text back, unless the tokenizer has no tokens for some characters.
    None where it has only special tokens for the text.
    """
    wanted, lossy = text.encode(), None
    unknown = {tokenizer.unk_token_id}
    for ids in _plain_ways(tokenizer, text):
        if special.isdisjoint(ids) and b"".join(map(token_bytes.raw, ids)) == wanted:
            return ids
        if lossy is None and special.isdisjoint({*ids} - unknown):
            lossy = None if token_bytes.raw(ids[0]).startswith(b" ") else ids
    return lossy


def _plain_ways(tokenizer: Tokenizer, text: str) -> Iterator[tuple[int, ...]]:
    """Ids of the text, tokenized alone and behind others: some tokenizers add a space before."""
    for anchor in ANCHORS:
        for encode in (_model_ids, _split_ids):
            before: tuple[int, ...] = ()
            ids: tuple[int, ...] = ()
            with suppress(Exception):  # a tokenizer that has no such way
                before = encode(tokenizer, anchor) if anchor else ()
                ids = encode(tokenizer, anchor + text)
            if ids[: len(before)] == before and len(ids) > len(before):
                yield ids[len(before) :]


def _model_ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """What a fast tokenizer does with a text besides looking for added tokens."""
    backend = tokenizer.backend_tokenizer
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    pieces = [text]
    if backend.pre_tokenizer is not None:
        pieces = [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return tuple(token.id for piece in pieces for token in backend.model.tokenize(piece))


def _split_ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
    return tuple(encoded["input_ids"])
