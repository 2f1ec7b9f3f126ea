"""The characters that each token of a text carries."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.token_offsets import decoded, token_offsets
from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.text import Utf8Stream
from tests.core.models.tiny_tokenizers import (
    byte_level,
    sentencepiece_bpe,
    unigram,
    with_names,
    wordpiece,
)

KINDS = {
    "byte level": byte_level(),
    "byte level, trims": byte_level(trims=True),
    "byte level, nfc": byte_level(nfc=True),
    "byte level, both": byte_level(trims=True, nfc=True),
    "sentencepiece": sentencepiece_bpe(),
    "sentencepiece, no prefix": sentencepiece_bpe(prefix=False),
    "wordpiece": wordpiece(),
    "unigram": unigram(),
}
# Their tokens carry every character: the others drop spaces or normalize.
WHOLE = ("byte level", "byte level, trims", "sentencepiece", "sentencepiece, no prefix")
PARTS = (
    *(" ", "  ", "\n", "\t", "\u00a0", "\u3000", "a", "b", "ab", "fish", "Fish", " fish", "é"),
    *("e\u0301", "ﬁ", "½", "日", "🙂", "שלום", "\u202e", "\x1b[0m", "\0", "<|end|>", "</s>", "▁"),
)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=8).map("".join) | st.text(max_size=8)

BYTES = st.binary(max_size=12) | st.lists(
    st.sampled_from([b"\xed\xa0", b"\xed", b"\xf0\x9f", b"\x99", b"\x82", b"a", b"\xef\xbf\xbd"]),
    max_size=6,
).map(b"".join)


def offsets_of(tokenizer: Any, text: str) -> tuple[tuple[int, int], ...]:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return token_offsets(tokenizer, TokenBytes(tokenizer), text, ids)


def words(tokenizer: Any, text: str) -> list[str]:
    return [text[start:end] for start, end in offsets_of(tokenizer, text)]


class TestDecoded:
    def test_tokens_that_share_a_character_all_have_it(self) -> None:
        pieces = [b"a\xf0", b"\x9f\x99", b"\x82b", b"c"]
        assert decoded(pieces) == ("a🙂bc", ((0, 2), (1, 2), (1, 3), (3, 4)))

    def test_a_token_without_bytes_has_no_characters(self) -> None:
        assert decoded([b"a", b"", b"b"]) == ("ab", ((0, 1), (1, 1), (1, 2)))
        assert decoded([b"\xc3", b"", b"\xa9"]) == ("é", ((0, 1), (0, 0), (0, 1)))

    def test_bytes_that_are_never_valid_are_a_replacement_character_each(self) -> None:
        assert decoded([b"\xe2\x82", b"(", b"\xff"]) == ("\ufffd(\ufffd", ((0, 1), (1, 2), (2, 3)))

    def test_a_character_that_is_never_completed_is_one_too(self) -> None:
        assert decoded([b"a", b"\xf0\x9f", b"\x99"]) == ("a\ufffd", ((0, 1), (1, 2), (1, 2)))

    @given(data=BYTES, cuts=st.lists(st.integers(0, 12), max_size=6))
    @settings(max_examples=300, deadline=None)
    def test_any_bytes_in_any_pieces(self, data: bytes, cuts: list[int]) -> None:
        ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
        pieces = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]
        text, offsets = decoded(pieces)
        assert text == data.decode(errors="replace")
        stream = Utf8Stream()
        assert text == "".join(stream.feed(piece) for piece in pieces) + stream.finish()
        number = numbers(data)
        at = 0
        for piece, (start, end) in zip(pieces, offsets, strict=True):
            if piece:
                assert (start, end - 1) == (number[at], number[at + len(piece) - 1])
            at += len(piece)


def numbers(data: bytes) -> list[int]:
    """For each byte the number of its character, by decoding up to one error after the other."""
    found: list[int] = []
    count = at = 0
    while at < len(data):
        try:
            valid, wrong = data[at:].decode(), 0
        except UnicodeDecodeError as error:
            valid, wrong = data[at : at + error.start].decode(), error.end - error.start
        for character in valid:
            found += [count] * len(character.encode())
            count += 1
        found += [count] * wrong
        count += bool(wrong)
        at = len(found)
    return found


@pytest.mark.parametrize("kind", WHOLE)
@given(text=TEXTS)
@settings(max_examples=150, deadline=None)
def test_the_tokens_cover_the_text_without_gaps(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]
    end = 0
    for start, stop in offsets_of(tokenizer, text):
        assert start in (end, max(end - 1, 0))  # the same or, within it, one character more
        end = stop
    assert end == len(text)


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
@settings(max_examples=150, deadline=None)
def test_ranges_are_in_order_and_their_characters_are_the_tokens_own(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    offsets = token_offsets(tokenizer, TokenBytes(tokenizer), text, ids)
    assert len(offsets) == len(ids)
    assert list(offsets) == sorted(offsets)
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    for token, (start, end) in zip(ids, offsets, strict=True):
        said = tokenizer.decode([token])
        if said not in ("<unk>", "[UNK]"):
            letters = {c for c in _folded(said) if c.isascii() and c.isalnum()}
            assert letters <= set(_folded(text[start:end]))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).lower()


class TestKinds:
    @pytest.mark.parametrize("trims", [False, True])
    def test_byte_level(self, trims: bool) -> None:
        tokenizer = byte_level(trims=trims)
        assert words(tokenizer, "  sea ")[-3:] == [" s", "ea", " "]
        assert words(tokenizer, "x日") == ["x", "日", "日"]

    @pytest.mark.parametrize("trims", [False, True])
    def test_text_that_is_normalized_keeps_its_own_characters(self, trims: bool) -> None:
        tokenizer = byte_level(trims=trims, nfc=True)
        accent, jamo = "e\u0301", "\u1112\u1161\u11ab"
        found = words(tokenizer, f"  s{accent} {jamo}  sea ")
        assert found[:3] == [" ", " s", accent]
        assert found[-3:] == [" s", "ea", " "]
        assert {jamo} == {word for word in found if "\u1112" in word}

    def test_a_space_that_the_tokenizer_puts_before_the_text_is_nobodys(self) -> None:
        assert words(sentencepiece_bpe(), "a b") == ["a", " b"]
        assert words(sentencepiece_bpe(), "b é") == ["b", " ", "é", "é"]
        assert words(sentencepiece_bpe(), " a") == [" ", "a"]
        assert words(sentencepiece_bpe(), "é") == ["", "é", "é"]

    def test_one_that_it_puts_after_a_special_token_has_the_next_character(self) -> None:
        found = words(sentencepiece_bpe(), "a</s>b</s>é")
        assert found == ["a", "</s>", "b", "</s>", "é", "é", "é"]

    def test_a_tokenizer_that_drops_case_accents_and_spaces(self) -> None:
        found = words(wordpiece(), "  The  CAFÉ\n")
        assert "".join(found) == "TheCAFÉ"

    def test_letters_that_are_taken_apart(self) -> None:
        found = words(unigram(), "x ﬁ")
        assert "".join(dict.fromkeys(found)) == "x ﬁ"

    def test_spaces_that_a_special_token_takes_in(self) -> None:
        tokenizer = byte_level()
        mask = AddedToken("<mask>", lstrip=True, rstrip=True, special=True)
        tokenizer.add_tokens([mask], special_tokens=True)
        assert words(tokenizer, "a <mask> b") == ["a", " <mask> ", "b"]

    def test_names_of_special_tokens_are_these_tokens(self) -> None:
        tokenizer = with_names(sentencepiece_bpe(prefix=False), "<|im_end|>")
        assert words(tokenizer, "a<|im_end|>b") == ["a", "<|im_end|>", "b"]


class Slow:
    """A tokenizer that is not fast: it gives ids, and no ranges."""

    is_fast = False

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, text: str, add_special_tokens: bool = True, **options: bool) -> Any:
        return self._tokenizer(text, add_special_tokens=add_special_tokens)


class Lying(Slow):
    """A tokenizer whose ranges are wrong."""

    is_fast = True

    def __init__(self, tokenizer: Any, wrong: list[tuple[int, int]]) -> None:
        super().__init__(tokenizer)
        self._wrong = wrong

    def __call__(self, text: str, add_special_tokens: bool = True, **options: bool) -> Any:
        found = dict(self._tokenizer(text, add_special_tokens=add_special_tokens))
        return found | {"offset_mapping": self._wrong}


def test_without_the_tokenizers_ranges_the_bytes_decide() -> None:
    assert words(Slow(byte_level()), "a 日") == words(byte_level(), "a 日")


def test_where_neither_can_the_text_is_refused() -> None:
    with pytest.raises(LogitAmpError, match="which characters its tokens are made of"):
        words(Slow(wordpiece()), "The sea")


@pytest.mark.parametrize(
    "wrong", [[(0, 3), (5, 4)], [(4, 7), (0, 3)], [(0, 3), (4, 8)], [(0, 3)], [(0, 5), (4, 4)]]
)
def test_ranges_that_cannot_be_are_refused(wrong: list[tuple[int, int]]) -> None:
    tokenizer = wordpiece()
    tokenizer.backend_tokenizer.add_tokens(["the", "sea"])
    assert words(tokenizer, "The sea") == ["The", "sea"]
    with pytest.raises(LogitAmpError, match="out of order or outside"):
        words(Lying(tokenizer, wrong), "The sea")
