"""Tokenizers in every form are read, or the package that reads them is named."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models import description
from logit_amp_chat.core.models.description import read_tokenizer
from logit_amp_chat.core.models.hub import Source
from tests.models import tiny_model

BYTES = [base64.b64encode(bytes([n])).decode() for n in range(256)]
SENTENCEPIECE = b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02"  # one piece of a vocabulary


@pytest.fixture
def model(tmp_path: Path) -> Source:
    tiny_model().save_pretrained(tmp_path)
    return Source("org/name", tmp_path, None, tmp_path)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def lack(*modules: str) -> None:
        monkeypatch.setattr(description, "find_spec", lambda m: None if m in modules else m)

    return lack


@pytest.mark.parametrize(
    ("data", "missing", "remedy"),
    [
        (SENTENCEPIECE, ("sentencepiece", "google.protobuf"), "sentencepiece protobuf"),
        (SENTENCEPIECE, ("google.protobuf",), "protobuf"),
        (f"{BYTES[0]} 0\n".encode(), ("tiktoken", "sentencepiece"), "tiktoken"),
    ],
)
def test_the_package_that_reads_a_tokenizer_model_is_named(
    data: bytes, missing: tuple[str, ...], remedy: str, model: Source, lacking: Callable[..., None]
) -> None:
    (model.folder / "tokenizer.model").write_bytes(data)
    lacking(*missing)
    with pytest.raises(
        PairError, match=r"of org/name is there as tokenizer\.model only"
    ) as refused:
        read_tokenizer(model, trust_remote_code=False)
    assert refused.value.remedy == f"Install what reads it: pip install {remedy}"


def test_a_tekken_file_alone_is_a_tokenizer(model: Source) -> None:
    words = [{"rank": n, "token_bytes": data, "token_str": None} for n, data in enumerate(BYTES)]
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    special = [{"rank": n, "token_str": t, "is_control": True} for n, t in enumerate(names)]
    config = {
        "pattern": r"\S+|\s+",
        "num_vocab_tokens": 256,
        "default_vocab_size": 261,
        "default_num_special_tokens": 5,
        "version": "v3",
    }
    file = {"config": config, "vocab": words, "special_tokens": special}
    (model.folder / "tekken.json").write_text(json.dumps(file))
    tokenizer = read_tokenizer(model, trust_remote_code=False)
    assert tokenizer is not None
    assert tokenizer("otter")["input_ids"] == [5 + byte for byte in b"otter"]
