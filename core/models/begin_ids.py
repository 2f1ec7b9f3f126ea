"""The ids of a text that goes on from tokens: what a reply is given to begin with."""

from __future__ import annotations

from collections.abc import Sequence

from logit_amp_chat.core.models.vocabulary import TokenBytes, Tokenizer

# As far as a tokenizer looks back from where a text begins.
CONTEXT = 64
# What a text can stand after without becoming one token with it: some tokenizers put a blank
# before a text that stands alone.
ANCHORS = ("\n", ".", "a", "0")


def begin_ids(
    tokenizer: Tokenizer,
    token_bytes: TokenBytes,
    before: Sequence[int],
    text: str,
    *,
    special: bool = False,
) -> tuple[int, ...]:
    """The ids of `text` after the tokens `before`, which stay as they are.

    They are those that the text has in this place, if a token ends where it begins; else those
    of the text alone, without a blank or a beginning of text before it. What it spells like a
    special token is text, unless it is `special`.
    """
    if not text:
        return ()
    wanted, found = text.encode(errors="replace"), []
    for context in (_text_before(token_bytes, before), *ANCHORS):
        ids = _following(tokenizer, context, text, special=special) if context else None
        if ids is None:
            continue
        if b"".join(map(token_bytes.raw, ids)) == wanted:
            return ids
        found.append(ids)
    return found[0] if found else _encoded(tokenizer, text, special=special)


def _text_before(token_bytes: TokenBytes, before: Sequence[int]) -> str:
    """The text of the last tokens, after the last special one."""
    pieces: list[bytes] = []
    for token in reversed(before[-CONTEXT:]):
        if token_bytes.describe(token)[2]:
            break
        pieces.append(token_bytes.raw(token))
    return b"".join(reversed(pieces)).decode(errors="replace")


def _following(
    tokenizer: Tokenizer, context: str, text: str, *, special: bool
) -> tuple[int, ...] | None:
    """The ids of `text` after `context`; None if a token has characters of both."""
    alone = _encoded(tokenizer, context, special=special)
    both = _encoded(tokenizer, context + text, special=special)
    return both[len(alone) :] if both[: len(alone)] == alone else None


def _encoded(tokenizer: Tokenizer, text: str, *, special: bool) -> tuple[int, ...]:
    # Not verbose: it would warn of texts that are longer than the model's context.
    encoded = tokenizer(
        text, add_special_tokens=False, split_special_tokens=not special, verbose=False
    )
    return tuple(encoded["input_ids"])
