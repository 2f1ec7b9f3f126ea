"""Runs `sweep`: samples what its folder lacks, counts, and prints what was found."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.config.profile import recorded_profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.counting import count
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.library import new_folder
from logit_amp_chat.core.experiments.sweep.prompts import Prompts, prompts_of, typed
from logit_amp_chat.core.experiments.sweep.result import Over, SweepResult, result_of
from logit_amp_chat.core.experiments.sweep.settings import FREE, SweepSettings, checked
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.commands import engine, options, sweep_output, sweep_pilot
from logit_amp_chat.tui.commands.output import put_json, put_safe, say
from logit_amp_chat.tui.commands.sources import open_sources
from logit_amp_chat.tui.commands.styles import Styles, When, wants_colour
from logit_amp_chat.tui.commands.sweep_behaviours import Asked, behaviours
from logit_amp_chat.tui.commands.sweep_sampling import sample

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
    behaviours: Asked
    alphas: Sequence[float]
    auto: bool
    samples: int | None
    coupled: bool
    amplify_first: int | None
    target: float
    further: Sequence[float]
    over: Over
    count_only: bool
    rows: int | None
    top: int
    out: Path | None
    by_prompt: bool
    as_json: bool
    color: When


def run(given: Given, asked: Settings) -> int:
    """Sample, count and print; the exit code. Raises LogitAmpError."""
    asked.behaviours.check()
    path = asked.out or new_folder()
    there = SweepFolder.read(path) if (path / FILE).exists() else None
    prompts = _prompts(asked, there)
    profile = _profile(given, there)
    settings = _settings(given, asked, profile, there)
    if asked.count_only:
        there = SweepFolder.read(path)
    lacks = not asked.count_only and (
        there is None or asked.auto or _lacks(there, settings, prompts)
    )
    with contextlib.ExitStack() as stack:
        pair = None
        if lacks or asked.behaviours.need_engine:
            pair = stack.enter_context(engine.open_pair(profile))
        folder, cancelled = there, False
        if pair and lacks:
            if asked.auto:
                found = sweep_pilot.alphas(
                    pair, path, settings, prompts.prompts, asked.behaviours, asked.rows
                )
                if found is None:
                    return CANCELLED
                settings = replace(settings, alphas=found)
            folder = SweepFolder.begin(path, pair.session, settings, prompts.prompts)
            stack.callback(folder.close)
            cancelled = sample(pair, folder, asked.rows)
        assert folder is not None, "what is not there is begun"
        return _finish(folder, pair, asked, cancelled)


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


def _finish(folder: SweepFolder, pair: OpenPair | None, asked: Settings, cancelled: bool) -> int:
    """Count and print; the exit code."""
    judge = pair.engine if pair else None
    with behaviours(asked.behaviours, folder.path, judge, folder.time) as counted:
        result = result_of(folder, count(folder, counted), counted, asked.over)
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
