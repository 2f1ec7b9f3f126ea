"""What the machine has: card, driver, software, measured copy bandwidth."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
import time
from typing import Any

import torch

PACKAGES = ("torch", "transformers", "bitsandbytes", "peft", "accelerate")
COPIED = 1 << 30  # bytes
ROUNDS = 20


def bandwidth() -> float:
    """Bytes read and written a second by copies on the card, the best of a few rounds."""
    source = torch.empty(COPIED, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(3):
        target.copy_(source)
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(ROUNDS):
            target.copy_(source)
        torch.cuda.synchronize()
        best = max(best, 2 * COPIED * ROUNDS / (time.perf_counter() - began))
    return best


def driver() -> str:
    """The driver's version; "" where it cannot be asked."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.split("\n")[0].strip()


def described() -> dict[str, Any]:
    """Everything that figures depend on, by a process whose memory on the card ends with it."""
    command = [sys.executable, "-m", __spec__.name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _described() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    found: dict[str, Any] = {"python": platform.python_version(), **versions, "card": "none"}
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        found |= {
            "card": torch.cuda.get_device_name(),
            "driver": driver(),
            "cuda": torch.version.cuda,
            "memory_gb": round(total / 1e9, 1),
            "free_gb": round(free / 1e9, 1),
            "copy_gb_per_s": round(bandwidth() / 1e9),
        }
    return found


if __name__ == "__main__":
    print(json.dumps(_described()))
