"""A sweep over a chain from Python: how often behaviours are at every stage of training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from logit_amp_chat.core.analysis.true_rate import Over
from logit_amp_chat.core.api.chosen_profile import adjusted, chosen_profile
from logit_amp_chat.core.api.diff_request import whole_number
from logit_amp_chat.core.api.loss import need_matplotlib
from logit_amp_chat.core.api.request import finite_alphas
from logit_amp_chat.core.api.sampled_sweep import open_sampler
from logit_amp_chat.core.api.sweep import (
    Behaviours,
    PairSweep,
    SweepOptions,
    SweepPrompts,
    begin_sweep,
    behaviours_of,
    checked_over,
    data_frame,
    over_of,
    sampled_into,
)
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.chain import wording
from logit_amp_chat.core.experiments.sweep.chain.figure import draw
from logit_amp_chat.core.experiments.sweep.chain.folder import BEFORE, ChainFolder
from logit_amp_chat.core.experiments.sweep.chain.notebook import fragment
from logit_amp_chat.core.experiments.sweep.chain.report import to_html
from logit_amp_chat.core.experiments.sweep.chain.result import (
    ChainBehaviour,
    ChainResult,
    PairSweepResult,
    chain_result,
)
from logit_amp_chat.core.experiments.sweep.chain.result_json import as_json
from logit_amp_chat.core.experiments.sweep.chain.table import STAGES, STEPS, stage_rows, step_rows
from logit_amp_chat.core.experiments.sweep.library import new_folder
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.protocol import Loading

if TYPE_CHECKING:
    import pandas

REFUSED = {
    "target": "every stage is estimated",
    "amplify_first": "replies go on as after, so that α −1 is no stage",
}
"""Options of a sweep that a chain does not take, and why."""


class ChainSweep:
    """The sweeps of every adjacent pair of stages, with behaviours counted in all of them.

    `path` is the folder that has them, `result` everything that was found; it is not `complete`
    where sampling was interrupted.
    """

    def __init__(self, chain: ChainFolder, behaviours: Behaviours, over: Over) -> None:
        """Count `behaviours`. Raises UsageError and LogitAmpError where that is not possible."""
        self.path = chain.path
        self._chain = chain
        self._over = over
        self._pairs = {
            place.name: (place, PairSweep(folder, behaviours_of(behaviours), over))
            for place, folder in chain.sweeps()
        }
        there = {place for place, _ in self._pairs.values()}
        self.result: ChainResult = chain_result(
            chain.stages,
            [
                PairSweepResult(place=place, folder=swept.folder, counted=swept.counted)
                for place, swept in self._pairs.values()
            ],
            [place for place in chain.pairs if place not in there],
            behaviours_of(behaviours),
            over,
        )

    @property
    def complete(self) -> bool:
        """Whether every reply that was asked for is there."""
        return self.result.complete

    @property
    def pairs(self) -> Mapping[str, PairSweep]:
        """The sweep of every pair that has begun, by the name of its folder: base-sft."""
        return {name: swept for name, (_, swept) in self._pairs.items()}

    def behaviour(self, name: str) -> ChainBehaviour:
        """What was found of one behaviour. Raises UsageError where it was not counted."""
        for found in self.result.behaviours:
            if found.name == name:
                return found
        there = ", ".join(shown(found.name) for found in self.result.behaviours) or "none"
        raise UsageError(f"{shown(name)} was not counted.", f"Counted were: {there}.")

    def count(self, behaviours: Behaviours, *, over: Over | None = None) -> ChainSweep:
        """The same replies with other behaviours; nothing is sampled."""
        return ChainSweep(self._chain, behaviours, over or self._over)

    def figures(self) -> dict[str, Any]:
        """Everything as plain values: what the command prints with --json."""
        return as_json(self.result)

    def to_pandas(self) -> pandas.DataFrame:
        """A line for each behaviour, prompt ("": all) and stage.

        Raises UsageError without pandas.
        """
        found = self.result.behaviours
        return data_frame([row for one in found for row in stage_rows(one, by_prompt=True)], STAGES)

    def steps_to_pandas(self) -> pandas.DataFrame:
        """A line for each behaviour and step of training. Raises UsageError without pandas."""
        return data_frame([row for one in self.result.behaviours for row in step_rows(one)], STEPS)

    def plot(self, ax: Any = None) -> Any:
        """Draw the estimates for the stages into matplotlib's `ax` (None: a new one); returns it.

        Raises UsageError without matplotlib or without a behaviour.
        """
        if not self.result.behaviours:
            raise UsageError("Without a behaviour there is nothing to draw.", "Use count first.")
        if ax is None:
            need_matplotlib()
            from matplotlib import pyplot

            _, ax = pyplot.subplots()
        draw(self.result, ax)
        return ax

    def save_html(self, path: str | Path, *, replies: int | None = None) -> None:
        """Write the report: one page with every reply, or `replies` to each prompt at each α.

        Raises TranscriptError if it cannot be written.
        """
        write_atomically(Path(path), to_html(self.result, replies=replies))

    def __repr__(self) -> str:
        parts = list(wording.scope(self.result))
        for found in self.result.behaviours:
            parts.append(f"{found.name}: {' '.join(wording.steps(found))}")
        return f"<sweep over a chain: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        return fragment(self.result)


def sweep_chain(
    profile: str | Path | Profile,
    prompts: SweepPrompts,
    *,
    behaviours: Behaviours | None = None,
    out: str | Path | None = None,
    first: str | None = None,
    last: str | None = None,
    rows: int | None = None,
    workers: str | None = None,
    device: str | None = None,
    quantization: str | None = None,
    report: Callable[[Loading], None] = lambda _: None,
    **options: Unpack[SweepOptions],
) -> ChainSweep:
    """Sweep every adjacent pair of stages of a profile, and compare the stages.

    The pairs are opened one after the other, from the stage `first` to `last` (None: the ends).
    `out` is a folder, in which every pair has its own; the same call goes on with it. Prompts,
    behaviours, `rows`, `workers` and the other arguments are those of `sweep`, but for `target` and
    `amplify_first`; α −1 is always sampled. An interrupt finishes what has begun and returns what
    is there.

    Raises ProfileError, PairError, UsageError, EngineError, and LogitAmpError for what cannot be
    counted.
    """
    for name, why in REFUSED.items():
        if options.get(name):
            raise UsageError(f"{name} is not for a chain: {why}.", "Leave it out.")
    over, asked = over_of(options), behaviours or {}
    rows = whole_number(rows, "rows", 1)
    behaviours_of(asked)  # what cannot be counted is refused before anything is loaded
    chosen = chosen_profile(profile, None, None, None, report)
    chosen = adjusted(chosen, {"device": device, "quantization": quantization})
    chain = ChainFolder.of(Path(out) if out is not None else new_folder(), chosen, first, last)
    chain.begin()
    if (alpha := options.get("alpha")) is not None:
        options["alpha"] = [*finite_alphas(alpha), BEFORE]
    if not isinstance(prompts, str | Path):
        prompts = list(prompts)
    with contextlib.closing(HeldStages()) as held:
        for place in chain.pairs:
            try:
                own = chain.pair_profile(place)
                with open_sampler(own, workers, report, held) as pair:
                    begun = begin_sweep(own, pair.session, prompts, place.path, options)
                    if sampled_into(begun, pair, rows, [], over).stopped:
                        break
            except KeyboardInterrupt:
                if place == chain.pairs[0]:
                    raise
                break  # what the pairs before it have is not lost
    return ChainSweep(chain, asked, over)


def open_sweep_chain(
    path: str | Path,
    behaviours: Behaviours | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
    over: Over = "replies",
) -> ChainSweep:
    """A sweep over a chain that is in a folder, counted without its models.

    From the stage `first` to `last` (None: as in the folder). Raises UsageError where there is
    none, ProfileError for a stage that it does not have.
    """
    chain = ChainFolder.there(Path(path))
    if chain is None:
        raise UsageError(
            f"There is no sweep over a chain in {shown(path)}.", "Begin one with sweep_chain."
        )
    return ChainSweep(chain.restricted(first, last), behaviours or {}, checked_over(over))
