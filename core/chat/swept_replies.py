"""The replies of a sweep, with what its behaviours say of each: to be counted and read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep import counting
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour, Verdict, definition_key
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.labels import LabelFile, error_rates, labels_in
from logit_amp_chat.core.experiments.sweep.result import (
    BehaviourResult,
    SweepResult,
    result_of,
)
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply


@dataclass(frozen=True, slots=True)
class Swept:
    """A reply, and what each behaviour says of it, in their order."""

    reply: SweepReply
    verdicts: tuple[Verdict, ...]

    def has(self, behaviour: int | None) -> bool:
        """Whether it shows the behaviour of this number; without one, any."""
        asked = self.verdicts if behaviour is None else self.verdicts[behaviour : behaviour + 1]
        return any(verdict.value > 0 for verdict in asked)

    def spans(self, behaviour: int | None) -> tuple[tuple[int, int], ...]:
        """The characters [start, end) that the behaviour matched; without one, all of them."""
        asked = self.verdicts if behaviour is None else self.verdicts[behaviour : behaviour + 1]
        return tuple(sorted({span for verdict in asked for span in verdict.spans}))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which replies are looked at: at one α or all, hits of one behaviour or any, or all."""

    alpha: float | None = None
    behaviour: int | None = None
    hits: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The replies at one α that were chosen, hits first; `total` are there, `hits` of them are."""

    alpha: float
    replies: tuple[Swept, ...]
    hits: int
    total: int


class SweptReplies:
    """What a sweep has so far. `folder` may be replaced by the same one opened again."""

    def __init__(self, folder: SweepFolder) -> None:
        """Begin with what the folder has."""
        self.folder = folder
        self.behaviours: tuple[Behaviour, ...] = ()
        self.problem = ""
        """Why a behaviour is not counted any more."""
        self._swept: dict[str, Swept] = {}
        self._labels = labels_in(folder.path)
        self._result: tuple[object, SweepResult] | None = None
        self.read()

    def __len__(self) -> int:
        return len(self._swept)

    def __getitem__(self, reply: str) -> Swept:
        return self._swept[reply]

    def read(self) -> None:
        """Take everything from the folder again."""
        self._count(self.behaviours, self.folder.replies())

    def add(self, reply: SweepReply) -> None:
        """Count a reply that was sampled. A behaviour that cannot be counted in it is left out."""
        try:
            counting.add(self._counts, self.folder.prompts, [reply], self.behaviours, self._take)
        except LogitAmpError as error:
            self.problem = f"{error.message} {error.remedy}".strip()
            kept = [one for one in self.behaviours if self._can_tell(one, reply)]
            replies = [swept.reply for swept in self._swept.values()]
            self._count(kept, [*replies, reply])

    def use(self, behaviours: Sequence[Behaviour]) -> None:
        """Count these behaviours, in all replies. Raises LogitAmpError, and changes nothing."""
        self._count(behaviours, [swept.reply for swept in self._swept.values()])
        self.problem = ""

    def groups(self, choice: Choice) -> list[Group]:
        """The chosen replies by α, in the order of the αs."""
        by_alpha: dict[float, list[Swept]] = {alpha: [] for alpha in self.folder.settings.alphas}
        for swept in self._swept.values():
            by_alpha.setdefault(swept.reply.alpha, []).append(swept)
        return [
            _group(alpha, by_alpha[alpha], choice)
            for alpha in sorted(by_alpha)
            if choice.alpha is None or choice.alpha == alpha
        ]

    @property
    def unweighed(self) -> int:
        """Replies that lack the log-probabilities at some α."""
        return self._counts.unweighed

    @property
    def result(self) -> SweepResult:
        """Rates and estimates of what is there."""
        key = len(self._swept), self.folder.contents.settled, self.behaviours
        if self._result is None or self._result[0] != key:
            result = result_of(self.folder, self._counts, self.behaviours)
            found = tuple(map(self._with_errors, range(len(self.behaviours)), result.behaviours))
            self._result = key, replace(result, behaviours=found)
        return self._result[1]

    # --- marks by hand ----------------------------------------------------------------

    def marks(self, behaviour: int | None) -> Mapping[str, bool]:
        """Whether a person says that replies show the behaviour of this number, by their ids."""
        if behaviour is None:
            return {}
        key = definition_key(self.behaviours[behaviour].definition)
        return self._labels.get(key, {})

    def mark(self, behaviour: int, reply: str, label: bool | None) -> None:
        """Write whether a reply shows a behaviour; None takes it back. Raises LogitAmpError."""
        key = definition_key(self.behaviours[behaviour].definition)
        with contextlib.closing(LabelFile(self.folder.path)) as file:
            file.add(key, reply, label)
            self._labels[key] = dict(file.of(key))
        self._result = None

    def _with_errors(self, number: int, found: BehaviourResult) -> BehaviourResult:
        """The result with how often the behaviour errs, by what was marked."""
        marks = self.marks(number)
        if not any(reply in self._swept for reply in marks):
            return found
        prompt = self.folder.prompts[0]
        judged = [(prompt, one.reply, one.verdicts[number]) for one in self._swept.values()]
        return replace(found, errors=error_rates(judged, marks))

    def _count(self, behaviours: Sequence[Behaviour], replies: Iterable[SweepReply]) -> None:
        counts = counting.new_counts(self.folder, behaviours)
        found: dict[str, Swept] = {}

        def take(reply: SweepReply, verdicts: Sequence[Verdict]) -> None:
            found[reply.id] = Swept(reply, tuple(verdicts))

        counting.add(counts, self.folder.prompts, replies, behaviours, take)
        self._counts, self._swept, self.behaviours = counts, found, tuple(behaviours)
        self._result = None

    def _take(self, reply: SweepReply, verdicts: Sequence[Verdict]) -> None:
        self._swept[reply.id] = Swept(reply, tuple(verdicts))

    def _can_tell(self, behaviour: Behaviour, reply: SweepReply) -> bool:
        try:
            list(behaviour.verdicts([(self.folder.prompts[0], reply)]))
        except LogitAmpError:
            return False
        return True


def _group(alpha: float, swept: Sequence[Swept], choice: Choice) -> Group:
    hits = [one for one in swept if one.has(choice.behaviour)]
    others = [] if choice.hits else [one for one in swept if not one.has(choice.behaviour)]
    chosen = [*sorted(hits, key=_number), *sorted(others, key=_number)]
    return Group(alpha, tuple(chosen), len(hits), len(swept))


def _number(swept: Swept) -> int:
    return swept.reply.n
