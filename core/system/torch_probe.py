"""Checks what torch and bitsandbytes can do here, and prints it as JSON.

Run with `python -m`, in a separate process: importing torch takes seconds, and a broken
driver may crash it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

SIZE = 64


def probe() -> dict[str, Any]:
    """Versions, devices, and whether a small quantized layer computes what it should."""
    import torch

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "bfloat16": not cuda or torch.cuda.is_bf16_supported(including_emulation=False),
        "nf4": _trouble(lambda: _nf4(device)),
        "int8": _trouble(lambda: _int8(device)),
    }


def _trouble(attempt: Callable[[], None]) -> str | None:
    """What went wrong, in one line; None if nothing did."""
    try:
        attempt()
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return None


def _nf4(device: Any) -> None:
    import torch
    from bitsandbytes.nn import Linear4bit

    layer = Linear4bit(SIZE, SIZE, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
    _compare(layer, device, torch.bfloat16)


def _int8(device: Any) -> None:
    import torch
    from bitsandbytes.nn import Linear8bitLt

    layer = Linear8bitLt(SIZE, SIZE, bias=False, has_fp16_weights=False)
    _compare(layer, device, torch.float16)


def _compare(layer: Any, device: Any, dtype: Any) -> None:
    """Move a layer to a device, which quantizes it, and compare its output with fp32."""
    import torch

    torch.manual_seed(0)
    x = torch.randn(4, SIZE)
    with torch.no_grad():
        expected = x @ layer.weight.T
        found = layer.to(device)(x.to(device, dtype)).float().cpu()
    error = ((found - expected).norm() / expected.norm()).item()
    if not error < 0.2:
        raise ArithmeticError(f"a quantized layer is off by {error:.0%}")


if __name__ == "__main__":
    print(json.dumps(probe()))
