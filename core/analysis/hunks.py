"""Hunks of a text that was read: where the two sides differ, with the tokens around."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from logit_amp_chat.core.records import Document, Role, Step

CONTEXT = 8
"""Tokens around each one that stands out."""

LONGEST = 200
"""Tokens after which a hunk is cut, however much stands out."""

SAMPLE = 1024
"""Scored tokens that the usual threshold is chosen from."""

USUAL_SHARE = 0.01
"""Places that stand out by the usual threshold, in tokens."""

FEWEST_PLACES = 3
LEAST_THRESHOLD = 1.0
"""A smaller |log-ratio|, in nats, stands out only where that is asked for."""


def log_ratio(step: Step) -> float:
    """log p under after − log p under before of the token that stands there, in nats."""
    return step.logp.after - step.logp.before


def usual_threshold(texts: Sequence[Sequence[float]], context: int = CONTEXT) -> float:
    """The |log-ratio| in nats that one place in a hundred tokens reaches, in two digits.

    So a page of text has a few hunks, however far the two sides are apart. `texts` are the
    log-ratios of all tokens of each; those in one hunk are one place. Three places reach it in a
    shorter text; where there are fewer, it is the least threshold.
    """
    ranked = sorted(
        (
            (abs(ratio), text, n)
            for text, ratios in enumerate(texts)
            for n, ratio in enumerate(ratios)
        ),
        reverse=True,
    )
    wanted = max(FEWEST_PLACES, int(USUAL_SHARE * len(ranked)))
    places: list[tuple[int, int]] = []
    for ratio, text, n in ranked:
        if all(text != other or abs(n - m) > 2 * context for other, m in places):
            places.append((text, n))
        if len(places) == wanted:
            return max(LEAST_THRESHOLD, _rounded_down(ratio))
    return LEAST_THRESHOLD


def _rounded_down(value: float) -> float:
    """Two digits that are not above the value."""
    if not 0 < value < math.inf:
        return LEAST_THRESHOLD
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / unit) * unit:.2g}")


def stands_out(step: Step, document: Document) -> bool:
    """Whether a token's log-ratio reaches the threshold of its document."""
    return abs(log_ratio(step)) >= document.threshold


def follows(document: Document, index: int) -> bool:
    """Whether nothing but spaces stands between a scored token, not the first, and the last one."""
    between = document.text[document.offsets[index - 1][1] : document.offsets[index][0]]
    return not between.strip()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a source: line and column from 1, of the message `message` (from 1) if a chat."""

    line: int
    column: int
    message: int | None = None
    role: Role | None = None

    def __str__(self) -> str:
        if self.message is None:
            return f"{self.line}:{self.column}"
        return f"message {self.message} ({self.role}), {self.line}:{self.column}"


class Places:
    """The places of a document's scored tokens in its source."""

    def __init__(self, document: Document) -> None:
        self._document = document

    @cached_property
    def _breaks(self) -> list[int]:
        """Where each line ends, in characters."""
        return [n for n, character in enumerate(self._document.text) if character == "\n"]

    def of(self, index: int) -> Place:
        """The place of the scored token `index`."""
        document = self._document
        start, _ = document.offsets[index]
        # an end of turn stands right after its message
        near = [span for span in document.spans if span[2] <= start <= span[3]]
        if near:
            number, role, begin, _ = max(near, key=lambda span: span[3])
            line, column = self._counted(begin, start)
            return Place(line, column, number + 1, role)
        line, column = self._counted(0, start)
        return Place(line + document.line - 1, column)

    def _counted(self, begin: int, start: int) -> tuple[int, int]:
        """The line and column of a character, in the text that starts at `begin`."""
        line = bisect.bisect_left(self._breaks, start) - bisect.bisect_left(self._breaks, begin)
        last = self._breaks[bisect.bisect_left(self._breaks, start) - 1] + 1 if line else begin
        return line + 1, start - last + 1


@dataclass(frozen=True, slots=True)
class Hunk:
    """Neighbouring scored tokens of a document, some of which stand out."""

    document: Document
    steps: tuple[Step, ...]

    @property
    def first(self) -> int:
        """The number of its first token among the document's scored ones."""
        return self.steps[0].index

    @property
    def notable(self) -> list[Step]:
        """The tokens that stand out."""
        return [step for step in self.steps if stands_out(step, self.document)]

    @property
    def core(self) -> tuple[Step, ...]:
        """Its tokens without those around: from the first to the last that stands out."""
        notable = self.notable
        return self.steps[notable[0].index - self.first : notable[-1].index - self.first + 1]

    @property
    def strongest(self) -> Step:
        """The token with the largest |log-ratio|, among those that stand out."""
        return max(self.notable, key=lambda step: abs(log_ratio(step)))

    @property
    def log_ratio(self) -> float:
        """The log-ratio of its core, in nats."""
        return sum(map(log_ratio, self.core))

    @property
    def kl(self) -> float:
        """The mean KL(after‖before) over its core, in nats."""
        core = self.core
        return sum(step.kl for step in core) / len(core)

    def text_of(self, step: Step) -> str:
        """What the source has at a token; none at the later ones of a character's tokens.

        Spaces that no token carries are shown with the token after them.
        """
        start, end = self.document.offsets[step.index]
        if step is self.steps[0]:
            return self.document.text[start:end]
        return self.document.text[min(self.document.offsets[step.index - 1][1], end) : end]


class HunkFinder:
    """Finds the hunks of one document, from its steps in order, in bounded memory."""

    def __init__(self, document: Document, context: int = CONTEXT) -> None:
        self._document = document
        self._context = context
        self._steps: list[Step] = []
        self._since: int | None = None
        """Tokens since the last one that stood out; None: none does yet."""

    def take(self, steps: Sequence[Step]) -> Iterator[Hunk]:
        """The hunks that end with these steps."""
        for step in steps:
            if self._steps and not self._goes_on(step):
                yield from self.finish()
            elif self._since is not None and len(self._steps) >= LONGEST:
                yield from self._cut()
            yield from self._add(step)

    def finish(self) -> Iterator[Hunk]:
        """The hunk that is not ended yet."""
        steps, since = self._steps, self._since
        self._steps, self._since = [], None
        if since is not None:
            yield self._hunk(steps[: len(steps) - max(0, since - self._context)])

    def _add(self, step: Step) -> Iterator[Hunk]:
        notable = stands_out(step, self._document)
        if self._since is not None and not notable and self._since >= 2 * self._context:
            yield from self._cut()
        self._steps.append(step)
        if notable:
            self._since = 0
        elif self._since is not None:
            self._since += 1
        else:
            self._steps = self._steps[-self._context :] if self._context else []

    def _goes_on(self, step: Step) -> bool:
        """Whether a token follows the last one; damaged files lack some."""
        return step.index == self._steps[-1].index + 1 and follows(self._document, step.index)

    def _cut(self) -> Iterator[Hunk]:
        """The hunk so far; what is beyond the tokens around it may be around the next one."""
        surplus = max(0, (self._since or 0) - self._context)
        keep = len(self._steps) - surplus
        yield self._hunk(self._steps[:keep])
        self._steps, self._since = self._steps[keep:], None

    def _hunk(self, steps: Sequence[Step]) -> Hunk:
        return Hunk(self._document, tuple(steps))
