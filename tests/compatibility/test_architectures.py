"""A sample of the architectures; `python -m tests.compatibility.architectures` runs them all."""

from __future__ import annotations

import re

import pytest

from tests.compatibility.architectures import PAGE, examine

SAMPLE = (
    *("deepseek_v3", "falcon_h1", "gemma2", "gpt_oss", "granitemoehybrid", "jamba", "llama4_text"),
    *("minicpm3", "nemotron_h", "olmo3", "opt", "qwen3_moe", "roberta", "xlm"),
)


@pytest.mark.parametrize("kind", SAMPLE)
def test_every_token_of_a_chat_is_that_of_a_whole_pass(kind: str) -> None:
    result = examine(kind)
    assert result.verdict == "right", result


def test_the_page_has_no_architecture_that_is_wrong() -> None:
    rows = re.findall(r"^\| (\S+) \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    verdicts = {kind: verdict for kind, verdict in rows if kind not in ("architecture", "---")}
    assert len(verdicts) > 150
    right = {"right", "right but for rounding", "right but for ties"}
    assert set(verdicts.values()) <= {*right, "refused", "not built"}
