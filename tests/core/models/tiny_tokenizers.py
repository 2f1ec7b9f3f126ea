"""Tiny tokenizers of the kinds that released models have."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from tests.models import CORPUS, tiny_tokenizer


def byte_level(*, trims: bool = False, nfc: bool = False) -> Any:
    """As GPT-2 and Llama 3 (`trims`: ranges without spaces), or Qwen (`nfc`)."""
    tokenizer = tiny_tokenizer(None)
    backend = tokenizer.backend_tokenizer
    backend.post_processor = processors.ByteLevel(trim_offsets=trims)
    if nfc:
        backend.normalizer = normalizers.NFC()
    return tokenizer


def sentencepiece_bpe(*, prefix: bool = True) -> Any:
    """Bytes as <0xNN>, spaces as ▁, one before the text (`prefix`): Llama 2; without: Gemma."""
    words = ["▁", "a", "b", "▁a", "▁b", "▁▁"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *words]
    backend = Tokenizer(
        models.BPE(
            vocab={piece: i for i, piece in enumerate(pieces)},
            merges=[("▁", "▁"), ("▁", "a"), ("▁", "b")],
            byte_fallback=True,
            unk_token="<unk>",
        )
    )
    spaces = normalizers.Replace(" ", "▁")
    backend.normalizer = (
        normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prefix else spaces
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


@functools.cache
def _wordpiece() -> str:
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[UNK]", "[CLS]"], show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    return str(backend.to_str())


def wordpiece() -> Any:
    """Lower case, without accents and spaces, as BERT."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_wordpiece()), unk_token="[UNK]"
    )


@functools.cache
def _unigram() -> str:
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    return str(backend.to_str())


def unigram() -> Any:
    """NFKC and a space before the text, as T5 and XLM-R."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_unigram()), unk_token="<unk>"
    )


def with_names(tokenizer: Any, *names: str) -> Any:
    """The tokenizer with special tokens of its own for these names."""
    tokenizer.add_tokens([AddedToken(n, special=True, normalized=False) for n in names], True)
    return tokenizer


def literal_tokens(
    text: str, tokenizer: Any, names: Sequence[str], said: set[int]
) -> list[tuple[int, int, int]]:
    """The tokens of a text, each with its characters [start, end).

    `tokenizer` is `byte_level` with `names`. A name that begins at one of the characters that
    were `said` is no token.
    """
    found: list[tuple[int, int, int]] = []
    plain, at = byte_level(), 0
    for piece in re.split(f"({'|'.join(map(re.escape, names))})", text):
        if piece in names and at not in said:
            found.append((tokenizer.convert_tokens_to_ids(piece), at, at + len(piece)))
        else:
            encoded = plain(piece, add_special_tokens=False, return_offsets_mapping=True)
            pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
            found += [(token, at + a, at + b) for token, (a, b) in pairs]
        at += len(piece)
    return found
