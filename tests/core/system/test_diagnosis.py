"""What a machine can hold, on machines of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Needs, Profile, Stage
from logit_amp_chat.core.system import diagnosis
from logit_amp_chat.core.system.diagnosis import Diagnosis, Torch
from logit_amp_chat.core.system.machine import GB, Machine

CPU = Torch("2.13.0+cpu")
GPU = Torch("2.13.0+cu130", "13.0", ("RTX 4090",))


def machine(torch: Torch, *, gpu: int | None = None, ram: int = 64, free: int | None = 500,
            token: bool = True, folder: Path = Path("/nowhere")) -> Diagnosis:  # fmt: skip
    gpus = ("RTX 4090",) if gpu else ()
    memory = int(gpu * GB) if gpu else None
    return Diagnosis(
        Machine(gpus, memory, int(ram * GB)),
        "580.1" if gpu else None,
        torch,
        folder,
        None if free is None else int(free * GB),
        token,
    )


def profile(
    memory_gb: float | None = 18.0,
    *,
    gated: bool = False,
    download_gb: float = 32.0,
    **more: object,
) -> Profile:
    needs = {"memory_gb": memory_gb, "download_gb": download_gb, "gated": gated}
    return Profile.model_validate(
        {"name": "p", "before": {"model": "a/b"}, "after": {"model": "a/c"}, "needs": needs} | more
    )


def told(found: Diagnosis, wanted: Profile) -> str:
    return " ".join(obstacle.message for obstacle in found.obstacles(wanted))


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        (machine(GPU, gpu=24), profile(), ""),
        (machine(GPU, gpu=12), profile(), "needs 18.0 GB of memory, and this machine has 12.0 GB"),
        (machine(CPU, ram=64), profile(), ""),
        (machine(CPU, ram=16), profile(), "this machine has 16.0"),
        (machine(CPU, gpu=24, ram=16), profile(), "this machine has 16.0"),  # torch sees no GPU
        (machine(CPU), profile(device="cuda"), "needs a GPU, and there is none"),
        (machine(CPU, gpu=24), profile(device="cuda"), "this torch (2.13.0+cpu) cannot use it"),
        (machine(GPU, gpu=24, free=10), profile(), "32.0 GB to download, and /nowhere has"),
        (machine(GPU, gpu=24, free=None), profile(), ""),
        (machine(GPU, gpu=24, token=False), profile(gated=True), "no Hub token"),
        (machine(GPU, gpu=24, token=False), profile(), ""),
        (machine(Torch("2", nf4="no kernel")), profile(quantization="nf4"), "nf4 does not work"),
        (machine(Torch("2", int8="no kernel")), profile(quantization="nf4"), ""),
        (machine(Torch(trouble="libcuda is torn")), profile(), "torch does not start"),
    ],
)  # fmt: skip
def test_obstacles(found: Diagnosis, wanted: Profile, said: str) -> None:
    if said:
        assert said in told(found, wanted)
        assert found.can_run(wanted) is False
    else:
        assert told(found, wanted) == ""
        assert found.can_run(wanted) is True


@pytest.mark.parametrize(
    ("ram", "remedy"),
    [(8, "Its stages fit one at a time: diff --blame works."), (4, "Choose a smaller profile")],
)
def test_a_chain_of_which_one_stage_fits_can_be_blamed(ram: int, remedy: str) -> None:
    stages = [{"name": name, "model": f"a/{name}"} for name in ("base", "sft", "dpo")]
    wanted = profile().model_copy(
        update={
            "stages": tuple(map(Stage.model_validate, stages)),
            "needs": Needs(memory_gb=14.0, stage_memory_gb=7.5),
        }
    )
    (obstacle,) = machine(CPU, ram=ram).obstacles(wanted)
    assert obstacle.message == (
        f"it needs 14.0 GB of memory for two stages, and this machine has {ram}.0 GB."
    )
    assert obstacle.remedy.startswith(remedy)


def test_without_needs_nobody_knows() -> None:
    assert machine(GPU, gpu=24).can_run(profile(None)) is None


def test_what_is_here_needs_no_token_and_no_room(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    here = tiny_pair().model_copy(update={"needs": profile(1.0, gated=True).needs})
    assert machine(CPU, free=0, token=False).can_run(here) is True


def test_this_machine_can_be_asked() -> None:
    found = Diagnosis.this()
    assert found.torch.trouble == ""
    assert found.torch.version
    assert found.torch.nf4 is None
    assert found.torch.int8 is None
    assert found.free


ODD_DRIVERS = {
    "missing": None,
    "failing": "#!/bin/sh\necho 'driver/library version mismatch' >&2\nexit 18\n",
    "babbling": "#!/bin/sh\nprintf 'N/A\\377\\n[Unknown Error], what\\n'\n",
}


@pytest.mark.parametrize("kind", ODD_DRIVERS)
def test_odd_drivers_are_no_gpu(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (script := ODD_DRIVERS[kind]) is not None:
        (tmp_path / "nvidia-smi").write_text(script)
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Machine.this().gpus == ()
    diagnosis._driver()


@pytest.mark.parametrize("said", [b"", b"warning\n", b"[1]\n", b'{"torch": 1}\n', b"\xff"])
def test_a_probe_that_says_nothing_is_trouble(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], -11, said, b"Traceback\nOSError: libcudart \xff\n")

    monkeypatch.setattr(subprocess, "run", answer)
    assert diagnosis._torch().trouble == "OSError: libcudart \ufffd"


def test_a_token_is_seen_and_never_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert diagnosis.has_token()
    assert "hf_secret" not in repr(machine(CPU))


def test_it_needs_no_home() -> None:
    """As under a service manager: no HOME, no TERM, nothing."""
    code = (
        "from logit_amp_chat.core.system.diagnosis import _cache, _free, has_token;"
        " _free(_cache()); has_token()"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/nowhere"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
