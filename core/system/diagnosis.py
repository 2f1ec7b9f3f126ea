"""Probes what this machine can do, and what keeps a profile from being opened on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.system.hub_cache import State, download_state
from logit_amp_chat.core.system.machine import GB, Machine

PROBE_SECONDS = 300


@dataclass(frozen=True)
class Obstacle:
    """Why a profile cannot be opened here, and what to do about it."""

    message: str
    remedy: str


@dataclass(frozen=True)
class Torch:
    """What torch and bitsandbytes report; `trouble` says why if torch does not start.

    `nf4` and `int8` say what went wrong with a small quantized layer, None if nothing did.
    """

    version: str = ""
    cuda: str | None = None
    devices: tuple[str, ...] = ()
    bfloat16: bool = True
    nf4: str | None = None
    int8: str | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The machine, its driver, torch, the Hub's cache, and whether there is a Hub token.

    Sizes are in bytes; None means unknown. The token's value is never stored here.
    """

    machine: Machine
    driver: str | None
    torch: Torch
    cache: Path
    free: int | None
    token: bool

    @classmethod
    def this(cls) -> Diagnosis:
        """Probe everything; takes as long as importing torch does."""
        cache = _cache()
        return cls(Machine.this(), _driver(), _torch(), cache, _free(cache), has_token())

    def obstacles(self, profile: Profile) -> Iterator[Obstacle]:
        """Everything known to keep a profile from being opened here."""
        yield from self._device(profile)
        yield from self._memory(profile)
        yield from self._quantization(profile)
        state = download_state(profile, self.cache)
        if state != "here":
            yield from self._download(profile, state)

    def can_run(self, profile: Profile) -> bool | None:
        """Whether a profile can be opened here; None if its needs are unknown."""
        if any(self.obstacles(profile)):
            return False
        return self.usable.fits(profile)

    @property
    def usable(self) -> Machine:
        """The machine without GPUs that torch cannot use."""
        if self.torch.devices or not self.torch.version:
            return self.machine
        return Machine((), None, self.machine.ram)

    def _device(self, profile: Profile) -> Iterator[Obstacle]:
        if self.torch.trouble:
            yield Obstacle(f"torch does not start: {self.torch.trouble}", "Run ./setup.sh again.")
        elif profile.device.startswith("cuda") and not self.torch.devices:
            if self.machine.gpus:
                yield Obstacle(
                    f"it needs a GPU, and this torch ({self.torch.version}) cannot use it.",
                    "Install torch for CUDA: set TORCH_INDEX_URL and run ./setup.sh.",
                )
            else:
                yield Obstacle("it needs a GPU, and there is none.", "Try --device cpu.")

    def _memory(self, profile: Profile) -> Iterator[Obstacle]:
        memory = self.usable.memory_for(profile)
        if self.usable.fits(profile) is False and memory is not None and profile.needs:
            both = " for two stages" if profile.stages else ""
            remedy = "Choose a smaller profile, or --quantization nf4."
            if self.usable.fits_only_one(profile):
                remedy = "Its stages fit one at a time: diff --blame works."
            yield Obstacle(
                f"it needs {profile.needs.memory_gb:.1f} GB of memory{both}, and this machine has"
                f" {memory / GB:.1f} GB.",
                remedy,
            )

    def _quantization(self, profile: Profile) -> Iterator[Obstacle]:
        trouble = {"nf4": self.torch.nf4, "int8": self.torch.int8}.get(profile.quantization)
        if trouble:
            yield Obstacle(
                f"bitsandbytes {profile.quantization} does not work here: {trouble}.",
                "Try --quantization none.",
            )

    def _download(self, profile: Profile, state: State) -> Iterator[Obstacle]:
        needs = profile.needs
        size = needs.download_gb if needs else None
        if size is not None and self.free is not None and size * GB > self.free:
            yield Obstacle(
                f"it needs {size:.1f} GB to download, and {self.cache} has"
                f" {self.free / GB:.1f} GB free.",
                "Make room, or set HF_HOME to a larger disk.",
            )
        if lacks_token(profile, state, self.token):
            yield Obstacle(
                "it is gated, and there is no Hub token.",
                "Accept the licence on the model's page and set HF_TOKEN.",
            )


def _driver() -> str | None:
    """Version of NVIDIA's driver; None if none answers."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode("utf-8", "replace").strip().partition("\n")[0] or None


def _torch() -> Torch:
    """The report of `logit_amp_chat.core.system.torch_probe`, or the trouble it ran into."""
    try:
        answer = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "logit_amp_chat.core.system.torch_probe"],
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Torch(trouble=f"{type(error).__name__}")
    try:
        said: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
        return Torch(
            said["torch"],
            said["cuda"],
            tuple(said["devices"]),
            said["bfloat16"],
            said["nf4"],
            said["int8"],
        )
    except (ValueError, LookupError, TypeError):
        lines = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        return Torch(trouble=lines[-1][:300] if lines else f"it ended with {answer.returncode}")


def _cache() -> Path:
    """The folder of the Hub's cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _free(folder: Path) -> int | None:
    """Free bytes on the disk where `folder` is or would be."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def lacks_token(profile: Profile, download: State, token: bool) -> bool:
    """Whether a gated profile has yet to be downloaded, and there is no Hub token for it."""
    return bool(profile.needs and profile.needs.gated and download != "here" and not token)


def has_token() -> bool:
    """Whether there is a Hub token; its value is never kept."""
    from huggingface_hub import get_token

    try:
        return get_token() is not None
    except OSError:
        return bool(os.environ.get("HF_TOKEN"))
