"""A text that goes on from tokens has the ids of its place, and spells what was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from logit_amp_chat.core.models.begin_ids import begin_ids
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.vocabulary import TokenBytes
from tests.core.models.tiny_tokenizers import byte_level, sentencepiece_bpe, unigram, wordpiece
from tests.models import tiny_tokenizer

TEXTS = ("Sure", " Sure", "\n\nSure", "a", " a b ", "naïve 日本", "  two", "\n", " ")


def ids_of(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def given(tokenizer: Any, before: tuple[int, ...], text: str, **options: bool) -> tuple[int, ...]:
    chat = ChatTemplate(tokenizer, "{{ '<think>' }}", (None, None))
    return begin_ids(chat, before, text, **options)


def spelled(tokenizer: Any, ids: tuple[int, ...]) -> str:
    return b"".join(map(TokenBytes(tokenizer).raw, ids)).decode()


def test_after_a_special_token_it_is_tokenized_like_a_text() -> None:
    tokenizer = tiny_tokenizer()
    before = ids_of(tokenizer, "<|user|>Otters?<|end|><|assistant|>")
    for text in TEXTS:
        assert given(tokenizer, before, text) == ids_of(tokenizer, text)
        assert (*before, *ids_of(tokenizer, text)) == ids_of(
            tokenizer, f"<|user|>Otters?<|end|><|assistant|>{text}"
        )


def test_after_a_text_it_is_tokenized_as_in_it() -> None:
    tokenizer = sentencepiece_bpe()
    whole = ids_of(tokenizer, "a b a b")
    for place in range(1, len(whole)):
        begun = spelled(tokenizer, whole[place:])
        assert given(tokenizer, whole[:place], begun) == whole[place:]


def test_within_a_word_it_stands_alone() -> None:
    """What stands before keeps its ids, although the two would be other tokens together."""
    tokenizer = tiny_tokenizer()
    before, after = ids_of(tokenizer, "the quic"), "k brown"
    assert (*before, *ids_of(tokenizer, after)) != ids_of(tokenizer, "the quick brown")
    assert given(tokenizer, before, after) == ids_of(tokenizer, after)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "make",
    [tiny_tokenizer, byte_level, sentencepiece_bpe, lambda: sentencepiece_bpe(prefix=False)],
)
@pytest.mark.parametrize("before", ["", "a", "a b", "\n", "a "])
def test_it_spells_what_was_typed(make: Callable[[], Any], before: str, text: str) -> None:
    """No blank and no beginning of text is put before it, whatever stands there."""
    tokenizer = make()
    assert spelled(tokenizer, given(tokenizer, ids_of(tokenizer, before), text)) == text


@pytest.mark.parametrize("make", [unigram, wordpiece, lambda: byte_level(nfc=True)])
def test_what_a_normalizer_changes_is_changed(make: Callable[[], Any]) -> None:
    tokenizer = make()
    before, whole = ids_of(tokenizer, "the quick"), ids_of(tokenizer, "the quick Browń fox")
    assert whole[: len(before)] == before
    assert given(tokenizer, before, " Browń fox") == whole[len(before) :]


def test_a_special_token_is_text_unless_it_is_meant() -> None:
    tokenizer = tiny_tokenizer()
    plain = tokenizer("a<|end|>", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    before = ids_of(tokenizer, "<|assistant|>")
    assert given(tokenizer, before, "a<|end|>") == tuple(plain)
    assert given(tokenizer, before, "a<|end|>", special=True) == ids_of(tokenizer, "a<|end|>")


def test_a_template_s_own_marks_are_meant() -> None:
    """Replies begin with <think> as models write it: it is how they think, and no message."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<think>"])
    (think,) = ids_of(tokenizer, "<think>")
    before = ids_of(tokenizer, "<|assistant|>")
    assert given(tokenizer, before, "<think>a") == (think, *ids_of(tokenizer, "a"))


def test_half_a_character_may_stand_before() -> None:
    tokenizer = tiny_tokenizer()
    before = ids_of(tokenizer, "🙂")[:1]
    assert spelled(tokenizer, given(tokenizer, before, "the sea")) == "the sea"


def test_no_text_has_no_ids() -> None:
    assert given(tiny_tokenizer(), (), "") == ()
