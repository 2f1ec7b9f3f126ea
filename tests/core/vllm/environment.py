"""vLLM's environment, and what of it a test may take."""

from __future__ import annotations

import os

import pytest

VARIABLE = "LOGIT_AMP_VLLM_TESTS"


def needs_all() -> None:
    """Skip unless every comparison with vLLM is asked for: LOGIT_AMP_VLLM_TESTS=all."""
    if os.environ.get(VARIABLE) != "all":
        pytest.skip(f"a further engine of vLLM is opened where {VARIABLE}=all asks for it")
