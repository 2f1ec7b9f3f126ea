"""vLLM in two actors of Ray's, one of whose processes is killed, against the local engine."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from logit_amp_chat.core.api.open_workers import open_workers
from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.config.vllm_settings import VllmSettings
from tests.core.experiments.sweep.workers.test_ray_sweep import (
    SETTINGS,
    lines,
    one_process,
    same_but_for_rounding,
    swept,
)
from tests.core.vllm.environment import needs_all
from tests.core.vllm.test_modules import PYTHON


def test_a_vllm_that_is_killed_costs_its_worker_and_no_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_all()
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(PYTHON))
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    local = load_profile("demo")
    settings = VllmSettings(max_model_len=256)
    profile = local.model_copy(update={"engine": "vllm", "vllm": settings})

    with open_workers(profile, "ray:2") as opened:
        said = swept(opened.engine, opened.session, tmp_path / "two", 8, 15, vllm_processes)

    one = lines(one_process(local, tmp_path / "one", rows=8))
    same_but_for_rounding(lines(tmp_path / "two"), one)
    assert len(one) == SETTINGS.replies_to(2)
    assert "The vLLM process died (SIGKILL" in said[0]
    assert "and it is started again" in said[0]


def vllm_processes() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [one for one in found if "logit_amp_chat.core.vllm.child" in one.cmdline()]
