"""Loading a pair says nothing that is no news, and names the flag of Python that keeps it off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.architecture import check_docstrings
from tests.models import save_pair

LOAD = """
import sys
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.config.named_pair import (pair_profile)
from logit_amp_chat.core.models.pair import load_pair

settings = {"quantization": sys.argv[3], "dtype": "float32", "device": "cpu"}
try:
    load_pair(pair_profile(sys.argv[1], sys.argv[2]).model_copy(update=settings))
except PairError as error:
    print(error.message)
"""


def load(folder: Path, optimize: str, quantization: str = "none") -> tuple[str, str]:
    """Standard output and error of a Python that loads a pair."""
    before, after = save_pair(folder)
    environment = os.environ | {"PYTHONOPTIMIZE": optimize, "LOGIT_AMP_QUANTIZED": "off"}
    command = [sys.executable, "-c", LOAD, str(before), str(after), quantization]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    return done.stdout, done.stderr


@pytest.mark.parametrize(("quantization", "optimize"), [("none", ""), ("nf4", "1")])
def test_loading_prints_nothing(tmp_path: Path, quantization: str, optimize: str) -> None:
    """Not even what bitsandbytes says about kernels that it could use, wherever it is imported.

    Nor does it need asserts.
    """
    assert load(tmp_path, optimize, quantization) == ("", "")


def test_python_without_docstrings_is_named_and_not_the_weights(tmp_path: Path) -> None:
    said, _ = load(tmp_path, "2")
    assert said == (
        "Python runs without docstrings (-OO or PYTHONOPTIMIZE=2), and transformers cannot build"
        " a model without them.\n"
    )


def test_only_the_second_level_takes_docstrings_away() -> None:
    check_docstrings(0)
    check_docstrings(1)
    with pytest.raises(PairError, match="PYTHONOPTIMIZE=2"):
        check_docstrings(2)
