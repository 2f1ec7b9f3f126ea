"""Every kind of model is opened as what it is, or refused before its weights are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.pair import load_pair
from tests.models import save_side, tiny_tokenizer

MakeProfile = Callable[..., Profile]


@pytest.fixture
def profile_of(tiny_pair: MakeProfile) -> Callable[[Path], Profile]:
    """A profile with one folder on both sides."""

    def make(folder: Path) -> Profile:
        profile = tiny_pair()
        side = profile.before.model_copy(update={"model": str(folder)})
        return profile.model_copy(update={"before": side, "after": side})

    return make


PACK = {
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4}}},
}


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"quant_method": "gptq", "bits": 4}, "pip install gptqmodel optimum"),
        ({"quant_method": "awq", "bits": 4}, "pip install gptqmodel"),
        (
            {"quant_method": "compressed-tensors", **PACK},
            "pip install 'compressed-tensors>=0.15.0'",
        ),
        ({"quant_method": "hqq", "quant_config": {}}, "pip install hqq"),
        ({"quant_method": "quark"}, "pip install amd-quark"),
        ({"quant_method": "aqlm"}, "pip install 'aqlm[gpu,cpu]'"),
        ({"quant_method": "quanto"}, "pip install optimum-quanto"),
        ({"quant_method": "vptq"}, "pip install vptq"),
        ({"quant_method": "auto-round", "bits": 4}, "pip install 'auto-round>=0.5'"),
        ({"quant_method": "eetq"}, "pip install kernels"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "pip install torchao"),
    ],
    ids=lambda value: value["quant_method"] if isinstance(value, dict) else "",
)
def test_a_missing_package_of_a_quantization_is_named(
    settings: dict[str, Any],
    remedy: str,
    profile_of: Callable[[Path], Profile],
    tmp_path: Path,
) -> None:
    declare(save_side(tmp_path), quantization_config=settings)
    with pytest.raises(PairError, match=f"quantized with {settings['quant_method']}") as refused:
        load_pair(profile_of(tmp_path))
    assert refused.value.remedy == f"Install it: {remedy}"


def declare(folder: Path, **keys: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_a_quantization_that_only_a_gpu_reads_says_so(
    profile_of: Callable[[Path], Profile], tmp_path: Path
) -> None:
    declare(save_side(tmp_path), quantization_config={"quant_method": "spqr"})
    with pytest.raises(PairError, match=r"spqr, which cannot be read here: GPU is required"):
        load_pair(profile_of(tmp_path))


def test_a_quantization_that_transformers_does_not_know_is_refused(
    profile_of: Callable[[Path], Profile], tmp_path: Path
) -> None:
    declare(save_side(tmp_path), quantization_config={"quant_method": "exl2"})
    with pytest.raises(PairError, match="quantized with exl2, which transformers cannot read"):
        load_pair(profile_of(tmp_path))


def test_what_is_no_causal_language_model_is_named(
    profile_of: Callable[[Path], Profile], tmp_path: Path
) -> None:
    transformers.T5Config(vocab_size=512).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(PairError, match="a model of the kind t5"):
        load_pair(profile_of(tmp_path))
