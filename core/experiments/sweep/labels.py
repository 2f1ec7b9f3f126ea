"""Replies that a person has marked, and how often a judge errs by them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logit_amp_chat.core.analysis.proportions import LEVEL, clopper_pearson
from logit_amp_chat.core.experiments.record_file import FileKind, RecordFile, read_records
from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.records import now

NAME = "labels.jsonl"
LABEL = "label"
KIND = FileKind(LABEL, "a sweep", "labels", "Choose another folder with --out")

Judged = tuple[SweepPrompt, SweepReply, Verdict]


class LabelFile:
    """What a person said of replies, by definition of the behaviour and id of the reply."""

    def __init__(self, folder: Path) -> None:
        """Go on with the folder's file, or begin it. Raises UsageError."""
        self._file = RecordFile(folder / NAME, KIND)
        self._labels: dict[str, dict[str, bool]] = {}
        for fields in self._file.load():
            self._file.damaged += not _take(self._labels, fields)

    @property
    def damaged(self) -> int:
        """Lines that could not be read; these replies have to be marked again."""
        return self._file.damaged

    def of(self, behaviour: str) -> Mapping[str, bool]:
        """Whether each marked reply has the behaviour of this definition, by its id."""
        return self._labels.setdefault(behaviour, {})

    def add(self, behaviour: str, reply: str, label: bool | None) -> None:
        """Mark a reply; a later mark replaces it, None removes it. Raises TranscriptError."""
        fields = {"behaviour": behaviour, "reply": reply, "label": label}
        _take(self._labels, fields)
        self._file.append(LABEL, {**fields, "time": now()})

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()


def labels_in(folder: Path) -> dict[str, dict[str, bool]]:
    """The marks in a folder, by definition and reply, to be read alone; none without a file."""
    found: dict[str, dict[str, bool]] = {}
    try:
        for fields in read_records(folder / NAME, KIND):
            _take(found, fields or {})
    except OSError:
        return {}
    return found


def _take(labels: dict[str, dict[str, bool]], fields: Mapping[str, Any]) -> bool:
    """Add the mark of a record to those before it. Whether it has one."""
    match fields:
        case {
            "behaviour": str() as behaviour,
            "reply": str() as reply,
            "label": bool() | None as label,
        }:
            marked = labels.setdefault(behaviour, {})
            marked.pop(reply, None)
            if label is not None:
                marked[reply] = label
            return True
    return False


# --- choosing -------------------------------------------------------------------


def sample_to_label(judged: Iterable[Judged], count: int, seed: int = 0) -> list[Judged]:
    """`count` replies to be marked: random ones of the hits, and as many of the others.

    Where one kind has fewer, the other has more. Their order tells nothing, and the first so
    many of it are a random sample too. The same seed chooses the same replies.
    """
    strata: tuple[list[Judged], list[Judged]] = ([], [])
    for one in judged:
        if not math.isnan(one[2].value):
            strata[one[2].value > 0].append(one)
    for stratum in strata:
        stratum.sort(key=lambda one: _rank(one, seed))
    others, hits = strata
    wanted = min(len(hits), max(count // 2 + count % 2, count - len(others)))
    chosen = hits[:wanted] + others[: max(0, count - wanted)]
    return sorted(chosen, key=lambda one: _rank(one, seed + 1))


def _rank(judged: Judged, seed: int) -> str:
    """A random number of a reply's own, the same whatever other replies there are."""
    return hashlib.sha256(f"{seed} {judged[1].id}".encode()).hexdigest()


# --- how often a judge errs -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """A rate with limits that hold it in at least 95 %; NaN where nothing says what it is."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRates:
    """How often a judge errs among the replies that it judged.

    `false_positive` is the share of hits among the replies that have not the behaviour,
    `false_negative` that of other verdicts among those that have it. `labelled_hits` and
    `labelled_others` say how many replies of each verdict are marked, `wrong_hits` and
    `wrong_others` how many of them wrongly judged.
    """

    false_positive: ErrorRate
    false_negative: ErrorRate
    labelled_hits: int
    wrong_hits: int
    labelled_others: int
    wrong_others: int

    def may_be_errors(self, rate: float) -> bool:
        """Whether a rate is so low that false positives alone may give it.

        So it is at or below the upper limit of their rate, and where that is not known.
        """
        return not rate > self.false_positive.high


def error_rates(judged: Iterable[Judged], labels: Mapping[str, bool]) -> ErrorRates:
    """A judge's errors, from the marked ones of the replies that it judged.

    Hits and others are marked at different rates, so that they weigh as much as there are of
    them: with N₁ hits of which a share a is wrong, and N₀ others of which a share b is,

        false positives = N₁a / (N₁a + N₀(1−b)),   false negatives = N₀b / (N₀b + N₁(1−a))

    Both grow with a and b. Their limits are those at the Clopper-Pearson limits of a and b,
    each of which holds in 97.5 %, so that both hold in 95 % at least.
    """
    sizes, marked, wrong = [0, 0], [0, 0], [0, 0]
    for _, reply, verdict in judged:
        if math.isnan(verdict.value):
            continue
        hit = verdict.value > 0
        sizes[hit] += 1
        if (label := labels.get(reply.id)) is not None:
            marked[hit] += 1
            wrong[hit] += label is not hit
    others, hits = (_shares(*one) for one in zip(wrong, marked, sizes, strict=True))
    return ErrorRates(
        false_positive=_error_rate(hits, sizes[1], others, sizes[0]),
        false_negative=_error_rate(others, sizes[0], hits, sizes[1]),
        labelled_hits=marked[1],
        wrong_hits=wrong[1],
        labelled_others=marked[0],
        wrong_others=wrong[0],
    )


def _shares(wrong: int, marked: int, size: int) -> tuple[float, float, float]:
    """The share of wrong verdicts, and its lower and upper limit."""
    if not marked:
        return (math.nan, 0.0, 1.0) if size else (0.0, 0.0, 0.0)
    return wrong / marked, *clopper_pearson(wrong, marked, 1 - (1 - LEVEL) / 2)


def _error_rate(
    wrong: tuple[float, float, float], size: int, missed: tuple[float, float, float], rest: int
) -> ErrorRate:
    """What of those that should have the other verdict has this one, which `size` replies have."""

    def rate(a: float, b: float) -> float:
        errors, right = size * a, rest * (1 - b)
        return errors / (errors + right) if errors + right else math.nan

    found = [rate(a, b) for a, b in zip(wrong, missed, strict=True)]
    if not math.isnan(found[2]) and math.isnan(found[1]):
        found[1] = 0.0
    return ErrorRate(*found)
