"""Runs `sweep`: samples what its folder lacks, counts, and prints what was found."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.config.profile import recorded_profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour, refuse_same_names
from logit_amp_chat.core.experiments.sweep.counting import count
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.library import new_folder
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.prompts import Prompts, prompts_of, typed
from logit_amp_chat.core.experiments.sweep.result import Over, SweepResult, result_of
from logit_amp_chat.core.experiments.sweep.settings import FREE, SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Failed, Progress, Sweep
from logit_amp_chat.core.experiments.sweep.sweep import run as sampled
from logit_amp_chat.core.number_format import duration
from logit_amp_chat.core.protocol import Drain, Noticed
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.commands import engine, options, sweep_output
from logit_amp_chat.tui.commands.output import put_json, put_safe, say
from logit_amp_chat.tui.commands.reading_progress import LiveLine
from logit_amp_chat.tui.commands.sources import open_sources
from logit_amp_chat.tui.commands.styles import Styles, When, wants_colour

if TYPE_CHECKING:
    from logit_amp_chat.core.api.open_pair import OpenPair
    from logit_amp_chat.core.config.profile import Profile

REFUSED, CANCELLED = 2, 130


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
    system: str | None
    raw: bool
    patterns: Sequence[str]
    programs: Sequence[str]
    questions: Sequence[str]
    alphas: Sequence[float]
    samples: int | None
    coupled: bool
    amplify_first: int | None
    target: float
    further: Sequence[float]
    over: Over
    rows: int | None
    top: int
    out: Path | None
    by_prompt: bool
    as_json: bool
    color: When


def run(given: Given, asked: Settings) -> int:
    """Sample, count and print; the exit code. Raises LogitAmpError."""
    behaviours: list[Behaviour] = [Pattern.parse(option) for option in asked.patterns]
    refuse_same_names(behaviours)
    path = asked.out or new_folder()
    there = SweepFolder.read(path) if (path / FILE).exists() else None
    prompts = _prompts(asked, there)
    profile = _profile(given, there)
    settings = _settings(given, asked, profile, there)
    if there and not _lacks(there, settings, prompts):
        return _finish(there, behaviours, asked, cancelled=False)
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(engine.open_pair(profile))
        folder = SweepFolder.begin(path, pair.session, settings, prompts.prompts)
        stack.callback(folder.close)
        cancelled = _sample(pair, folder, asked)
        return _finish(folder, behaviours, asked, cancelled)


def _prompts(asked: Settings, there: SweepFolder | None) -> Prompts:
    """The prompts that were given, else those of the folder. Raises LogitAmpError."""
    if there and not asked.prompts and not asked.prompt:
        return Prompts(there.prompts)
    if not asked.prompts and not asked.prompt:
        raise UsageError("There is no prompt.", "Give --prompts FILE, or --prompt TEXT.")
    sources = open_sources(asked.prompts, "all") if asked.prompts else None
    found = prompts_of(
        [*(sources or ()), *typed(asked.prompt)],
        system=asked.system,
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


def _settings(
    given: Given, asked: Settings, profile: Profile, there: SweepFolder | None
) -> SweepSettings:
    """What was asked for; what was not said is as in the folder, else as usual."""
    said = {name: value for name, value in given.sampling.items() if value is not None}
    if there:
        settings = there.settings
        sampling = options.adjusted(
            profile.model_copy(update={"sampling": settings.sampling}), {}, said
        ).sampling
        settings = replace(
            settings,
            sampling=sampling,
            coupled=settings.coupled or asked.coupled,
            amplify_first=asked.amplify_first or settings.amplify_first,
            top=asked.top or settings.top,
        )
    else:
        sampling = options.adjusted(profile, {}, FREE | said).sampling
        settings = SweepSettings(
            sampling=sampling,
            coupled=asked.coupled,
            amplify_first=asked.amplify_first,
            top=asked.top,
        )
    changed: dict[str, Any] = {"target": asked.target}
    if asked.alphas:
        changed["alphas"] = tuple(asked.alphas) + (settings.alphas if there else ())
    if asked.further:
        changed["further"] = tuple(asked.further)
    if asked.samples:
        changed["samples"] = asked.samples
    return checked(replace(settings, **changed))


def _lacks(there: SweepFolder, settings: SweepSettings, prompts: Prompts) -> bool:
    """Whether replies or log-probabilities are wanted that the folder does not have."""
    wanted = len(there.prompts) * len(settings.alphas) * settings.samples
    same = replace(settings, target=0.0) == replace(there.settings, target=0.0)
    keys = [one.key for one in prompts.prompts] == [one.key for one in there.prompts]
    complete = len(there.contents.there) >= wanted and there.contents.settled
    return not (same and keys and complete and settings.target in there.settings.grid)


def _sample(pair: OpenPair, folder: SweepFolder, asked: Settings) -> bool:
    """Sample what is missing; whether it was stopped."""
    sweep, line = Sweep(folder, rows=asked.rows), LiveLine(live=True)
    say(f"saved in {visible(short_path(folder.path), newlines=False)}")
    if folder.contents.there:
        say(f"{len(folder.contents.there):,} of {sweep.wanted:,} replies are there already")
    if folder.contents.damaged:
        say(f"note: damaged lines in it, left out: {folder.contents.damaged:,}")
    begun = len(folder.contents.there)

    def stop() -> None:
        sweep.stopping = True
        line.clear()
        say("Finishing the replies that have begun; an interrupt more gives them up.")

    with pair.interruptible(stop, command=Drain()):
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


def _finish(
    folder: SweepFolder, behaviours: Sequence[Behaviour], asked: Settings, cancelled: bool
) -> int:
    """Count and print; the exit code."""
    try:
        counts = count(folder, behaviours)
    finally:
        for behaviour in behaviours:
            behaviour.close()
    result = result_of(folder, counts, behaviours, asked.over)
    _print(result, asked)
    if cancelled:
        say(
            "Stopped by you. Run it again with"
            f" --out {visible(short_path(folder.path), newlines=False)} to go on."
        )
    return CANCELLED if cancelled else 0


def _print(result: SweepResult, asked: Settings) -> None:
    if asked.as_json:
        for text in sweep_output.as_json(result).split("\n"):
            put_json(text)
    else:
        styles = Styles(wants_colour(asked.color))
        put_safe(sweep_output.as_text(result, styles, by_prompt=asked.by_prompt))
