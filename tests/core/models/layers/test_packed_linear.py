"""Packed linear layers: the numbers of torch's own, on every kind of model that has them."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, FalconMambaConfig, JambaConfig, MambaConfig

from logit_amp_chat.core.models.layers.packed_linear import (
    KERNEL_CACHES,
    JoinedLinear,
    JoinedPart,
    PackedLinear,
    pack,
)
from tests.models import ARCHITECTURES, tiny_model

PRECISIONS = [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)]


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_it_gives_the_numbers_of_a_plain_layer(
    rows: int, bias: bool, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(rows)
    linear = nn.Linear(96, 160, bias=bias).to(dtype)
    x = torch.randn(2, rows, 96).to(dtype)
    with torch.inference_mode():
        packed, plain = PackedLinear(linear)(x), linear(x)
    torch.testing.assert_close(packed, plain, atol=tolerance, rtol=tolerance)


def test_the_same_rows_give_the_same_bits() -> None:
    layer, x = PackedLinear(nn.Linear(64, 64)), torch.randn(3, 64)
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_packed_model_has_the_logits_and_the_size_of_the_plain_one(architecture: str) -> None:
    plain = tiny_model(architecture).eval()
    packed = copy.deepcopy(plain)
    pack(packed)
    assert any(isinstance(module, PackedLinear) for module in packed.modules())
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        torch.testing.assert_close(packed(ids).logits, plain(ids).logits, atol=1e-4, rtol=1e-4)
    embedding = packed.get_input_embeddings().weight
    head = embedding.numel() if plain.config.tie_word_embeddings else 0
    assert packed.num_parameters() == plain.num_parameters() + head


def test_only_plain_layers_in_a_precision_that_the_kernels_know_are_packed() -> None:
    class Quantized(nn.Linear):
        pass

    model = nn.ModuleDict(
        {
            "quantized": Quantized(8, 8),
            "16 bits": nn.Linear(8, 8).half(),
            "elsewhere": nn.Linear(8, 8, device="meta"),
            "plain": nn.Linear(8, 8),
        }
    )
    pack(model)
    kinds = {name for name, module in model.items() if isinstance(module, PackedLinear)}
    assert kinds == {"plain"}


SIZES = (96, 32, 32)


@pytest.fixture
def three() -> tuple[JoinedLinear, list[PackedLinear]]:
    """Layers with the same input, joined and separate."""
    torch.manual_seed(0)
    linears = [nn.Linear(64, size) for size in SIZES]
    return JoinedLinear(linears), [PackedLinear(linear) for linear in linears]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_layers_of_one_input_give_together_what_each_gives(
    three: tuple[JoinedLinear, list[PackedLinear]], order: tuple[int, ...]
) -> None:
    together, alone = three
    with torch.inference_mode():
        for x in torch.randn(2, 1, 5, 64):
            for place in order:
                torch.testing.assert_close(together.take(place, x), alone[place](x))


def test_a_part_that_is_asked_again_or_for_another_input_computes_anew(
    three: tuple[JoinedLinear, list[PackedLinear]],
) -> None:
    together, alone = three
    one, other = torch.randn(2, 1, 64)
    with torch.inference_mode():
        for x in (one, one, other):
            out = together.take(0, x)
            torch.testing.assert_close(out, alone[0](x))
            out += 1  # in place, as an adapter's update


class Attention(nn.Module):
    def __init__(self, key: nn.Linear) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(8, 16), key, nn.Linear(8, 8)


@pytest.mark.parametrize(
    ("key", "as_one"),
    [
        (nn.Linear(8, 8), True),
        (nn.Linear(8, 8, bias=False), False),
        (nn.Linear(8, 8).bfloat16(), False),
        (nn.Linear(8, 8, device="meta"), False),
    ],
)
def test_layers_of_one_input_that_are_alike_become_one(key: nn.Linear, as_one: bool) -> None:
    attention = Attention(key)
    pack(attention)
    assert [isinstance(child, JoinedPart) for child in attention.children()] == [as_one] * 3


@pytest.mark.parametrize(("dtype", "_tolerance"), PRECISIONS)
@pytest.mark.parametrize("joined", [False, True])
def test_whoever_reads_a_weight_gets_the_plain_one(
    dtype: torch.dtype, _tolerance: float, joined: bool
) -> None:
    torch.manual_seed(0)
    attention = Attention(nn.Linear(8, 8, bias=joined)).to(dtype)
    plain = copy.deepcopy(attention)
    pack(attention)
    for name in ("q_proj", "k_proj", "v_proj"):
        packed, child = getattr(attention, name), getattr(plain, name)
        with torch.inference_mode():
            assert torch.equal(packed.weight, child.weight)
        assert packed.bias is child.bias is None or torch.equal(packed.bias, child.bias)
        assert (packed.in_features, packed.out_features) == (child.in_features, child.out_features)


@pytest.mark.parametrize("joined", [False, True])
def test_what_is_written_into_a_weight_is_in_force(joined: bool) -> None:
    attention = Attention(nn.Linear(8, 8, bias=joined))
    pack(attention)
    x = torch.randn(3, 8)
    with torch.inference_mode():
        attention.v_proj.weight.zero_()
        torch.testing.assert_close(attention.v_proj(x), attention.v_proj.bias.expand(3, 8))


HYBRIDS = {
    "mamba": MambaConfig(state_size=8, expand=2),
    "falcon_mamba": FalconMambaConfig(state_size=8, expand=2),
    "jamba": JambaConfig(
        attn_layer_period=2,
        attn_layer_offset=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        mamba_d_state=8,
    ),
}


@pytest.mark.parametrize("hybrid", HYBRIDS)
def test_a_model_whose_code_reads_weights_has_its_logits(hybrid: str) -> None:
    config = copy.deepcopy(HYBRIDS[hybrid])
    sizes = {"vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 2, "pad_token_id": 0}
    config.update(sizes | {"intermediate_size": 128})
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(config).eval()
    packed = copy.deepcopy(plain)
    pack(packed)
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        torch.testing.assert_close(packed(ids).logits, plain(ids).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_only_called_stays_packed(architecture: str) -> None:
    model = copy.deepcopy(tiny_model(architecture))
    pack(model)
    with torch.inference_mode():
        model(torch.arange(12)[None])
    layers = [module for module in model.modules() if isinstance(module, PackedLinear)]
    assert all(layer.plain is None for layer in layers)


PROMPTS_OF_EVERY_LENGTH = """
import resource, torch
from torch import nn
from transformers import AutoModelForCausalLM, FalconMambaConfig, JambaConfig, MambaConfig
from logit_amp_chat.core.models.layers.packed_linear import pack

model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))
pack(model)

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

with torch.inference_mode():
    for length in range(1, 101):
        model(torch.zeros(length, 64))
    before = most()
    for length in range(101, 501):
        model(torch.zeros(length, 64))
print(most() - before)
"""


def test_prompts_of_every_length_leave_no_memory_behind() -> None:
    """In a separate process: the limits are read only once."""
    unbounded = {name: value for name, value in os.environ.items() if name not in KERNEL_CACHES}
    done = subprocess.run(
        [sys.executable, "-c", PROMPTS_OF_EVERY_LENGTH],
        env=unbounded,
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) < 50e6
