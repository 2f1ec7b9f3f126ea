"""Checksums of a model's own tensors: what they see, and that adapters do not hide or change it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from logit_amp_chat.core.models.base_weights import WORDS, checksums
from logit_amp_chat.core.models.layers.lora import with_rows
from tests.models import save_side, tiny_model

Numbers = torch.nn.ParameterDict


def sums(tensor: Tensor) -> Any:
    return checksums(Numbers({"weight": torch.nn.Parameter(tensor, requires_grad=False)}))


@pytest.fixture(params=[torch.float32, torch.bfloat16, torch.uint8], ids=str)
def tensor(request: pytest.FixtureRequest) -> Tensor:
    """More than a block of words, and an odd rest."""
    numbers = torch.arange(8 * WORDS + 13).remainder(251)
    return numbers.to(request.param)


@pytest.mark.parametrize("place", [0, 1000, -1])
def test_one_changed_number_is_seen(tensor: Tensor, place: int) -> None:
    changed = tensor.clone()
    changed[place] += 1
    assert sums(changed) != sums(tensor)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 8 * WORDS + 2), (0, 4 * WORDS)])
def test_numbers_that_changed_places_are_seen(tensor: Tensor, one: int, other: int) -> None:
    changed = tensor.clone()
    changed[[one, other]] = tensor[[other, one]]
    assert not torch.equal(changed, tensor)
    assert sums(changed) != sums(tensor)


def test_a_tensor_that_begins_in_the_middle_of_a_word_has_the_sum_of_its_copy(
    tensor: Tensor,
) -> None:
    assert sums(tensor[1:]) == sums(tensor[1:].clone())


def test_another_shape_is_seen(tensor: Tensor) -> None:
    assert sums(tensor[:64].view(8, 8)) != sums(tensor[:64])


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": "all-linear"},
        {"use_dora": True},
        {"modules_to_save": ["lm_head", "embed_tokens"]},
        {"trainable_token_indices": [1, 2]},
        {"target_parameters": ["q_proj.weight"], "target_modules": []},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("rows", [False, True])
def test_adapters_are_looked_through(options: dict[str, Any], rows: bool) -> None:
    model = copy.deepcopy(tiny_model())
    untouched = checksums(model)
    adapted: Any = get_peft_model(model, LoraConfig(**{"target_modules": ["q_proj"], **options}))
    if rows and (found := with_rows(adapted)):
        adapted = found[0]
    assert checksums(adapted) == untouched


@pytest.mark.parametrize(
    "options",
    [
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
        {"layer_replication": [[0, 1]]},
    ],
    ids=str,
)
def test_what_changes_the_base_or_its_layers_is_seen(options: dict[str, Any]) -> None:
    model = copy.deepcopy(tiny_model())
    untouched = checksums(model)
    config = LoraConfig(r=4, target_modules=["q_proj"], **options)
    assert checksums(get_peft_model(model, config)) != untouched


def test_quantized_weights_have_checksums_too(tmp_path: Path) -> None:
    how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model = AutoModelForCausalLM.from_pretrained(
        save_side(tmp_path), quantization_config=how, device_map="cpu", dtype=torch.float32
    )
    untouched = checksums(model)
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    assert checksums(adapted) == untouched
    weight = model.model.layers[1].self_attn.q_proj.weight
    weight.data[0] ^= 1
    assert checksums(adapted) != untouched
