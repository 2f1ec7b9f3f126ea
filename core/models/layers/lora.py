"""LoRA layers whose adapters are chosen per batch row, for all layers of a model at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


class AdapterRows:
    """Which batch rows go through which adapter; one object shared by all layers of a model."""

    def __init__(self) -> None:
        self.parts: tuple[tuple[slice, str], ...] = ()


class LowRankUpdate(nn.Module):
    """The low-rank update s·B·A of one adapter: `down` A (r, in), `up` B (out, r), `scaling` s."""

    down: Tensor
    up: Tensor

    def __init__(self, down: Tensor, up: Tensor, scaling: float) -> None:
        super().__init__()
        self.register_buffer("down", down)
        self.register_buffer("up", up)
        self.scaling = scaling

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out), in the precision of the factors."""
        low = functional.linear(x.to(self.down.dtype), self.down)
        return functional.linear(low, self.up) * self.scaling


class LoraLinear(nn.Module):
    """W x, plus s·B·A x for the rows of an adapter (Hu et al. 2021, LoRA, section 4.1).

    PEFT's own layers look up the active adapter in Python, and switching it visits
    every layer: at every token, for both sides.
    """

    def __init__(
        self, base: nn.Module, updates: Mapping[str, LowRankUpdate], rows: AdapterRows
    ) -> None:
        super().__init__()
        self.base = base
        self.updates = nn.ModuleDict(updates)
        self._rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """(R, T, in) to (R, T, out)."""
        out: Tensor = self.base(x)
        for part, adapter in self._rows.parts:
            if adapter in self.updates:
                out[part] += self.updates[adapter](x[part])
        return out


def with_rows(model: Any) -> tuple[Any, AdapterRows] | None:
    """The transformers model inside a PEFT one, with adapters chosen per row from now on.

    Returns None and changes nothing if an adapter is more than pairs of factors
    on linear layers (DoRA, biases, embeddings, modules of its own).
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import AuxiliaryTrainingWrapper

    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, BaseTunerLayer | AuxiliaryTrainingWrapper)
    ]
    if not all(_is_plain(layer) for _, _, layer in places):
        return None
    rows = AdapterRows()
    for parent, name, layer in places:
        setattr(parent, name, LoraLinear(layer.base_layer, _updates(layer), rows))
    return model.get_base_model(), rows


def _is_plain(layer: Any) -> bool:
    from peft.tuners import lora

    kinds = [lora.Linear, *(getattr(lora, n, None) for n in ("Linear4bit", "Linear8bitLt"))]
    return (
        type(layer) in kinds
        and not layer.lora_variant
        and not any(layer.lora_bias.values())
        and not layer.merged
    )


def _updates(layer: Any) -> dict[str, LowRankUpdate]:
    return {
        name: LowRankUpdate(
            layer.lora_A[name].weight.detach(),
            layer.lora_B[name].weight.detach(),
            float(layer.scaling[name]),
        )
        for name in layer.lora_A
    }
