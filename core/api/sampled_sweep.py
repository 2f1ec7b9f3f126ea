"""A sweep from Python that opens its pair, here or in workers, and closes it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from logit_amp_chat.core.api.chosen_profile import adjusted, chosen_profile
from logit_amp_chat.core.api.diff_request import whole_number
from logit_amp_chat.core.api.sweep import (
    Behaviours,
    PairSweep,
    SweepOptions,
    SweepPrompts,
    begin_sweep,
    behaviours_of,
    over_of,
    sampled_into,
)
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.protocol import Loading

if TYPE_CHECKING:
    from logit_amp_chat.core.api.open_workers import OpenSampler


def sweep(
    profile: str | Path | Profile | None,
    prompts: SweepPrompts,
    *,
    workers: str | None = None,
    behaviours: Behaviours | None = None,
    out: str | Path | None = None,
    rows: int | None = None,
    device: str | None = None,
    quantization: str | None = None,
    report: Callable[[Loading], None] = lambda _: None,
    **options: Unpack[SweepOptions],
) -> PairSweep:
    """Open a pair, sweep as `OpenPair.sweep` does, and close it.

    With `workers` the replies are sampled on Ray: "ray:8" by eight engines, "ray" by one for each
    GPU (of a cluster without any: by as many as it has machines). RAY_ADDRESS names a cluster to
    join; without it one is started on this machine, and ended. The replies are those of one
    engine, but for their last digits. What becomes of workers that are lost is a warning. `rows`
    are sampled at once by each.

    Raises ProfileError, PairError, UsageError, EngineError, and LogitAmpError for what cannot be
    counted.
    """
    found, over = behaviours_of(behaviours or {}), over_of(options)
    rows = whole_number(rows, "rows", 1)
    chosen = chosen_profile(profile, None, None, None, report)
    chosen = adjusted(chosen, {"device": device, "quantization": quantization})
    with open_sampler(chosen, workers, report) as opened:
        begun = begin_sweep(chosen, opened.session, prompts, out, options)
        return sampled_into(begun, opened, rows, found, over)


def open_sampler(
    profile: Profile,
    workers: str | None,
    report: Callable[[Loading], None],
    held: HeldStages | None = None,
) -> contextlib.AbstractContextManager[OpenSampler]:
    """What a sweep is sampled with: a pair that is open here, or in workers.

    Here a stage that is `held` from the pair before is not loaded again.
    """
    if workers is None:
        from logit_amp_chat.core.api.open_pair import OpenPair, open_pair
        from logit_amp_chat.core.engine.opened_engine import open_engine

        if held is not None:
            return OpenPair(profile, open_engine(profile, report, held=held))
        return open_pair(profile, report=report)
    from logit_amp_chat.core.api.open_workers import open_workers

    return open_workers(profile, workers, report)
