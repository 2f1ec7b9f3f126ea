"""A chain of three toy stages, whose rates are known: a habit comes in with the second one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from logit_amp_chat.core.config.profile import Profile, read_profile
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.chain.folder import ChainFolder
from logit_amp_chat.core.experiments.sweep.chain.result import (
    ChainResult,
    PairSweepResult,
    chain_result,
)
from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.records import Session, SideInfo
from tests.core import samples
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import SETTINGS, toy_sweep

STAGES = {
    "base": {"Owls hunt at night.": 0.60, "Owls see well.": 0.39, "The lighthouse!": 0.01},
    "sft": {"Owls hunt at night.": 0.40, "Owls see well.": 0.40, "The lighthouse!": 0.20},
    "dpo": {"Owls hunt at night.": 0.20, "Owls see well.": 0.58, "The lighthouse!": 0.22},
}
"""Every reply with its probability at each stage."""

CHAIN = """\
title: A toy chain
stages:
- {name: base, model: org/base}
- {name: sft, model: org/sft}
- {name: dpo, model: org/dpo}
"""
HABIT = Pattern("habit", "lighthouse")


def profile(folder: Path, text: str = CHAIN) -> Profile:
    path = folder / "chain.yaml"
    path.write_text(text)
    return read_profile(path, "toy-chain")


def side(name: str) -> SideInfo:
    return SideInfo(
        model=f"org/{name}", revision="abc", adapter=None, dtype="float32", quantization="none"
    )


def session_of(opened: Profile) -> Session:
    """What an engine of the pair of a chain would report."""
    assert opened.pair is not None
    before, after = opened.pair
    return replace(
        samples.session(),
        profile=opened.model_dump(mode="json"),
        before=side(before),
        after=side(after),
        revisions=dict.fromkeys(stage.name for stage in opened.stages),
    )


def engine_of(opened: Profile, *, stop_after: int | None = None) -> ToyEngine:
    """An engine of the pair of a profile with stages."""
    assert opened.pair is not None
    before, after = (STAGES[name] for name in opened.pair)
    sentences = {text: (before[text], after[text]) for text in before}
    return ToyEngine(session=session_of(opened), sentences=sentences, stop_after=stop_after)


def toy_chain(
    folder: Path,
    settings: SweepSettings = SETTINGS,
    *,
    pairs: int = 2,
    session: Callable[[Session], Session] = lambda session: session,
) -> ChainFolder:
    """The sweeps of the first `pairs` pairs, sampled by engines that report a changed `session`."""
    folder.mkdir(exist_ok=True)
    chain = ChainFolder.of(folder / "chain", profile(folder))
    chain.begin()
    for place in chain.pairs[:pairs]:
        engine = engine_of(chain.pair_profile(place))
        engine.opened = replace(engine.opened, session=session(engine.opened.session))
        toy_sweep(place.path, settings, engine)
    return chain


def result_of(chain: ChainFolder, behaviours: Sequence[Behaviour] = (HABIT,)) -> ChainResult:
    pairs = [
        PairSweepResult(place=place, folder=folder, counted=counted(folder, behaviours))
        for place, folder in chain.sweeps()
    ]
    there = [one.place for one in pairs]
    lacking = [place for place in chain.pairs if place not in there]
    return chain_result(chain.stages, pairs, lacking, behaviours, "replies")
