"""Linear layers on a CPU, their weights in the layout that oneDNN multiplies fastest."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

# Read by oneDNN, and by PyTorch's layer above it, when they are first used.
KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
KERNELS = 64  # a model's shapes times the row counts of a chat's lanes


class PackedLinear(nn.Module):
    """An `nn.Linear` for inference whose weight (out, in) is packed once instead of at every call.

    A decoding step multiplies every weight with a handful of rows. On row-major weights that runs
    far below the speed of the memory, and slower for three rows than for one; on packed weights
    several rows cost about as much as one.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return out


def pack(model: Any) -> None:
    """Replace the plain linear layers of `model` that sit on the CPU; others stay as they are.

    A head that shares its weight with the embedding takes a copy of its own. oneDNN keeps
    0.6 MB for every length of a prompt it has seen, 1,024 of them: far fewer are kept here.
    """
    for name in KERNEL_CACHES:
        os.environ.setdefault(name, str(KERNELS))
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    dtypes = {torch.float32, torch.bfloat16} if bf16 else {torch.float32}
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            # exactly: a subclass, as of bitsandbytes, has a weight of its own kind
            if type(child) is not nn.Linear or child.weight.device.type != "cpu":
                continue
            if child.weight.dtype in dtypes:
                setattr(module, name, PackedLinear(child))
