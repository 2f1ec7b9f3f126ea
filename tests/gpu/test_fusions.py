"""What a switch puts in a layer's place gives the same numbers, where a CPU can say so."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.models.llama import modeling_llama

from logit_amp_chat.core.models.layers.lora import AdapterRows, LoraLinear, LowRankUpdate
from tests.gpu.fusions import SWITCHES, FusedLoraLinear, SplitRows
from tests.gpu.kernels import covered
from tests.gpu.pairs import Measured, Place

PLACE = Place("cpu", small=True)
IDS = torch.arange(1, 20).unsqueeze(0)


@pytest.fixture(autouse=True)
def _own_rotary(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "apply_rotary_pos_emb"
    monkeypatch.setattr(modeling_llama, name, getattr(modeling_llama, name))


@pytest.mark.parametrize("name", ["norms", "gates", "rotary"])
def test_a_fused_model_is_the_same(name: str) -> None:
    model = Measured("tiny", "none", dtype="float32").subject(PLACE).pair.after.model
    with torch.inference_mode():
        before = model(IDS).logits
        assert SWITCHES[name](model) > 0
        after = model(IDS).logits
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_an_update_added_in_place_is_the_same() -> None:
    rows = AdapterRows()
    update = LowRankUpdate(torch.randn(4, 16), torch.randn(8, 4), 0.5)
    layer = LoraLinear(nn.Linear(16, 8), {"a": update}, rows)
    rows.parts = ((slice(2, 5), "a"),)
    x = torch.randn(5, 1, 16)
    with torch.inference_mode():
        torch.testing.assert_close(FusedLoraLinear(layer, rows)(x), layer(x))


@pytest.mark.parametrize("rows", [5, 6, 7, 10, 11])
def test_split_rows_are_the_same(rows: int) -> None:
    counted: list[int] = []

    class Layer(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            counted.append(x.shape[:-1].numel())
            return super().forward(x)

    layer = Layer(16, 8)
    x = torch.randn(rows, 1, 16)
    with torch.inference_mode():
        split = SplitRows(layer)
        torch.testing.assert_close(split(x), layer(x))
    assert max(counted[:-1]) <= 5 or rows == 11
    assert split.weight is layer.weight


def test_gaps_are_what_no_kernel_covers() -> None:
    assert covered([(0, 2), (1, 3), (5, 6), (5.5, 5.7)]) == (4.0, 6.0)
    assert covered([]) == (0.0, 0.0)
