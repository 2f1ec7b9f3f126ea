"""Runs `sweep`: samples what its folder lacks, counts, and prints what was found."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.analysis.true_rate import Over, check_over
from logit_amp_chat.core.config.profile import recorded_profile
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.asked import AskedSweep, has_all, settings_of
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.library import new_folder
from logit_amp_chat.core.experiments.sweep.prompts import prompts_of, typed
from logit_amp_chat.core.experiments.sweep.published import read_published
from logit_amp_chat.core.experiments.sweep.published_folder import as_folder
from logit_amp_chat.core.experiments.sweep.settings import FREE, SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.experiments.sweep.workers.asked_workers import AskedWorkers
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.commands import (
    engine,
    options,
    sweep_discovery,
    sweep_labels,
    sweep_pilot,
    sweep_plan,
)
from logit_amp_chat.tui.commands.output import say
from logit_amp_chat.tui.commands.sources import open_sources
from logit_amp_chat.tui.commands.sweep_behaviours import Asked, behaviours
from logit_amp_chat.tui.commands.sweep_results import Outputs, finish
from logit_amp_chat.tui.commands.sweep_sampling import sample, say_damaged

if TYPE_CHECKING:
    from logit_amp_chat.core.api.connect import Server
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.tui.commands.engine import Opened

CANCELLED = 130
PAIR = ("before", "after", "quantization", "dtype", "vocabulary")
"""The fields of a profile that say what pair it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was said of the pair: its profile, how it is opened, and how it samples."""

    profile: tuple[str | None, str | None, str | None, str | None]
    loading: Mapping[str, Any]
    sampling: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command was asked for."""

    prompts: Sequence[str]
    prompt: Sequence[str]
    raw: bool
    behaviours: Asked
    sweep: AskedSweep
    auto: bool
    over: Over
    count_only: bool
    rows: int | None
    workers: str | None
    out: Path | None
    outputs: Outputs
    label: int
    discover: bool
    imported: Path | None
    dry_run: bool
    server: Server | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sweep of one pair: what its folder has, and what is wanted.

    `is_there`: nothing is to be sampled. The αs `always` are sampled whatever a pilot finds.
    """

    path: Path
    profile: Profile
    there: SweepFolder | None
    prompts: Sequence[SweepPrompt]
    settings: SweepSettings
    is_there: bool
    always: tuple[float, ...] = ()


def check(asked: Settings) -> None:
    """Raise UsageError, or a usage error, for what cannot be, before anything is loaded."""
    asked.behaviours.check()
    asked.outputs.check(asked.prompts)
    if asked.workers is not None:
        AskedWorkers.parse(asked.workers)
    if asked.label:
        sweep_labels.check_terminal()


def run(given: Given, asked: Settings) -> int:
    """Sample, count and print; the exit code. Raises LogitAmpError."""
    check(asked)
    if asked.imported is not None:
        return _finish(_imported(asked.imported), None, asked, stopped=False)
    path = asked.out or new_folder()
    there = SweepFolder.read(path) if asked.count_only else SweepFolder.there(path)
    profile = _profile(given, there, asked.server)
    prompts = prompts_for(given, asked, profile, there)
    plan = planned(given, asked, profile, path, there, prompts)
    if asked.dry_run:
        return sweep_plan.show(profile, there, plan.settings, prompts)
    with contextlib.ExitStack() as stack:
        pair: Opened | None = None
        if not plan.is_there or asked.auto or asked.behaviours.need_engine:
            pair = opened(profile, asked)
            stack.callback(pair.close)
        folder, stopped = sampled(plan, pair, asked)
        return CANCELLED if folder is None else _finish(folder, pair, asked, stopped=stopped)


def opened(profile: Profile, asked: Settings, held: HeldStages | None = None) -> Opened:
    """The pair, here or in workers. Raises LogitAmpError."""
    if asked.workers is None:
        return engine.open_pair(profile, held, asked.server)
    return engine.open_workers(profile, asked.workers)


def planned(
    given: Given,
    asked: Settings,
    profile: Profile,
    path: Path,
    there: SweepFolder | None,
    prompts: Sequence[SweepPrompt],
    always: tuple[float, ...] = (),
    like: SweepFolder | None = None,
) -> Plan:
    """What a folder has, and lacks; a new one is sampled as the sweep `like` was.

    Raises UsageError for what cannot be sampled or counted.
    """
    check_over(asked.over, len(prompts))
    sweep = asked.sweep
    if sweep.alphas:
        sweep = replace(sweep, alphas=(*sweep.alphas, *always))
    usual = there or like
    settings = settings_of(sweep, _sampling(given, profile, usual), usual)
    whole = there is not None and has_all(there, settings, prompts)
    if asked.count_only and there:
        there.check_prompts(prompts)
    return Plan(
        path=path,
        profile=profile,
        there=there,
        prompts=prompts,
        settings=settings,
        # Opening a pair that was named tells whether it is the folder's.
        is_there=asked.count_only or (whole and _is_of(there, profile, given)),
        always=always,
    )


def sampled(plan: Plan, pair: Opened | None, asked: Settings) -> tuple[SweepFolder | None, bool]:
    """The folder with all that could be sampled, and whether that was stopped.

    None where the pilot was. Raises LogitAmpError.
    """
    there, settings = plan.there, plan.settings
    if there and plan.is_there and not asked.auto:
        there.aim(settings.target)
        say_damaged(there)
        return there, False
    assert pair is not None, "what is not there is sampled"
    if asked.auto:
        found = sweep_pilot.alphas(
            pair, plan.path, settings, plan.prompts, asked.behaviours, asked.rows
        )
        if found is None:
            return None, True
        settings = checked(replace(settings, alphas=(*found, *plan.always)))
    begun = SweepFolder.begin(plan.path, pair.session, settings, plan.prompts)
    with contextlib.closing(begun) as folder:
        return folder, sample(pair, folder, asked.rows)


def _finish(folder: SweepFolder, pair: Opened | None, asked: Settings, *, stopped: bool) -> int:
    """Count and show; the exit code."""
    try:
        _count(folder, pair, asked)
    except KeyboardInterrupt:
        say("Stopped by you. What was sampled and judged is kept: run it again to go on.")
        return CANCELLED
    if stopped:
        say(f"Stopped by you. Run it again with --out {_shown(folder.path)} to go on.")
    return CANCELLED if stopped else 0


def _count(folder: SweepFolder, pair: Opened | None, asked: Settings) -> None:
    judge = engine.judge_of(pair)
    with behaviours(asked.behaviours, folder.path, judge, folder.time) as counted:
        for one in counted if asked.label else ():
            sweep_labels.label(folder, one, asked.label)
        if asked.discover:
            found = sweep_discovery.discovered(folder, [one.name for one in counted])
            asked.outputs.show_phrases(found)
            counted += sweep_discovery.as_behaviours(found)
        finish(folder, counted, asked.over, asked.outputs)


def _imported(path: Path) -> SweepFolder:
    published = read_published(path)
    for notice in published.notices:
        say(f"note: {notice}")
    return as_folder(published, path)


def _shown(path: Path) -> str:
    return visible(short_path(path), newlines=False)


def prompts_for(
    given: Given, asked: Settings, profile: Profile, there: SweepFolder | None
) -> Sequence[SweepPrompt]:
    """The prompts that were given, else those of the folder. Raises LogitAmpError."""
    if there and not asked.prompts and not asked.prompt:
        _refuse_other_form(given, asked, there)
        return there.prompts
    if not asked.prompts and not asked.prompt:
        where = f", and no sweep in {_shown(asked.out)}" if asked.out else ""
        raise UsageError(f"There is no prompt{where}.", "Give --prompts FILE, or --prompt TEXT.")
    sources = open_sources(asked.prompts, "all") if asked.prompts else None
    found = prompts_of(
        [*(sources or ()), *typed(asked.prompt)],
        system=profile.system,
        raw=asked.raw,
        saved=sources.saved if sources else frozenset(),
    )
    for where in found.repeated:
        say(f"note: the same prompt again, left out: {visible(where, newlines=False)}")
    return found.prompts


def _refuse_other_form(given: Given, asked: Settings, there: SweepFolder) -> None:
    """Raise UsageError where the prompts of the folder are not raw, or have another system."""
    system = given.loading.get("system")
    for prompt in there.prompts:
        if asked.raw and not prompt.raw:
            raise UsageError("The prompts of this sweep are not raw.", "Leave out --raw.")
        if system is not None and prompt.messages[0] != ("system", system):
            raise UsageError(
                f"Prompt {prompt.id} of this sweep has another system prompt, or none.",
                "Leave out --system, or give the prompts and choose another folder with --out.",
            )


def _is_of(there: SweepFolder | None, profile: Profile, given: Given) -> bool:
    """Whether a folder is of the pair that was named, in the same words, or none was named."""
    named = any(given.profile) or any(given.loading.get(name) for name in PAIR)
    recorded = recorded_profile(there.contents.session) if there else None
    same = all(getattr(profile, name) == getattr(recorded, name, None) for name in PAIR)
    return same or not named


def _profile(given: Given, there: SweepFolder | None, server: Server | None) -> Profile:
    """The profile that was named or is served, else the one that the folder was begun with."""
    if server is not None:
        return options.adjusted(server.profile(), given.loading, {})
    if there and not any(given.profile):
        profile = recorded_profile(there.contents.session)
        if profile is not None:
            return options.adjusted(profile, given.loading, {})
    return options.describe(*given.profile, given.loading, {})


def _sampling(given: Given, profile: Profile, there: SweepFolder | None) -> Sampling:
    """How replies are sampled: as was said, else as in the folder, else without filters."""
    said = {name: value for name, value in given.sampling.items() if value is not None}
    if there is None:
        return options.adjusted(profile, {}, FREE | said).sampling
    own = profile.model_copy(update={"sampling": there.settings.sampling})
    return options.adjusted(own, {}, said).sampling
