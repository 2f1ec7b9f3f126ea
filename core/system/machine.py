"""The memory of this machine, found without importing torch."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from logit_amp_chat.core.config.profile import Needs, Profile

GB = 1e9
# The name and the bytes of one.
GPU = tuple[str, int]
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Machine:
    """GPU and main memory, in bytes; None if unknown."""

    gpus: tuple[str, ...]
    gpu_memory: int | None
    ram: int | None

    @classmethod
    def this(cls) -> Machine:
        """The machine this runs on."""
        cards = gpus()
        total = sum(memory for _, memory in cards) if cards else None
        return cls(tuple(name for name, _ in cards), total, _ram())

    def memory_for(self, profile: Profile) -> int | None:
        """Bytes of memory on the profile's device: all GPUs together, or main memory."""
        on_gpu = profile.device.startswith("cuda") or (profile.device == "auto" and self.gpus)
        return self.gpu_memory if on_gpu else self.ram

    def fits(self, profile: Profile) -> bool | None:
        """Whether the profile's two sides fit into memory here; None if unknown."""
        return self._holds(profile, (profile.needs or Needs()).memory_gb)

    def fits_one(self, profile: Profile) -> bool | None:
        """Whether one stage of a chain fits into memory here; None if unknown."""
        return self._holds(profile, (profile.needs or Needs()).stage_memory_gb)

    def fits_only_one(self, profile: Profile) -> bool:
        """Whether stages of a chain can be read here one after the other, but no two at once."""
        return self.fits(profile) is False and self.fits_one(profile) is True

    def _holds(self, profile: Profile, gigabytes: float | None) -> bool | None:
        if profile.device.startswith("cuda") and not self.gpus:
            return False
        memory = self.memory_for(profile)
        return None if memory is None or gigabytes is None else gigabytes * GB <= memory

    def __str__(self) -> str:
        ram = f"{self.ram / GB:.0f} GB RAM" if self.ram else "RAM unknown"
        if not self.gpus:
            return f"no GPU, {ram}"
        memory = f" {self.gpu_memory / GB:.0f} GB" if self.gpu_memory else ""
        return f"{', '.join(self.gpus)}{memory}, {ram}"


def gpus() -> list[GPU]:
    """Name and bytes of every GPU that the driver reports."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    found: list[GPU] = []
    for line in answer.stdout.decode("utf-8", "replace").splitlines():
        name, _, mebibytes = line.rpartition(",")
        if mebibytes.strip().isdigit():
            found.append((name.strip(), int(mebibytes) * 2**20))
    return found


def available_ram() -> int | None:
    """Bytes of main memory available without swapping; None if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    amounts = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    total = _ram()
    return min([*amounts, *([total] if total else [])], default=None)


def _ram() -> int | None:
    """Bytes of main memory, or the container's limit if that is lower; None if unknown."""
    try:
        amounts = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (OSError, ValueError):
        return None
    for limit in _CGROUP_LIMITS:
        try:
            text = limit.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            amounts.append(int(text))
    return min(amounts)
