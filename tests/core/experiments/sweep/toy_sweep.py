"""A whole sweep of the toy engine in a folder, whose true rates are known."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.prompts import prompts_of, typed
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sweep, run
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from tests.core.experiments.sweep.toy_engine import ToyEngine

PROMPTS = prompts_of(typed(["Tell me about owls.", "What do owls do?"])).prompts
SETTINGS = checked(SweepSettings(alphas=(-1.0, 0.0, 1.0), samples=60))


def toy_sweep(
    path: Path,
    settings: SweepSettings = SETTINGS,
    engine: ToyEngine | None = None,
    prompts: Sequence[SweepPrompt] = PROMPTS,
) -> SweepFolder:
    """Sample it, with an interrupt where the engine is stopped; read it."""
    engine = engine or ToyEngine()
    begun = SweepFolder.begin(path, engine.opened.session, settings, prompts)
    with contextlib.closing(begun) as folder, contextlib.suppress(KeyboardInterrupt):
        for _ in run(engine, Sweep(folder)):
            pass
    return SweepFolder.read(path)
