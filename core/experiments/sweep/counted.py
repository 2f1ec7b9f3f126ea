"""A sweep with the behaviours counted in it, reply by reply."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from logit_amp_chat.core.analysis.balance_weights import balance_weights
from logit_amp_chat.core.analysis.true_rate import Over
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour, Verdict, definition_key
from logit_amp_chat.core.experiments.sweep.counting import count
from logit_amp_chat.core.experiments.sweep.counts import Counts
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.labels import Judged, error_rates, labels_in
from logit_amp_chat.core.experiments.sweep.result import SweepResult, result_of
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.records import FinishReason


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedReply:
    """One reply and what the behaviours are in it, by name.

    `tokens` is how many it has, with the end of turn. `weights` are what it counts in each
    estimate: as many plain replies of the target; NaN where there is no estimate.
    """

    id: str
    prompt: str
    alpha: float
    n: int
    seed: int
    text: str
    tokens: int
    finish: FinishReason
    verdicts: Mapping[str, Verdict]
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CountedSweep:
    """What was found, every reply in the order in which it ended, and what was counted of them."""

    result: SweepResult
    replies: tuple[CountedReply, ...]
    counts: Counts


def counted(
    folder: SweepFolder, behaviours: Sequence[Behaviour], over: Over = "replies"
) -> CountedSweep:
    """Count behaviours in all replies of a folder; the behaviours are closed.

    Raises LogitAmpError where a behaviour cannot say what a reply is, and UsageError where
    `over` is not possible.
    """
    names = [behaviour.name for behaviour in behaviours]
    found: list[CountedReply] = []
    marks = _Marks(folder, behaviours)

    def keep(reply: SweepReply, verdicts: Sequence[Verdict]) -> None:
        found.append(_counted(reply, dict(zip(names, verdicts, strict=True))))
        marks.add(reply, verdicts)

    try:
        counts = count(folder, behaviours, keep)
    finally:
        for behaviour in behaviours:
            behaviour.close()
    result = marks.added_to(result_of(folder, counts, behaviours, over))
    if result.no_estimate or not found:
        return CountedSweep(result, tuple(found), counts)
    weighted = _weighted(found, counts, names, result.settings.target)
    return CountedSweep(result, tuple(weighted), counts)


class _Marks:
    """Compares verdicts with what was marked by hand in the folder."""

    def __init__(self, folder: SweepFolder, behaviours: Sequence[Behaviour]) -> None:
        self._prompts = {prompt.id: prompt for prompt in folder.prompts}
        labels = labels_in(folder.path)
        self._labels = {
            number: marked
            for number, one in enumerate(behaviours)
            if labels and (marked := labels.get(definition_key(one.definition)))
        }
        self._judged: dict[int, list[Judged]] = {number: [] for number in self._labels}

    def add(self, reply: SweepReply, verdicts: Sequence[Verdict]) -> None:
        """Add a reply."""
        for number, judged in self._judged.items():
            judged.append((self._prompts[reply.prompt], reply, verdicts[number]))

    def added_to(self, result: SweepResult) -> SweepResult:
        """The result with the error rates of what was marked."""
        found = list(result.behaviours)
        for number, judged in self._judged.items():
            errors = error_rates(judged, self._labels[number])
            found[number] = replace(found[number], errors=errors)
        return replace(result, behaviours=tuple(found))


def _counted(reply: SweepReply, verdicts: Mapping[str, Verdict]) -> CountedReply:
    return CountedReply(
        id=reply.id,
        prompt=reply.prompt,
        alpha=reply.alpha,
        n=reply.n,
        seed=reply.seed,
        text=reply.text,
        tokens=len(reply.tokens),
        finish=reply.finish,
        verdicts=verdicts,
        weights=dict.fromkeys(verdicts, math.nan),
    )


def _weighted(
    replies: Sequence[CountedReply], counts: Counts, names: Sequence[str], target: float
) -> list[CountedReply]:
    """The replies with their weights; of a prompt they are in the order of the counts."""
    weights = {
        (name, prompt): iter(_weights(counts, name, prompt, target))
        for name in names
        for prompt in counts.groups
    }
    found = []
    for reply in replies:
        known = [name for name in names if not math.isnan(reply.verdicts[name].value)]
        own = {name: next(weights[name, reply.prompt]) for name in known}
        found.append(replace(reply, weights=dict.fromkeys(names, math.nan) | own))
    return found


def _weights(counts: Counts, name: str, prompt: str, target: float) -> list[float]:
    """The weights of the replies to a prompt of which it is known whether they show it."""
    sample = counts.sample(name, prompt)
    replies = len(sample.value)
    if not replies:
        return []
    log_target = sample.log_q[:, counts.grid.index(target)]
    weights = balance_weights(sample.log_q, log_target, sample.counts / replies)
    return [float(one) for one in weights]
