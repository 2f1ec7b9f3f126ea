"""From what a caller asks for to the settings of a sweep, new or begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.sampling import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSweep:
    """What a sweep is asked for; what is empty, None or False is as in its folder, else as usual.

    The fields are those of `SweepSettings`.
    """

    alphas: Sequence[float] = ()
    samples: int | None = None
    coupled: bool = False
    amplify_first: int | None = None
    target: float = 0.0
    further: Sequence[float] = ()
    top: int = 0
    plain: int | None = None


def settings_of(asked: AskedSweep, sampling: Sampling, there: SweepFolder | None) -> SweepSettings:
    """The settings of a sweep that replies of `there` (None: a new one) go on with.

    Raises UsageError for what cannot be measured.
    """
    if there:
        settings = replace(
            there.settings,
            sampling=sampling,
            coupled=there.settings.coupled or asked.coupled,
            amplify_first=asked.amplify_first or there.settings.amplify_first,
            top=asked.top or there.settings.top,
        )
    else:
        settings = SweepSettings(
            sampling=sampling,
            coupled=asked.coupled,
            amplify_first=asked.amplify_first,
            top=asked.top,
        )
    changed: dict[str, Any] = {"target": asked.target}
    if asked.alphas:
        changed["alphas"] = (*asked.alphas, *(settings.alphas if there else ()))
    if asked.further:
        changed["further"] = (*asked.further, *settings.further)
    if asked.samples is not None:
        changed["samples"] = asked.samples
    if asked.plain is not None:
        changed["plain"] = asked.plain
    return checked(replace(settings, **changed))


def has_all(there: SweepFolder, settings: SweepSettings, prompts: Sequence[SweepPrompt]) -> bool:
    """Whether a folder has every reply and log-probability that is wanted."""
    own = there.settings
    wanted = own.replies_to(len(there.prompts))
    return (
        settings.fixed == own.fixed
        and [one.key for one in prompts] == [one.key for one in there.prompts]
        and {*settings.alphas} <= {*own.alphas}
        and {*settings.grid} <= {*own.grid}
        and settings.samples <= own.samples
        and settings.samples_at(0.0) <= own.samples_at(0.0)
        and len(there.contents.there) >= wanted
        and there.contents.settled
        and all({*own.grid} <= {*reply.grid} for reply in there.replies() if reply.tokens)
    )
