"""The bytes behind ids, in the spellings that tokenizers use."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from transformers import AddedToken

from logit_amp_chat.core.models.vocabulary import TokenBytes, fingerprint
from tests.core.models.tiny_tokenizers import sentencepiece_bpe
from tests.models import tiny_tokenizer

TEXTS = ["naïve café 日本語 🙂 привет", "  two  spaces\n\ttab", "plain", "½ ﬁ \u200b x"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "tokenizer", [tiny_tokenizer(), sentencepiece_bpe(prefix=False)], ids=["bytes", "sp"]
)
def test_the_bytes_of_the_ids_are_the_bytes_of_the_text(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    names = TokenBytes(tokenizer)
    assert b"".join(names.raw(i) for i in ids) == text.encode()


def test_a_token_that_is_no_utf8_on_its_own_carries_its_bytes() -> None:
    tokenizer = tiny_tokenizer()
    names = TokenBytes(tokenizer)
    described = [names.describe(i) for i in tokenizer("🫨", add_special_tokens=False)["input_ids"]]
    joined = b"".join(
        bytes.fromhex(raw) if raw is not None else text.encode() for text, raw, _ in described
    )
    assert joined.decode() == "🫨"
    assert any(raw is not None for _, raw, _ in described)


def test_special_tokens_are_marked_and_ordinary_ones_are_not() -> None:
    tokenizer = tiny_tokenizer()
    names = TokenBytes(tokenizer)
    assert names.describe(4) == ("<|end|>", None, True)
    ordinary = tokenizer(" fox", add_special_tokens=False)["input_ids"][0]
    assert names.describe(ordinary)[2] is False


def test_spaces_that_were_added_as_a_token_are_spaces() -> None:
    """Gemma lists the runs of ▁ in its vocabulary among the added tokens, too."""
    tokenizer = sentencepiece_bpe(prefix=False)
    tokenizer.add_tokens([AddedToken("▁▁", normalized=False)])
    a, spaces, b = tokenizer("a  b", add_special_tokens=False)["input_ids"]
    assert spaces in tokenizer.added_tokens_decoder
    assert TokenBytes(tokenizer).describe(spaces) == ("  ", None, False)
    assert tokenizer.decode([a, spaces, b]) == "a  b"


def test_a_special_token_keeps_its_name() -> None:
    tokenizer = sentencepiece_bpe(prefix=False)
    tokenizer.add_tokens(["<|begin▁of▁text|>"], special_tokens=True)
    last = len(tokenizer) - 1
    assert TokenBytes(tokenizer).describe(last) == ("<|begin▁of▁text|>", None, True)


def test_an_id_without_a_token_is_empty() -> None:
    assert TokenBytes(tiny_tokenizer()).raw(100_000) == b""


def test_the_fingerprint_is_that_of_the_words_and_not_of_added_tokens() -> None:
    """A tokenizer of another family differs; one with another chat token does not."""
    more = tiny_tokenizer()
    assert fingerprint(more) == fingerprint(tiny_tokenizer())
    more = copy.deepcopy(more)
    more.add_tokens(["<|thought|>"], special_tokens=True)
    assert fingerprint(more) == fingerprint(tiny_tokenizer())
    assert fingerprint(sentencepiece_bpe(prefix=False)) != fingerprint(tiny_tokenizer())
