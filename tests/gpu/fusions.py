"""Layers of fewer, larger operations: on a GPU a decoding step is bound by their number."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from logit_amp_chat.core.models.layers.lora import AdapterRows, LoraLinear, LowRankUpdate

Switch = Callable[[nn.Module], int]
"""Changes a model in place; returns how many of its parts."""

MLP_PARTS = {"gate_proj", "up_proj", "down_proj", "act_fn"}
ROTARY = "apply_rotary_pos_emb"
FUSED_ROWS = 5
"""The rows up to which bitsandbytes multiplies without unpacking the weight, on an H100."""


class FusedRMSNorm(nn.Module):
    """weight · x / √(mean x² + eps) as one operation (Zhang and Sennrich 2019, equation 4)."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight = norm.weight
        self.eps = float(norm.variance_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(…, n) to (…, n)."""
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


class FusedMLP(nn.Module):
    """A gated MLP whose activation and product are one operation where a step is decoded."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = mlp.gate_proj, mlp.up_proj, mlp.down_proj
        self.act_fn = mlp.act_fn

    def forward(self, x: Tensor) -> Tensor:
        """(…, hidden) to (…, hidden)."""
        gated = _compiled(_gated) if _is_step(x) else _gated
        out: Tensor = self.down_proj(gated(self.act_fn, self.gate_proj(x), self.up_proj(x)))
        return out


class FusedLoraLinear(nn.Module):
    """A LoraLinear whose updates are two products each, the second one added in place."""

    def __init__(self, layer: LoraLinear, rows: AdapterRows) -> None:
        super().__init__()
        self.base, self.updates, self._rows = layer.base, layer.updates, rows

    def forward(self, x: Tensor) -> Tensor:
        """(R, T, in) to (R, T, out)."""
        out: Tensor = self.base(x)
        for part, adapter in self._rows.parts:
            if adapter in self.updates:
                update: Any = self.updates[adapter]
                low = functional.linear(x[part], update.down).flatten(0, -2)
                rows = out[part].flatten(0, -2)
                rows.addmm_(low, update.up.t(), alpha=update.scaling)
        return out


class SplitRows(nn.Module):
    """A 4-bit layer that multiplies a few more rows than it can without unpacking in two times."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # such as the weight, whose type others ask for
            return getattr(super().__getattr__("layer"), name)

    def forward(self, x: Tensor) -> Tensor:
        """(R, T, in) to (R, T, out)."""
        rows = x.shape[:-1].numel()
        if not FUSED_ROWS < rows <= 2 * FUSED_ROWS:
            out: Tensor = self.layer(x)
            return out
        halves = x.flatten(0, -2).chunk(2)
        return torch.cat([self.layer(half) for half in halves]).view(*x.shape[:-1], -1)


def fuse_norms(model: nn.Module) -> int:
    """Replace RMS norms."""
    return _replace(model, _is_norm, FusedRMSNorm)


def fuse_gates(model: nn.Module) -> int:
    """Replace gated MLPs that are nothing else."""
    return _replace(model, _is_mlp, FusedMLP)


def fuse_rotary(model: nn.Module) -> int:
    """Compile the rotary embedding of queries and keys.

    It is a function of transformers' module, which all its models share; what it computes
    stays the same.
    """
    files = {sys.modules[type(module).__module__] for module in model.modules()}
    found = [file for file in files if hasattr(file, ROTARY)]
    for file in found:
        plain = getattr(file, ROTARY)
        if not hasattr(plain, "plain"):
            setattr(file, ROTARY, _rotary(plain))
    return len(found)


def fuse_updates(model: nn.Module) -> int:
    """Keep adapters in the model's precision, and add them in place.

    PEFT keeps them in float32, so that an update is five operations and two conversions.
    """
    dtype: Any = getattr(model, "dtype", torch.float32)
    for update in model.modules():
        if isinstance(update, LowRankUpdate):
            update.down, update.up = update.down.to(dtype), update.up.to(dtype)

    def fused(layer: Any) -> nn.Module:
        return FusedLoraLinear(layer, layer._rows)

    return _replace(model, lambda module: isinstance(module, LoraLinear), fused)


def split_rows(model: nn.Module) -> int:
    """Multiply 6 to 10 rows by 4-bit weights in two times."""
    return _replace(model, lambda module: type(module).__name__ == "Linear4bit", SplitRows)


SWITCHES: dict[str, Switch] = {
    "norms": fuse_norms,
    "updates": fuse_updates,
    "rows": split_rows,
    # These two are compiled, which needs more of a machine than torch.
    "gates": fuse_gates,
    "rotary": fuse_rotary,
}
NOT_BUILT = {
    "joined projections": "q, k, v and gate, up of NF4 as one product each",
    "nucleus": "a captured top-p without sorting the whole vocabulary",
    "head": "the head in 8 bits",
}


def _replace(
    model: nn.Module, suits: Callable[[Any], bool], made: Callable[[Any], nn.Module]
) -> int:
    """Put what is `made` of a suitable child in its place; returns how many there were."""
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if suits(child)
    ]
    for parent, name, child in places:
        setattr(parent, name, made(child))
    return len(places)


def _is_norm(module: Any) -> bool:
    return type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon")


def _is_mlp(module: Any) -> bool:
    parts = {name for name, _ in module.named_children()}
    return type(module).__name__.endswith("MLP") and parts == MLP_PARTS


def _is_step(x: Tensor) -> bool:
    """Whether one token a row is decoded on a GPU, where many such steps follow."""
    return x.is_cuda and x.shape[-2] == 1


def _gated(act: Callable[[Tensor], Tensor], gate: Tensor, up: Tensor) -> Tensor:
    return act(gate) * up


def _rotary(plain: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    @functools.wraps(plain)
    def rotated(q: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return (_compiled(plain) if _is_step(q) else plain)(q, *args, **kwargs)

    rotated.plain = plain  # type: ignore[attr-defined]
    return rotated


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    compiled: Callable[..., Any] = torch.compile(function)
    return compiled
