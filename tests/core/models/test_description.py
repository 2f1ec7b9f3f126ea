"""Tokenizers in every form are read, or the package that reads them is named."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers.integrations.mistral import tokenizer as mistral_tokenizer
from transformers.models.auto import tokenization_auto

from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models import description
from logit_amp_chat.core.models.description import read_tokenizer
from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.models.vocabulary import TokenBytes, beginning_of_text
from tests.compatibility.random_models import small_config
from tests.models import tiny_model, tiny_tokenizer

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


@pytest.fixture(params=["llama", "mistral"])
def tekken(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """A model of either kind with Mistral's tekken.json alone, which lists its special tokens."""
    small_config(request.param).save_pretrained(tmp_path)
    words = [{"rank": n, "token_bytes": data, "token_str": None} for n, data in enumerate(BYTES)]
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>"]
    special = [{"rank": n, "token_str": t, "is_control": True} for n, t in enumerate(names)]
    config = {
        "pattern": r"\S+|\s+",
        "num_vocab_tokens": 256,
        "default_vocab_size": 262,
        "default_num_special_tokens": 6,
        "version": "v3",
    }
    file = {"config": config, "vocab": words, "special_tokens": special}
    (tmp_path / "tekken.json").write_text(json.dumps(file))
    return Source("org/name", tmp_path, None, tmp_path)


def test_a_tekken_file_alone_is_a_tokenizer(tekken: Source) -> None:
    tokenizer = read_tokenizer(tekken, trust_remote_code=False)
    assert tokenizer is not None
    assert tokenizer("otter", add_special_tokens=False)["input_ids"] == [6 + b for b in b"otter"]


def test_a_tekken_file_alone_has_its_beginning_and_its_end(tekken: Source) -> None:
    """Mistral's own tokenizer begins plain text with <s>; the file names no eos."""
    tokenizer = read_tokenizer(tekken, trust_remote_code=False)
    assert tokenizer is not None
    assert beginning_of_text(tokenizer) == (1,)
    assert tokenizer.eos_token_id == 2


def test_beside_a_tokenizer_json_a_tekken_file_is_not_read(
    tekken: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With mistral-common installed, transformers would answer with a tokenizer of another kind."""
    tiny_tokenizer().save_pretrained(tekken.folder)
    kinds = dict.fromkeys(("llama", "mistral"), "MistralCommonBackend")
    monkeypatch.setattr(tokenization_auto, "TOKENIZER_MAPPING_NAMES", kinds)
    monkeypatch.setattr(tokenization_auto, "is_mistral_common_available", lambda: True)
    monkeypatch.setattr(mistral_tokenizer, "is_mistral_common_available", lambda: True)
    tokenizer = read_tokenizer(tekken, trust_remote_code=False)
    assert tokenizer is not None
    assert TokenBytes(tokenizer).describe(4) == ("<|end|>", None, True)
