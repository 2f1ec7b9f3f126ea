"""Texts that were read, as documents show them: figures, and the strongest hunks."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from logit_amp_chat.core.analysis.hunks import (
    CONTEXT,
    Hunk,
    HunkFinder,
    Place,
    Places,
    log_ratio,
    stands_out,
)
from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.records import Document, Finish, Record, Session, Step

MOST_TOKENS = 40_000
"""Tokens of hunks that are kept, about 2,000 hunks: a page of them still opens."""

QUIET = 200
"""Texts without a hunk that are shown; of the others there is the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A hunk without the rest of its text; `texts` is what the source has at each token."""

    place: Place
    steps: tuple[Step, ...]
    texts: tuple[str, ...]
    notable: tuple[bool, ...]
    peak: int
    """Which of its tokens has the largest |log-ratio|."""
    log_ratio: float
    kl: float

    @classmethod
    def of(cls, hunk: Hunk, places: Places) -> Passage:
        """Take a hunk out of its document."""
        notable = tuple(stands_out(step, hunk.document) for step in hunk.steps)
        return cls(
            place=places.of(hunk.core[0].index),
            steps=hunk.steps,
            texts=tuple(map(hunk.text_of, hunk.steps)),
            notable=notable,
            peak=hunk.strongest.index - hunk.first,
            log_ratio=hunk.log_ratio,
            kl=hunk.kl,
        )

    @property
    def strongest(self) -> tuple[Step, str]:
        """The token with the largest |log-ratio|, and what the source has there."""
        return self.steps[self.peak], self.texts[self.peak]


@dataclass
class Reading:
    """One text that was read.

    Its document comes without text, offsets and spans; `scored` is how many tokens it has to
    score, `found` how many hunks it has, and `passages` are those that were kept, by number.
    Without a `finish` it was cut off.
    """

    document: Document
    scored: int
    session: Session | None
    stats: TextStats
    finish: Finish | None = None
    found: int = 0
    passages: dict[int, Passage] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """Hunks that were not kept."""
        return self.found - len(self.passages)


class Readings:
    """Collects what was read, one document after the other, in bounded memory.

    Of all hunks the strongest stay, `most` tokens of them; `context` is how many tokens are
    around each that stands out. With `every_alpha` the log-probabilities at all αs of a
    document come with its steps, else those at the first.
    """

    def __init__(
        self, context: int = CONTEXT, *, every_alpha: bool = False, most: int = MOST_TOKENS
    ) -> None:
        self.all: list[Reading] = []
        self._context = context
        self._every_alpha = every_alpha
        self._most = most
        self._kept: list[tuple[float, int, Reading, int]] = []
        self._tokens = 0
        self._number = 0
        self._reading: _Reading | None = None

    def begin(self, document: Document, session: Session | None) -> None:
        """The next document."""
        self.end(None)
        alphas = document.alphas if self._every_alpha else document.alphas[:1]
        reading = Reading(
            replace(document, text="", offsets=(), spans=()),
            len(document.offsets),
            session,
            TextStats(document.threshold, alphas, documents=1),
        )
        self.all.append(reading)
        self._reading = _Reading(reading, document, self._context)

    def add(self, steps: Sequence[Step], further: Sequence[Sequence[float]] = ()) -> None:
        """The next tokens of the document; those of another one, or out of order, are ignored."""
        if self._reading is None:
            return
        steps = [step for step in steps if self._reading.fits(step)]
        self._reading.reading.stats.add(steps, further)
        self._keep(self._reading, self._reading.finder.take(steps))

    def end(self, finish: Finish | None) -> None:
        """The document has ended, or was cut off."""
        if self._reading is None or (
            finish is not None and finish.reply != self._reading.reading.document.id
        ):
            return
        self._reading.reading.finish = finish
        self._keep(self._reading, self._reading.finder.finish())
        self._reading = None

    def _keep(self, current: _Reading, hunks: Iterable[Hunk]) -> None:
        for hunk in hunks:
            reading, number = current.reading, current.reading.found
            passage = Passage.of(hunk, current.places)
            reading.found += 1
            reading.passages[number] = passage
            self._number += 1
            self._tokens += len(passage.steps)
            heapq.heappush(
                self._kept, (abs(log_ratio(passage.strongest[0])), -self._number, reading, number)
            )
        while self._tokens > self._most and len(self._kept) > 1:
            _, _, reading, number = heapq.heappop(self._kept)
            self._tokens -= len(reading.passages.pop(number).steps)


class _Reading:
    """The document that is being read."""

    def __init__(self, reading: Reading, document: Document, context: int) -> None:
        self.reading = reading
        self.finder = HunkFinder(document, context)
        self.places = Places(document)
        self._next = 0

    def fits(self, step: Step) -> bool:
        """Whether this may be the next step: files are damaged and changed."""
        fits = step.reply == self.reading.document.id
        if not fits or not self._next <= step.index < self.reading.scored:
            return False
        self._next = step.index + 1
        return True


def read_documents(records: Iterable[Record]) -> list[Reading]:
    """The texts among the records of a transcript, with the hunks that are kept."""
    found, session = Readings(), None
    for record in records:
        match record:
            case Session():
                session = record
            case Document():
                found.begin(record, session)
            case Step():
                found.add((record,))
            case Finish():
                found.end(record)
    found.end(None)
    return found.all


def in_order(readings: Sequence[Reading]) -> tuple[list[Reading], int]:
    """The texts to show, those with hunks first, and how many more there are without."""
    quiet = [reading for reading in readings if not reading.passages]
    shown = [reading for reading in readings if reading.passages]
    return [*shown, *quiet[:QUIET]], max(0, len(quiet) - QUIET)
