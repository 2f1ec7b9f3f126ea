"""What a sweep over a chain found: the rate of each behaviour at every stage, and every step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from logit_amp_chat.core.analysis.stage_rates import (
    StageEstimate,
    StageSample,
    stage_estimate,
    stage_sample,
)
from logit_amp_chat.core.analysis.step_changes import StepChange, step_change
from logit_amp_chat.core.analysis.true_rate import Over
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.chain.folder import AFTER, BEFORE, PairPlace
from logit_amp_chat.core.experiments.sweep.chain.shared_stage import difference, ends_as_next
from logit_amp_chat.core.experiments.sweep.counted import CountedSweep
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.result import Rate, rate_of
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt

MOST_OF_IT = 2.0
"""A behaviour came in with a step that multiplied its rate at least so many times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSweepResult:
    """The sweep of one adjacent pair, counted."""

    place: PairPlace
    folder: SweepFolder
    counted: CountedSweep


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRate:
    """One behaviour at one stage: what was seen in the stage's own replies, and the estimate.

    `seen` has the replies of both pairs of the stage where these sample the same distribution and
    their noise differs, else of the one that it comes after in. Its `alpha` is 0, or −1 of the
    first stage. `estimate` is None where no pair has one.
    """

    stage: str
    seen: Rate
    estimate: StageEstimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStep:
    """What the step of training from one stage to the next did to a behaviour."""

    before: str
    after: str
    change: StepChange


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStages:
    """One behaviour in the replies to one prompt, at every stage."""

    prompt: SweepPrompt
    stages: tuple[StageRate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainBehaviour:
    """One behaviour at every stage, and what each step changed where both estimates are there."""

    name: str
    kind: str
    numeric: bool
    definition: Mapping[str, Any]
    stages: tuple[StageRate, ...]
    steps: tuple[StageStep, ...]
    by_prompt: tuple[PromptStages, ...]

    @property
    def came_in(self) -> StageStep | None:
        """The step that it came in with: that raised it most, and multiplied it at least twice.

        That is about hits of the kinds that replies showed, as `rises` is.
        """
        rises = [step for step in self.steps if step.change.rises]
        most = max(rises, key=lambda step: step.change.difference or 0.0, default=None)
        if most is None or self.numeric:
            return None
        ratio = most.change.ratio
        return most if ratio is None or ratio >= MOST_OF_IT else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """Everything that a sweep over a chain found, and the sweeps of its pairs.

    `lacking` are pairs that have no sweep yet; `notes` say of stages that are not sampled alike in
    their two pairs what differs, and of a first stage that does not end replies itself.
    """

    stages: tuple[str, ...]
    over: Over
    pairs: tuple[PairSweepResult, ...]
    lacking: tuple[PairPlace, ...]
    behaviours: tuple[ChainBehaviour, ...]
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every reply that is wanted is there."""
        return not self.lacking and all(one.counted.result.complete for one in self.pairs)


def chain_result(
    stages: Sequence[str],
    pairs: Sequence[PairSweepResult],
    lacking: Sequence[PairPlace],
    behaviours: Sequence[Behaviour],
    over: Over,
) -> ChainResult:
    """The result of sweeps in which the same `behaviours` were counted; `pairs` are in order."""
    joined = _Stages(stages, pairs)
    prompts = pairs[0].counted.result.prompts if pairs else ()
    return ChainResult(
        stages=tuple(stages),
        over=over,
        pairs=tuple(pairs),
        lacking=tuple(lacking),
        behaviours=tuple(_behaviour(joined, one, prompts, over) for one in behaviours),
        notes=tuple(joined.notes()),
    )


class _Stages:
    """Which pairs, at which α, have the replies of each stage."""

    def __init__(self, stages: Sequence[str], pairs: Sequence[PairSweepResult]) -> None:
        self.names = stages
        self.coupled = any(one.folder.settings.coupled for one in pairs)
        self._after = {one.place.after: one for one in pairs}
        self._before = {one.place.before: one for one in pairs}
        self._differ = {
            name: difference(self._after[name].folder, self._before[name].folder)
            for name in stages
            if name in self._after and name in self._before
        }

    def of(self, stage: str) -> list[tuple[PairSweepResult, float]]:
        """The pairs that sample the stage alike, each with the α at which it is the stage.

        Where the two differ it is the one that the stage comes after in.
        """
        found = []
        if stage in self._after:
            found.append((self._after[stage], AFTER))
        if stage in self._before and not self._differ.get(stage):
            found.append((self._before[stage], BEFORE))
        return found

    def notes(self) -> Iterator[str]:
        """What is to be said of stages that are not sampled as they are, or not alike."""
        first = self._before.get(self.names[0])
        if first is not None and ends_as_next(first.folder):
            yield (
                f"{first.place.before} is ended with the probabilities of {first.place.after}"
                " (ends: after): its rate is not that of the stage alone."
            )
        for stage, said in self._differ.items():
            if said:
                yield (
                    f"{stage} is {said} in {self._before[stage].place.name} than in"
                    f" {self._after[stage].place.name}: its rate is that of the latter alone."
                )


def _behaviour(
    joined: _Stages, behaviour: Behaviour, prompts: Sequence[SweepPrompt], over: Over
) -> ChainBehaviour:
    every = [prompt.id for prompt in prompts]
    stages = tuple(_stage(joined, name, behaviour, every, over) for name in joined.names)
    return ChainBehaviour(
        name=behaviour.name,
        kind=behaviour.kind,
        numeric=behaviour.numeric,
        definition=behaviour.definition,
        stages=stages,
        steps=tuple(_steps(stages, behaviour.numeric)),
        by_prompt=tuple(
            PromptStages(
                prompt=prompt,
                stages=tuple(
                    _stage(joined, name, behaviour, [prompt.id], "replies") for name in joined.names
                ),
            )
            for prompt in prompts
        ),
    )


def _steps(stages: Sequence[StageRate], numeric: bool) -> Iterator[StageStep]:
    for before, after in itertools.pairwise(stages):
        if before.estimate is not None and after.estimate is not None:
            change = step_change(before.estimate, after.estimate, numeric=numeric)
            yield StageStep(before=before.stage, after=after.stage, change=change)


def _stage(
    joined: _Stages, stage: str, behaviour: Behaviour, prompts: Sequence[str], over: Over
) -> StageRate:
    pairs = joined.of(stage)
    seen = [
        [value for p in prompts for value in one.counted.counts.values(behaviour.name, alpha, p)]
        for one, alpha in pairs
    ]
    # Sample n of both pairs is one and the same reply where noise is coupled.
    values = [value for some in (seen[:1] if joined.coupled else seen) for value in some]
    samples = [
        sample
        for one, alpha in pairs
        if (sample := _sample(one, alpha, behaviour, prompts, over)) is not None
    ]
    estimate = None
    if samples:
        estimate = stage_estimate(
            samples, numeric=behaviour.numeric, over=over, coupled=joined.coupled
        )
    alpha = pairs[0][1] if pairs else AFTER
    return StageRate(stage=stage, seen=rate_of(alpha, values, behaviour.numeric), estimate=estimate)


def _sample(
    pair: PairSweepResult, alpha: float, behaviour: Behaviour, prompts: Sequence[str], over: Over
) -> StageSample | None:
    """The estimate of a pair; None where it has none, as its result says."""
    counts = pair.counted.counts
    if pair.counted.result.no_estimate or alpha not in counts.grid:
        return None
    found = [counts.sample(behaviour.name, prompt) for prompt in prompts]
    if not found or not all(len(sample.value) for sample in found):
        return None
    return stage_sample(
        found,
        counts.grid,
        alpha=alpha,
        numeric=behaviour.numeric,
        over=over,
        coupled=pair.folder.settings.coupled,
    )
