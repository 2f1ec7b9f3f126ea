"""Runs `sweep`: samples what its folder lacks, counts, and prints what was found."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.config.profile import recorded_profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.asked import AskedSweep, has_all, settings_of
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour, refuse_same_names
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.library import new_folder
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.prompts import Prompts, prompts_of, typed
from logit_amp_chat.core.experiments.sweep.result import Over
from logit_amp_chat.core.experiments.sweep.settings import FREE
from logit_amp_chat.core.experiments.sweep.sweep import Failed, Progress, Sweep
from logit_amp_chat.core.experiments.sweep.sweep import run as sampled
from logit_amp_chat.core.number_format import duration
from logit_amp_chat.core.protocol import Drain, Noticed
from logit_amp_chat.core.records import Sampling
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.commands import engine, options, sweep_plan
from logit_amp_chat.tui.commands.output import say
from logit_amp_chat.tui.commands.reading_progress import LiveLine
from logit_amp_chat.tui.commands.sources import open_sources
from logit_amp_chat.tui.commands.sweep_results import Outputs, finish

if TYPE_CHECKING:
    from logit_amp_chat.core.api.open_pair import OpenPair
    from logit_amp_chat.core.config.profile import Profile

CANCELLED = 130


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
    patterns: Sequence[str]
    programs: Sequence[str]
    questions: Sequence[str]
    sweep: AskedSweep
    over: Over
    rows: int | None
    out: Path | None
    outputs: Outputs
    dry_run: bool


def run(given: Given, asked: Settings) -> int:
    """Sample, count and print; the exit code. Raises LogitAmpError."""
    behaviours: list[Behaviour] = [Pattern.parse(option) for option in asked.patterns]
    refuse_same_names(behaviours)
    asked.outputs.check(asked.prompts)
    path = asked.out or new_folder()
    there = SweepFolder.read(path) if (path / FILE).exists() else None
    profile = _profile(given, there)
    prompts = _prompts(asked, profile, there)
    settings = settings_of(asked.sweep, _sampling(given, profile, there), there)
    if asked.dry_run:
        return sweep_plan.show(profile, there, settings, prompts.prompts)
    if there and has_all(there, settings, prompts.prompts):
        there.aim(settings.target)
        finish(there, behaviours, asked.over, asked.outputs)
        return 0
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(engine.open_pair(profile))
        folder = SweepFolder.begin(path, pair.session, settings, prompts.prompts)
        stack.callback(folder.close)
        stopped = _sample(pair, folder, asked.rows)
        finish(folder, behaviours, asked.over, asked.outputs)
        if stopped:
            say(f"Stopped by you. Run it again with --out {_shown(path)} to go on.")
        return CANCELLED if stopped else 0


def _shown(path: Path) -> str:
    return visible(short_path(path), newlines=False)


def _prompts(asked: Settings, profile: Profile, there: SweepFolder | None) -> Prompts:
    """The prompts that were given, else those of the folder. Raises LogitAmpError."""
    if there and not asked.prompts and not asked.prompt:
        return Prompts(there.prompts)
    if not asked.prompts and not asked.prompt:
        raise UsageError("There is no prompt.", "Give --prompts FILE, or --prompt TEXT.")
    sources = open_sources(asked.prompts, "all") if asked.prompts else None
    found = prompts_of(
        [*(sources or ()), *typed(asked.prompt)],
        system=profile.system,
        raw=asked.raw,
        saved=sources.saved if sources else frozenset(),
    )
    for where in found.repeated:
        say(f"note: the same prompt again, left out: {visible(where, newlines=False)}")
    return found


def _profile(given: Given, there: SweepFolder | None) -> Profile:
    """The profile that was named, else the one that the folder was begun with."""
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


def _sample(pair: OpenPair, folder: SweepFolder, rows: int | None) -> bool:
    """Sample what is missing; whether it was stopped."""
    sweep, line = Sweep(folder, rows=rows), LiveLine(live=True)
    say(f"saved in {_shown(folder.path)}")
    if folder.contents.there:
        say(f"{len(folder.contents.there):,} of {sweep.wanted:,} replies are there already")
    if folder.contents.damaged:
        say(f"note: damaged lines in it, left out: {folder.contents.damaged:,}")
    begun = len(folder.contents.there)

    def stop() -> None:
        sweep.begin_no_more()
        line.clear()
        say("Finishing the replies that have begun; an interrupt more gives them up.")

    # A second interrupt: what had ended before is there.
    with (
        contextlib.suppress(KeyboardInterrupt),
        pair.interruptible(stop, command=Drain()),
    ):
        for event in sampled(pair.engine, sweep):
            match event:
                case Noticed(sentence):
                    line.clear()
                    say(f"note: {sentence}")
                case Failed(reply, why):
                    line.clear()
                    say(f"not sampled: {reply}: {why}")
                case Progress() if line.is_due:
                    line.draw(_progress(event, line, begun))
    line.clear()
    made = len(folder.contents.there) - begun
    say(f"{made:,} replies in {duration(line.seconds)}")
    return sweep.stopping


def _progress(progress: Progress, line: LiveLine, begun: int) -> str:
    share = progress.replies / max(1, progress.wanted)
    made = progress.replies - begun
    left = line.left(made / max(1, progress.wanted - begun))
    rate = f"{made / max(line.seconds, 1e-9):.1f}/s"
    return (
        f"{share:4.0%}  {progress.replies:,} of {progress.wanted:,} replies, {rate}{left}"
        f"  {progress.rows} at once, {progress.tokens / max(line.seconds, 1e-9):,.0f} tokens/s"
    )
