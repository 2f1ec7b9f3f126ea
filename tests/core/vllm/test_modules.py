"""What of ours runs in vLLM's environment, without our transformers and without a terminal."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from logit_amp_chat.core.system import vllm_environment
from logit_amp_chat.core.vllm import OURS

# Read here: the tests themselves see no environment.
PYTHON = vllm_environment.python()
ROOT = Path(__file__).parents[3]
HERE = ROOT / "core" / "vllm"

# Refuses what vLLM's environment lacks, or has in another version.
BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"transformers", "textual", "rich", "typer", "peft",
                                      "bitsandbytes", "accelerate", "platformdirs", "yaml"}:
            raise ImportError(f"{name} is not for vLLM's environment")
sys.meta_path.insert(0, Blocked())
"""


def imported_by(code: str, python: Path) -> set[str]:
    """Our modules that `code` imports."""
    show = "\nprint(*(n for n in sys.modules if n.startswith('logit_amp_chat.')), sep='\\n')"
    done = subprocess.run(
        [python, "-c", BLOCK + code + show],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("environment", ["ours", "vLLM's"])
def test_the_named_modules_import_without_ours(environment: str) -> None:
    if environment == "vLLM's" and PYTHON is None:
        pytest.skip("vLLM's environment is not there: ./setup.sh vllm")
    python = Path(sys.executable) if environment == "ours" else PYTHON
    assert python is not None
    assert {*OURS} <= imported_by("\n".join(f"import {name}" for name in OURS), python)


def test_what_runs_there_imports_no_others() -> None:
    imported = set()
    for path in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
    ours = {name for name in imported if name.startswith("logit_amp_chat.")}
    assert {name for name in ours if ".core.vllm" not in name} <= {*OURS}
