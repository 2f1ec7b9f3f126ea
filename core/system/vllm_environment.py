"""Where vLLM's own Python is: it pins versions that the rest cannot use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

VARIABLE = "LOGIT_AMP_VLLM_PYTHON"
# Names a file to which vLLM's processes write how far opening is, a line of JSON each time.
PROGRESS = "LOGIT_AMP_VLLM_PROGRESS"
# What they call the end of a process of tensor parallelism.
WORKER_DIED = "WorkerDied"
FOLDER = ".venv-vllm"
IMPORT_SECONDS = 120.0
REMEDY = f"Run `./setup.sh vllm` in the clone, or set {VARIABLE} to a Python that has vLLM."


def package_folder() -> Path:
    """The folder of the package `logit_amp_chat`."""
    return Path(__file__).absolute().parents[2]


def python() -> Path | None:
    """vLLM's Python: what `LOGIT_AMP_VLLM_PYTHON` names, or that of the clone; None if none."""
    if named := os.environ.get(VARIABLE):
        path = Path(named)
    else:
        path = package_folder().parent / FOLDER / "bin" / "python"
    return path if path.is_file() else None


def version(path: Path) -> str | None:
    """The version of vLLM that this Python imports; None if it imports none."""
    code = "import vllm, sys; sys.stdout.write(vllm.__version__)"
    try:
        done = subprocess.run(
            [path, "-I", "-c", code], capture_output=True, text=True, timeout=IMPORT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
