"""The ids of a rendered text: one tokenization, in which literal text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from logit_amp_chat.core.models.given_ids import GivenIds, placed, spliced
from logit_amp_chat.core.models.special_tokens import SpecialTokens, plain_ids
from logit_amp_chat.core.models.token_offsets import Range, decoded, token_offsets
from logit_amp_chat.core.models.vocabulary import TokenBytes, Tokenizer


@dataclass(frozen=True, slots=True)
class Tokenized:
    """The ids of a text, and the characters [start, end) of it that each carries."""

    ids: tuple[int, ...]
    offsets: tuple[Range, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer, token_bytes: TokenBytes, text: str) -> Tokenized:
        """What the tokenizer makes of a text: what is spelled like a special token is that token.

        Raises LogitAmpError where the tokenizer does not tell what its tokens are made of.
        """
        ids = encoded(tokenizer, text)
        return cls(ids, token_offsets(tokenizer, token_bytes, text, ids))

    def with_given(
        self, given: Sequence[GivenIds], token_bytes: TokenBytes, text: str
    ) -> tuple[Tokenized, tuple[GivenIds, ...]]:
        """The same with each given range of the text replaced, and the ranges without a place."""
        found, left = placed(self.offsets, given)
        ids = spliced(self.ids, [(one, one.given.ids) for one in found])
        offsets = [(one, _offsets(one.given, token_bytes, text)) for one in found]
        return Tokenized(ids, spliced(self.offsets, offsets)), left


def _offsets(given: GivenIds, token_bytes: TokenBytes, text: str) -> tuple[Range, ...]:
    """What each of the given ids carries of the text; all of the range where it spells another."""
    spelled, offsets = decoded([token_bytes.raw(i) for i in given.ids])
    if spelled != text[given.start : given.end]:
        return ((given.start, given.end),) * len(given.ids)
    return tuple((given.start + start, given.start + end) for start, end in offsets)


def encoded(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """The ids of a text alone: what the tokenizer adds may be in it already, or end it."""
    # Not verbose: it would warn of texts that are longer than the model's context.
    found = tokenizer(text, add_special_tokens=False, verbose=False)
    return tuple(found["input_ids"])


def literal(
    tokenizer: Tokenizer,
    token_bytes: TokenBytes,
    special: SpecialTokens,
    text: str,
    tokenized: Tokenized,
    ranges: Sequence[Range],
) -> tuple[list[GivenIds], list[str]]:
    """Plain ids for the special tokens in `ranges` of a text, and the spellings that have none.

    A token that also takes the spaces around it (lstrip, rstrip) gives way with these.
    """
    given: list[GivenIds] = []
    lost: list[str] = []
    steering = special.ids
    token = 0
    for start, end in ranges:
        while token < len(tokenized.ids) and tokenized.offsets[token][1] <= start:
            token += 1
        while token < len(tokenized.ids) and tokenized.offsets[token][0] < end:
            if tokenized.ids[token] in steering:
                first, last = tokenized.offsets[token]
                ids = plain_ids(tokenizer, token_bytes, text[first:last], steering)
                if ids is None:
                    lost.append(text[start:end])
                else:
                    given.append(GivenIds(first, last, ids))
            token += 1
    return given, lost
