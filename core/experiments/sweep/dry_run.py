"""What a sweep would take: replies, tokens, disk and time, from what its folder has already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.plan import draws
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt

BYTES = 12
"""On the disk, for every token and every number that is kept of it: measured on the demo pair."""

NUMBERS = 3
"""Kept of a token besides one for every α of the grid: before, after and KL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What is left to do; the guesses are from the replies that are there, None without any.

    `bytes` are for the most tokens, `likely_bytes` and `seconds` for the likely ones.
    """

    replies: int
    there: int
    most_tokens: int
    likely_tokens: int | None
    bytes: int
    likely_bytes: int | None
    seconds: float | None


def dry_run(
    settings: SweepSettings, prompts: Sequence[SweepPrompt], there: SweepFolder | None
) -> DryRun:
    """What sampling with these settings would still take. Nothing is loaded or sampled."""
    known = there.contents.there if there else set()
    wanted = list(draws(settings, prompts, known))
    numbers = len(settings.grid) + NUMBERS
    most = len(wanted) * settings.sampling.max_new_tokens
    lengths = _lengths(there) if there else {}
    sampled = sum(sum(of) for of in lengths.values())
    if there is None or not sampled:
        return DryRun(
            replies=len(wanted),
            there=len(known),
            most_tokens=most,
            likely_tokens=None,
            bytes=most * numbers * BYTES,
            likely_bytes=None,
            seconds=None,
        )
    every = sampled / sum(len(of) for of in lengths.values())
    means = {alpha: sum(of) / len(of) for alpha, of in lengths.items()}
    likely = round(sum(means.get(draw.alpha, every) for draw in wanted))
    size = (there.path / FILE).stat().st_size / sampled
    share = numbers / (len(there.settings.grid) + NUMBERS)
    seconds, timed = there.contents.seconds, there.contents.timed_tokens
    return DryRun(
        replies=len(wanted),
        there=len(known),
        most_tokens=most,
        likely_tokens=likely,
        bytes=round(most * size * share),
        likely_bytes=round(likely * size * share),
        seconds=likely * seconds / timed if timed else None,
    )


def _lengths(there: SweepFolder) -> dict[float, list[int]]:
    """How many tokens the replies at each α have."""
    found: dict[float, list[int]] = {}
    for reply in there.replies():
        found.setdefault(reply.alpha, []).append(len(reply.tokens))
    return found
