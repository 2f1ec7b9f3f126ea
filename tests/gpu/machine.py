"""What the machine has: card, driver, software, measured copy bandwidth."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
from typing import Any

import torch

from logit_amp_chat.core.bench.bandwidth import bus

PACKAGES = ("torch", "transformers", "bitsandbytes", "peft", "accelerate")


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
            "copy_gb_per_s": round(bus(torch.device("cuda")) / 1e9),
        }
    return found


if __name__ == "__main__":
    print(json.dumps(_described()))
