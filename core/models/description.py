"""Reads a model's configuration and tokenizer, which come before its weights."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, AutoTokenizer

from logit_amp_chat.core.errors import PairError, first_line
from logit_amp_chat.core.models.gguf_file import check_gguf_tokenizer, describes_model
from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.models.vocabulary import Tokenizer

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")


def read_config(source: Source, trust_remote_code: bool) -> Any:
    """The configuration of a model. Raises PairError.

    Beside a GGUF file, a config.json comes first: it says more than the file can.
    """
    from_gguf = source.gguf and not describes_model(source.folder)
    file = {"gguf_file": source.gguf} if from_gguf else {}
    try:
        return AutoConfig.from_pretrained(
            source.folder, trust_remote_code=trust_remote_code, **file
        )
    except (OSError, ValueError) as error:
        if not (source.local or source.gguf or (source.folder / "config.json").exists()):
            raise PairError(
                f"{source.name} has no config.json.",
                f"A GGUF file is opened by its name: {source.name}/FILE.gguf",
            ) from error
        raise PairError(
            f"{source.name} cannot be read as a language model: {first_line(error)}",
            "Check the id; a model with custom code needs trust_remote_code: true.",
        ) from error


def read_tokenizer(source: Source, trust_remote_code: bool) -> Tokenizer | None:
    """The tokenizer of a model, None if it has none. Raises PairError."""
    file = {}
    if not any((source.folder / name).exists() for name in TOKENIZER_FILES):
        if source.gguf is None:
            return None
        check_gguf_tokenizer(source.weights, source.name)
        file = {"gguf_file": source.gguf}
    try:
        return AutoTokenizer.from_pretrained(
            source.folder, trust_remote_code=trust_remote_code, **file
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PairError(
            f"The tokenizer of {source.name} cannot be read: {first_line(error)}",
            "Check the files in its folder.",
        ) from error
