"""Linear layers for a CPU, with weights in the layout that oneDNN multiplies fastest."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from logit_amp_chat.core.models.layers.lora import LoraLinear

# Read by oneDNN, and by PyTorch's layer above it, on first use.
KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
KERNELS = 64  # a model's shapes times the row counts of a chat's lanes
# transformers' names of the attention and MLP layers that share an input.
READ_TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))

Place = tuple[nn.Module, str]


class PackedLinear(nn.Module):
    """An `nn.Linear` for inference whose weight (out, in) is packed once instead of at every call.

    Several layers with the same input become one, with their outputs concatenated.

    A decoding step multiplies every weight with a handful of rows. On row-major weights that runs
    far below memory bandwidth, and slower for three rows than for one; on packed weights
    several rows cost about as much as one.

    No other operation takes a packed weight, and some models read `weight` themselves (Mamba's
    mixers). Reading it unpacks it, for good.
    """

    def __init__(self, *linears: nn.Linear) -> None:
        super().__init__()
        weight, self.bias = linears[0].weight, linears[0].bias
        if len(linears) > 1:
            weight = torch.cat([linear.weight for linear in linears])
            if self.bias is not None:
                joined = torch.cat([linear.bias for linear in linears])
                self.bias = nn.Parameter(joined, requires_grad=False)
        self.out_features, self.in_features = weight.shape
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
        self.packed: nn.Parameter | None = nn.Parameter(packed, requires_grad=False)
        self.plain: nn.Parameter | None = None

    @property
    def weight(self) -> Tensor:
        """(out, in), row-major; changes of it are in force."""
        if self.plain is None:
            assert self.packed is not None
            self.plain = nn.Parameter(self.packed.to_dense(), requires_grad=False)
            self.packed = None
        return self.plain

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        if self.packed is None:
            return functional.linear(x, self.weight, self.bias)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return out


class JoinedLinear:
    """Linear layers with the same input, as one: the first one called computes all.

    Wide products read weights faster than narrow ones, and there are fewer of them.
    """

    def __init__(self, linears: Sequence[nn.Linear]) -> None:
        self.linear = PackedLinear(*linears)
        self.sizes = [linear.out_features for linear in linears]
        self._x: Tensor | None = None
        self._outs: dict[int, Tensor] = {}

    def part(self, tensor: Tensor, place: int) -> Tensor:
        """What belongs to layer `place` of the joined weight or bias."""
        return tensor.split_with_sizes(self.sizes)[place]

    def take(self, place: int, x: Tensor) -> Tensor:
        """The output of layer `place` for `x`; each output is handed out once."""
        if x is not self._x or place not in self._outs:
            outs = self.linear(x).split_with_sizes(self.sizes, dim=-1)
            self._x, self._outs = x, dict(enumerate(outs))
        out = self._outs.pop(place)
        if not self._outs:
            self._x = None
        return out


class JoinedPart(nn.Module):
    """One of the layers that are computed together."""

    def __init__(self, together: JoinedLinear, place: int) -> None:
        super().__init__()
        self.linear = together.linear
        self.in_features = together.linear.in_features
        self.out_features = together.sizes[place]
        self._take = functools.partial(together.take, place)
        self._part = functools.partial(together.part, place=place)

    @property
    def weight(self) -> Tensor:
        """(out, in) of this layer; reading it unpacks them all."""
        return self._part(self.linear.weight)

    @property
    def bias(self) -> Tensor | None:
        """(out,) of this layer."""
        return None if self.linear.bias is None else self._part(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        return self._take(x)


def pack(model: Any) -> None:
    """Replace the plain linear layers of `model` that are on the CPU; others are left alone.

    A head that shares its weight with the embedding gets its own copy. oneDNN caches
    0.6 MB for every prompt length it has seen, up to 1,024 of them; the limit here is lower.
    """
    for name in KERNEL_CACHES:
        os.environ.setdefault(name, str(KERNELS))
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    for places in list(_read_together(model)):
        together = JoinedLinear([getattr(*place) for place in places])
        for number, place in enumerate(places):
            setattr(*place, JoinedPart(together, number))
    for module in list(_modules(model)):
        for name, child in list(module.named_children()):
            if _can_be_packed(child):
                setattr(module, name, PackedLinear(child))


def _modules(module: nn.Module) -> Iterator[nn.Module]:
    """Like `modules`, without PEFT's layers, which read and wrap weights as they please.

    Its plain LoRA layer only calls its base layer: of that one, the base is packed.
    """
    if "peft" not in sys.modules:  # its import takes a second
        yield from module.modules()
        return
    from peft.tuners import lora
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import AuxiliaryTrainingWrapper

    if not isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
        yield module
        for child in module.children():
            yield from _modules(child)
    elif type(module) is lora.Linear and not module.lora_variant:
        yield module


def _can_be_packed(module: object) -> TypeGuard[nn.Linear]:
    # not a subclass: bitsandbytes' layers have another kind of weight
    if type(module) is not nn.Linear or module.weight.device.type != "cpu":
        return False
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return module.weight.dtype in ({torch.float32, torch.bfloat16} if bf16 else {torch.float32})


def _read_together(model: Any) -> Iterator[list[Place]]:
    """The places of layers that become one: alike in dtype, input size and having a bias."""
    for module in _modules(model):
        for names in READ_TOGETHER:
            if not all(hasattr(module, name) for name in names):
                continue
            places = [_place(module, name) for name in names]
            linears = [getattr(*place) for place in places]
            kinds = {
                (x.weight.dtype, x.in_features, x.bias is None) if _can_be_packed(x) else None
                for x in linears
            }
            if len(kinds) == 1 and None not in kinds:
                yield places


def _place(module: nn.Module, name: str) -> Place:
    """The place of the layer itself, which may be inside one that adds an adapter's update."""
    layer = getattr(module, name)
    return (layer, "base") if isinstance(layer, LoraLinear) else (module, name)
