"""`sweep --alpha auto`: a small sweep that finds the αs of the one that counts."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.counting import count
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.pilot import alphas_of, pilot_folder, pilot_settings
from logit_amp_chat.core.experiments.sweep.result import result_of
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.tui.commands.engine import judge_of
from logit_amp_chat.tui.commands.output import say
from logit_amp_chat.tui.commands.sweep_behaviours import Asked, behaviours
from logit_amp_chat.tui.commands.sweep_sampling import sample

if TYPE_CHECKING:
    from logit_amp_chat.tui.commands.engine import Opened


def alphas(
    pair: Opened,
    path: Path,
    settings: SweepSettings,
    prompts: Sequence[SweepPrompt],
    asked: Asked,
    rows: int | None,
) -> tuple[float, ...] | None:
    """The αs that the pilot finds; None where it was stopped.

    Raises LogitAmpError, and UsageError where all behaviours are numbers.
    """
    say("pilot: a small sweep finds the αs; its replies count nowhere else")
    planned = pilot_settings(settings, len(prompts))
    with contextlib.ExitStack() as stack:
        folder = SweepFolder.begin(pilot_folder(path), pair.session, planned, prompts)
        stack.callback(folder.close)
        if sample(pair, folder, rows):
            return None
        judge = judge_of(pair)
        counted = stack.enter_context(behaviours(asked, folder.path, judge, folder.time))
        found = result_of(folder, count(folder, counted), counted)
    rates = [behaviour.rates for behaviour in found.behaviours if not behaviour.numeric]
    if not rates:
        raise UsageError(
            "--alpha auto looks for the αs at which half of the replies show a behaviour, and"
            " these are numbers.",
            "Give the αs, as in --alpha -1:2:0.5.",
        )
    chosen = alphas_of(rates)
    say(f"pilot: α {', '.join(map(signed, chosen))}")
    return chosen
