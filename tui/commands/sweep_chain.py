"""Runs `sweep --chain`: the sweep of every adjacent pair of stages, then all of them together."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.chain import wording
from logit_amp_chat.core.experiments.sweep.chain.folder import BEFORE, ChainFolder, PairPlace
from logit_amp_chat.core.experiments.sweep.chain.result import (
    PairSweepResult,
    chain_result,
)
from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.library import new_folder
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.commands import (
    engine,
    options,
    sweep_discovery,
    sweep_labels,
    sweep_plan,
)
from logit_amp_chat.tui.commands.output import say
from logit_amp_chat.tui.commands.sweep_behaviours import behaviours
from logit_amp_chat.tui.commands.sweep_chain_results import show
from logit_amp_chat.tui.commands.sweep_run import (
    CANCELLED,
    Given,
    Plan,
    Settings,
    check,
    opened,
    planned,
    prompts_for,
    sampled,
)

if TYPE_CHECKING:
    from logit_amp_chat.tui.commands.engine import Opened

Sweeps = Sequence[tuple[PairPlace, SweepFolder]]


def run(given: Given, asked: Settings) -> int:
    """Sample every pair, one after the other, count and print; the exit code.

    The stages that --from and --to name are the ends of the chain. Raises LogitAmpError.
    """
    check(asked)
    sides = given.loading[options.SIDES]
    loading = {name: value for name, value in given.loading.items() if name != options.SIDES}
    given = replace(given, loading=loading)
    path = asked.out or new_folder()
    chain = _chain(given, asked, path, *sides["stages"])
    plans = _plans(given, asked, chain)
    if asked.dry_run:
        return sweep_plan.show_chain(
            [
                (wording.pair(place), plan.profile, plan.there, plan.settings, plan.prompts)
                for place, plan in plans
            ]
        )
    if not asked.count_only:
        chain.begin()
        _say_plan(plans, asked)
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(contextlib.closing(HeldStages()))
        sweeps, judge, stopped = _sampled(stack, plans, asked, held)
        if asked.behaviours.need_engine and judge is None:
            if stopped:
                return _stopped(chain)
            judge = stack.enter_context(engine.open_pair(plans[-1][1].profile, held))
        if judge is None:
            held.close()
        return _finish(chain, sweeps, judge, asked, stopped=stopped)


def _chain(
    given: Given, asked: Settings, path: Path, first: str | None, last: str | None
) -> ChainFolder:
    """The chain that was named, else that of the folder. Raises LogitAmpError."""
    is_named = any(given.profile)
    there = ChainFolder.there(path, is_named=is_named)
    if there is None and asked.count_only and not is_named:
        raise _nothing_there(path)
    if is_named or there is None:
        profile = options.describe(*given.profile, given.loading, {})
        return ChainFolder.of(path, profile, first, last)
    profile = options.adjusted(there.profile, given.loading, {})
    return ChainFolder(path, profile, there.stages).restricted(first, last)


def _plans(given: Given, asked: Settings, chain: ChainFolder) -> list[tuple[PairPlace, Plan]]:
    """What every pair has and lacks; to be counted only, those that have begun."""
    there = {place: SweepFolder.there(place.path) for place in chain.pairs}
    begun = next((folder for folder in there.values() if folder is not None), None)
    if begun is None and asked.count_only:
        raise _nothing_there(chain.path)
    prompts = prompts_for(given, asked, chain.profile, begun)
    return [
        (
            place,
            planned(
                given,
                asked,
                chain.pair_profile(place),
                place.path,
                folder,
                prompts,
                always=(BEFORE,),
                like=begun,
            ),
        )
        for place, folder in there.items()
        if folder is not None or not asked.count_only
    ]


def _nothing_there(path: Path) -> UsageError:
    return UsageError(
        f"There is no sweep over a chain in {_shown(path)}.",
        "Name the folder of one, or leave out --chain.",
    )


def _say_plan(plans: Sequence[tuple[PairPlace, Plan]], asked: Settings) -> None:
    """What is going to be loaded, before it is."""
    waiting = [wording.pair(place) for place, plan in plans if asked.auto or not plan.is_there]
    if waiting:
        each = "; one at a time, and each stage is loaded once" if len(waiting) > 1 else ""
        say(f"to be sampled: {', '.join(waiting)}{each}")


def _sampled(
    stack: contextlib.ExitStack,
    plans: Sequence[tuple[PairPlace, Plan]],
    asked: Settings,
    held: HeldStages,
) -> tuple[list[tuple[PairPlace, SweepFolder]], Opened | None, bool]:
    """The sweeps, the last pair if it is open and has to judge, and whether it was stopped."""
    sweeps: list[tuple[PairPlace, SweepFolder]] = []
    judge: Opened | None = None
    for number, (place, plan) in enumerate(plans, 1):
        if plan.is_there and not asked.auto:
            folder, stopped = sampled(plan, None, asked)
        else:
            say(f"{wording.pair(place)}, pair {number} of {len(plans)}")
            with contextlib.ExitStack() as own:
                pair = opened(plan.profile, asked, held)
                own.callback(pair.close)
                folder, stopped = sampled(plan, pair, asked)
                if number == len(plans) and asked.behaviours.need_engine:
                    stack.push(own.pop_all())
                    judge = pair
        if folder is not None:
            sweeps.append((place, folder))
        if stopped:
            return sweeps, judge, True
    return sweeps, judge, False


def _finish(
    chain: ChainFolder, sweeps: Sweeps, judge: Opened | None, asked: Settings, *, stopped: bool
) -> int:
    """Count and show; the exit code."""
    try:
        _count(chain, sweeps, judge, asked)
    except KeyboardInterrupt:
        say("Stopped by you. What was sampled and judged is kept: run it again to go on.")
        return CANCELLED
    return _stopped(chain) if stopped else 0


def _stopped(chain: ChainFolder) -> int:
    say(f"Stopped by you. Run it again with --out {_shown(chain.path)} to go on.")
    return CANCELLED


def _count(chain: ChainFolder, sweeps: Sweeps, judge: Opened | None, asked: Settings) -> None:
    found = _discovered(sweeps, asked) if asked.discover else []
    pairs, every = [], list[Behaviour]()
    for place, folder in sweeps:
        with behaviours(
            asked.behaviours,
            folder.path,
            engine.judge_of(judge),
            folder.time,
            by=chain.stages[-1],
        ) as own:
            for one in own if asked.label else ():
                say(wording.pair(place))
                sweep_labels.label(folder, one, asked.label)
            every = [*own, *found]
            result = counted(folder, every, asked.over)
        pairs.append(PairSweepResult(place=place, folder=folder, counted=result))
    there = {one.place for one in pairs}
    lacking = [place for place in chain.pairs if place not in there]
    show(chain_result(chain.stages, pairs, lacking, every, asked.over), asked.outputs)


def _discovered(sweeps: Sweeps, asked: Settings) -> list[Behaviour]:
    """Phrases that amplification of any pair brings out, to be counted in all of them."""
    every: dict[str, Behaviour] = {}
    for place, folder in sweeps:
        found = sweep_discovery.discovered(
            folder, [*asked.behaviours.names, *(one.name for one in every.values())]
        )
        if not asked.outputs.form:
            say(wording.pair(place))
        asked.outputs.show_phrases(found)
        for one in sweep_discovery.as_behaviours(found):
            every.setdefault(str(one.definition), one)
    return list(every.values())


def _shown(path: Path) -> str:
    return visible(short_path(path), newlines=False)
