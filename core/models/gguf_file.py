"""Reads from a GGUF file what transformers does not tell, or reads without a word of doubt."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers.utils import is_gguf_available

from logit_amp_chat.core.errors import PairError, first_line
from logit_amp_chat.core.models.load_progress import Watcher, watched_bar

PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
DESCRIBE_IT = "Put the model's own config.json and tokenizer.json into the file's folder."
# The pre-tokenizers that transformers rebuilds as the first byte-level one of all, GPT-2's.
SPLIT_LIKE_GPT2 = ("gpt-2", "phi-2", "starcoder-gpt2")


def check_gguf(path: Path, name: str) -> None:
    """Raise PairError for a file that cannot be read, or that would be read wrongly."""
    if PART.search(path.name):
        raise PairError(
            f"{name} is one part of a GGUF file that was split.",
            "Join the parts: llama-gguf-split --merge FIRST_PART OUT.gguf",
        )
    if not is_gguf_available():
        raise PairError(
            f"{name} is a GGUF file, and the package that reads one is missing.",
            "Install it: pip install gguf",
        )
    try:
        reader = _reader(path)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise PairError(
            f"{name} cannot be read as a GGUF file: {first_line(error)}", "Download it again."
        ) from error
    scaled = any(tensor.name.startswith("rope_") for tensor in reader.tensors)
    kind = _value(reader, f"{_value(reader, 'general.architecture')}.rope.scaling.type")
    if (scaled or kind not in (None, "none")) and not describes_model(path.parent):
        raise PairError(
            f"{name} scales its rotary embedding, which transformers does not take from a GGUF"
            " file: every number would be wrong.",
            DESCRIBE_IT,
        )


def check_gguf_tokenizer(path: Path, name: str) -> None:
    """Raise PairError if transformers would cut a text differently from the model's tokenizer."""
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    reader = _reader(path)
    kind, split = (_value(reader, f"tokenizer.ggml.{key}") for key in ("model", "pre"))
    if kind == "gpt2" and split not in (*SPLIT_LIKE_GPT2, *GGUF_PRE_TOKENIZER_SPLITS):
        raise PairError(
            f"{name} cuts text as {split or 'an unnamed pre-tokenizer'} does, which transformers"
            " does not rebuild from a GGUF file.",
            DESCRIBE_IT,
        )


def describes_model(folder: Path) -> bool:
    """Whether a config.json describes a whole model; some repositories keep only its kind."""
    try:
        return "num_hidden_layers" in (folder / "config.json").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def gguf_shapes(path: Path) -> Iterator[tuple[str, list[int]]]:
    """(name, shape) of every tensor."""
    for tensor in _reader(path).tensors:
        yield tensor.name, [int(n) for n in tensor.shape]


def stored_as(path: Path) -> str:
    """The type that most of the weights of a file are stored in: Q4_K, Q8_0, F16 …"""
    weights: Counter[str] = Counter()
    for tensor in _reader(path).tensors:
        weights[tensor.tensor_type.name] += int(tensor.n_elements)
    return max(weights, key=lambda name: weights[name])


@contextlib.contextmanager
def watch_unpacking(watch: Watcher) -> Iterator[None]:
    """Report the unpacking of tensors, for which transformers has no hook but prints a bar."""
    from transformers import modeling_gguf_pytorch_utils as unpacking

    usual = unpacking.tqdm
    unpacking.tqdm = watched_bar(watch)
    try:
        yield
    finally:
        unpacking.tqdm = usual


@lru_cache(maxsize=2)
def _reader(path: Path) -> Any:
    from gguf import GGUFReader

    return GGUFReader(path)


def _value(reader: Any, key: str) -> Any:
    field = reader.get_field(key)
    return field.contents() if field is not None else None
