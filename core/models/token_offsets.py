"""Which characters of a text each of its tokens carries."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.vocabulary import TokenBytes, Tokenizer

Range = tuple[int, int]
"""The characters [start, end) of a text."""


def decoded(pieces: Iterable[bytes]) -> tuple[str, tuple[Range, ...]]:
    """The text of tokens whose bytes are `pieces`, and the characters that each has bytes of.

    Tokens that share a character all have it in their range; a token without bytes has an
    empty one. Bytes that can never become valid UTF-8 are U+FFFD, as in `Utf8Stream`.
    """
    pieces = list(pieces)
    data = b"".join(pieces)
    text = data.decode(errors="replace")
    offsets: list[Range] = []
    at = 0  # where the token begins, in bytes
    count = end = 0  # characters up to here, and where the last of them ends, in bytes
    for piece in pieces:
        start = count - (end > at)
        if end == at and piece.isascii():
            count, end = count + len(piece), end + len(piece)
        at += len(piece)
        while end < at:
            end += _width(text[count], data, end)
            count += 1
        offsets.append((start, count if piece else start))
    return text, tuple(offsets)


def _width(character: str, data: bytes, at: int) -> int:
    """How many bytes became a character."""
    if data.startswith(encoded := character.encode(), at):
        return len(encoded)
    # As many as are one U+FFFD together; with one more they are two characters.
    return next(
        n
        for n in (1, 2, 3)
        if at + n == len(data) or len(data[at : at + n + 1].decode(errors="replace")) > 1
    )


def token_offsets(
    tokenizer: Tokenizer, token_bytes: TokenBytes, text: str, ids: Sequence[int]
) -> tuple[Range, ...]:
    """The characters of `text` that each of its tokens `ids` carries, in order.

    Where the tokens' bytes are those of the text they decide: every character is carried, and
    by all the tokens that share it; a space that the tokenizer puts before the text is nobody's.
    Otherwise (normalizers that compose, lower-case or drop) the tokenizer says which
    characters a token was made of. It may leave out the spaces at a token's ends and accents
    that it composed with a letter; these are added. What no token was made of is nobody's.

    Raises LogitAmpError where neither is possible.
    """
    pieces = [token_bytes.raw(i) for i in ids]
    joined, wanted = b"".join(pieces), text.encode()
    if joined == wanted:
        return decoded(pieces)[1]
    if joined == b" " + wanted:
        first = next(n for n, piece in enumerate(pieces) if piece)
        pieces[first] = pieces[first][1:]
        return decoded(pieces)[1]
    return _completed(text, _from_tokenizer(tokenizer, text, ids), pieces)


def _from_tokenizer(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> list[Range]:
    """The ranges that a fast tokenizer gives."""
    if not getattr(tokenizer, "is_fast", False):
        raise LogitAmpError(
            "This tokenizer does not say which characters its tokens are made of, and they do"
            " not give the text back.",
            "Use a model whose tokenizer has a fast version (tokenizer.json).",
        )
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = [(int(start), int(end)) for start, end in encoded["offset_mapping"]]
    ordered = zip([(0, 0), *offsets], [*offsets, (len(text), len(text))], strict=True)
    if (
        list(encoded["input_ids"]) != list(ids)
        or len(offsets) != len(ids)
        or any(start > end for start, end in offsets)
        or any(left[0] > right[0] or left[1] > right[1] for left, right in ordered)
    ):
        raise LogitAmpError(
            "The tokenizer's own account of which characters its tokens are made of is wrong:"
            " tokens are out of order or outside of the text.",
            "Report this model: its texts cannot be shown token by token.",
        )
    return offsets


def _completed(text: str, offsets: list[Range], pieces: list[bytes]) -> tuple[Range, ...]:
    """Add characters between two ranges to the tokens that carry them.

    Accents and the like are carried by the tokens of the character before them. Spaces are
    carried by the token after them if it begins with a space, else by the one before if it ends
    with one. Tokenizers such as BERT's drop spaces: they stay nobody's.
    """
    said = [piece.decode(errors="replace") for piece in pieces]
    completed: list[Range] = []
    end = 0  # of all tokens so far
    for n, (start, stop) in enumerate([*offsets, (len(text), len(text))]):
        if completed and (base := _end_of_character(text, end, start)) > end:
            _extend(completed, end, base)
            end = base
        if n < len(offsets) and start == stop and said[n].isspace():
            if text[end : end + len(said[n])].isspace():
                start, stop = end, min(end + len(said[n]), len(text))
        elif text[end:start].isspace():
            if n < len(offsets) and said[n][:1].isspace():
                start = end
            elif completed and said[n - 1][-1:].isspace():
                completed[-1] = (completed[-1][0], start)
        completed.append((start, stop))
        end = max(end, stop)
    return tuple(completed[: len(offsets)])


def _end_of_character(text: str, end: int, limit: int) -> int:
    """Where a character that ends at `end` does with what combines with it, up to `limit`."""
    combined = end
    while combined < limit and (
        unicodedata.category(text[combined]).startswith("M")
        or len(unicodedata.normalize("NFC", text[end - 1 : combined + 1])) == 1
    ):
        combined += 1
    return combined


def _extend(ranges: list[Range], end: int, new_end: int) -> None:
    """Let the last ranges that end at `end` do so at `new_end`."""
    for n in reversed(range(len(ranges))):
        if ranges[n][1] != end:
            return
        ranges[n] = (ranges[n][0], new_end)
