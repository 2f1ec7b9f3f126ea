"""Reads a model's configuration and tokenizer, which come before its weights."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer
from transformers.integrations.mistral import convert_tekken_tokenizer

from logit_amp_chat.core.errors import PairError, first_line
from logit_amp_chat.core.models.gguf_file import check_gguf_tokenizer, describes_model
from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.models.vocabulary import Tokenizer

TEKKEN = "tekken.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tiktoken.model",
    TEKKEN,
    "tokenizer_config.json",
    "vocab.json",
)
# Modules, and the packages that bring them, by what a tokenizer.model may be.
SENTENCEPIECE = {"sentencepiece": "sentencepiece", "google.protobuf": "protobuf"}
TIKTOKEN = {"tiktoken": "tiktoken"}


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
    there = [name for name in TOKENIZER_FILES if (source.folder / name).exists()]
    if not there:
        if source.gguf is None:
            return None
        check_gguf_tokenizer(source.weights, source.name)
        file = {"gguf_file": source.gguf}
    _check_packages(source)
    try:
        if there == [TEKKEN]:
            return _read_tekken(source.folder / TEKKEN)
        return AutoTokenizer.from_pretrained(
            source.folder,
            trust_remote_code=trust_remote_code,
            mistral_format=False,  # mistral-common's tokenizers hide their bytes and names
            **file,
        )
    except ImportError as error:
        raise PairError(
            f"The tokenizer of {source.name} needs a package that is missing: {first_line(error)}",
            "Install it into the environment of logit-amp-chat.",
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PairError(
            f"The tokenizer of {source.name} cannot be read: {first_line(error)}",
            "Check the files in its folder.",
        ) from error


def _read_tekken(path: Path) -> Tokenizer:
    """Mistral's own format, with the beginning that mistral-common puts before plain text."""
    tokenizer = convert_tekken_tokenizer(str(path))
    tokenizer.add_bos_token = True
    return tokenizer


def _check_packages(source: Source) -> None:
    """Raise PairError if a tokenizer is only there in a form that other packages read."""
    if (source.folder / "tokenizer.json").exists():
        return
    for name in ("tokenizer.model", "tiktoken.model"):
        path = source.folder / name
        if not path.exists():
            continue
        needed = SENTENCEPIECE if _is_sentencepiece(path) else TIKTOKEN
        missing = [package for module, package in needed.items() if not _installed(module)]
        if missing:
            raise PairError(
                f"The tokenizer of {source.name} is there as {name} only, and {_and(missing)} not"
                " installed.",
                f"Install what reads it: pip install {' '.join(missing)}",
            )


def _is_sentencepiece(path: Path) -> bool:
    """Whether a file is a SentencePiece model, which is binary; tiktoken's are lines of text."""
    with path.open("rb") as file:
        return file.read(1) == b"\n"  # the first field of a protocol buffer


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _and(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
