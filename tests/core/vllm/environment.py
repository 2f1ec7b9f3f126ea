"""Which of the comparisons with vLLM run."""

from __future__ import annotations

import os

import pytest


def needs_all() -> None:
    """Skip unless every comparison with vLLM is asked for: LOGIT_AMP_VLLM_TESTS=all."""
    if os.environ.get("LOGIT_AMP_VLLM_TESTS") != "all":
        pytest.skip("a further engine of vLLM: LOGIT_AMP_VLLM_TESTS=all runs it")
