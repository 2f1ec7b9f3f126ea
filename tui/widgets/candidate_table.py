"""The table of candidates, with the α at which each overtakes the chosen token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from logit_amp_chat.core import number_format
from logit_amp_chat.core.analysis.alpha_crossover import Overtaking, overtaking
from logit_amp_chat.core.records import Candidate, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.token_log.wrapping import clip

ORDERS = ("α", "|Δ|", "closest rival")
HEADS = ("overtakes ▸ at α", "overtakes")
DELTA = 6  # cells of a Δ
MASKED = "×"
FARTHEST = 10.0
"""The largest |α| at which overtaking is shown: text that is amplified further is no language."""
Line = list[Segment]


def quoted(text: str) -> str:
    """A token in quotes, with visible white space."""
    return f"“{visible(text, newlines=False).replace(' ', '·')}”"


def share(log_prob: float) -> float:
    """The probability, as the length of a bar."""
    return math.exp(min(0.0, log_prob))


def chosen_of(step: Step) -> Candidate:
    """The token that was chosen, as a candidate."""
    logp = step.logp
    return Candidate(step.token, step.text, logp.before, logp.after, logp.amplified)


def ordered(
    step: Step, order: str, masked: Set[int] = frozenset(), fixed: Set[int] = frozenset()
) -> list[Candidate]:
    """The candidates: most likely first, largest |Δ| first, or closest rival first.

    Those that are `masked` are nobody's rivals: there they come last.
    """
    chosen = chosen_of(step)

    def weight(candidate: Candidate) -> tuple[float, ...]:
        if order == "closest rival":
            found = overtaking(candidate, chosen, fixed)
            far = abs(found.at - step.alpha) if found.at is not None else math.inf
            rank = 2 if found.ahead else 1
            if candidate.id == step.token:
                rank = 0
            elif candidate.id in masked:
                rank = 3
            return rank, far, -candidate.amplified, candidate.id
        shift = abs(candidate.after - candidate.before)
        value = shift if order == "|Δ|" else candidate.amplified
        return -value if value == value else math.inf, candidate.id

    return sorted(step.top, key=weight)


def overtakes_at(found: Overtaking) -> str:
    """The αs at which a candidate is ahead: ≥+2.30, ≤−0.40, always, never, or – if too far off."""
    if found.at is None:
        return "always" if found.ahead else "never"
    if abs(found.at) > FARTHEST:
        return "–"
    sign = "≥" if found.above else "≤"
    return f"{sign}{number_format.delta(found.at, 0)}"


def first_that_fits(texts: Sequence[str], width: int) -> str:
    """The first text of at most `width` cells; else the last one, clipped."""
    return next((text for text in texts if cell_len(text) <= width), clip(texts[-1], width))


class CandidateTable:
    """The lines of one step's candidates; columns that do not fit are left out.

    Those that τ `masked` are muted and marked ×: no α > 0 could sample them. `fixed` are
    ids whose probability α does not change.
    """

    def __init__(
        self,
        step: Step,
        candidates: Sequence[Candidate],
        masked: Set[int],
        order: str,
        width: int,
        style: Callable[[str], Style],
        fixed: Set[int] = frozenset(),
    ) -> None:
        self.step = step
        self.candidates = candidates
        self.masked = masked
        self.order = order
        self.style = style
        self.fixed = fixed
        self._chosen = chosen_of(step)
        free = width - 20  # before, after, amplified
        whole = free - len(HEADS[0]) - DELTA - 2 >= 20
        self.overtakes = len(HEADS[0] if whole else HEADS[1])
        self.wide = free - self.overtakes - DELTA - 2 >= 8
        self.delta = DELTA if self.wide else self.overtakes
        free = max(4, free - self.overtakes - 1 - (DELTA + 1 if self.wide else 0))
        self.bar = min(24, free // 3) if free >= 13 else 0
        self.room = min(28, free - self.bar - bool(self.bar))

    @property
    def shows_overtaking(self) -> bool:
        """Whether there is a column of αs at which they overtake: if wide, or if sorted by it."""
        return self.wide or self.order == "closest rival"

    @property
    def shows_delta(self) -> bool:
        """Whether there is a Δ column."""
        return self.wide or self.order != "closest rival"

    def head(self) -> Line:
        """The column names and the sort order."""
        last = self.order.rpartition(" ")[2]
        order = first_that_fits([f"by {self.order} ↓", f"by {last} ↓", f"{last} ↓"], self.room + 1)
        line = [
            Segment(f" {order:<{self.room + 1}}", self.style("muted")),
            Segment(f" {'B':>5}", self.style("before")),
            Segment(f" {'A':>5}", self.style("after")),
            Segment(f" {'':{self.bar + bool(self.bar)}}{'α':>5}", self.style("amplified")),
        ]
        if self.shows_delta:
            line.append(Segment(f" {'Δ A−B':>{self.delta}}", self.style("muted")))
        if self.shows_overtaking:
            head = first_that_fits(HEADS, self.overtakes)
            line.append(Segment(f" {head:>{self.overtakes}}", self.style("muted")))
        return line

    def row(self, place: int, *, selected: bool = False) -> Line:
        """One candidate: token, B, A, α with a bar, Δ, and the α at which it overtakes."""
        candidate = self.candidates[place]
        chosen, masked = candidate.id == self.step.token, candidate.id in self.masked
        text = clip(quoted(candidate.text), self.room)
        bar = number_format.bar(share(candidate.amplified), self.bar)
        line = [
            Segment("▸" if chosen else MASKED if masked else " ", self.style("amplified")),
            Segment(
                text + " " * (self.room + 1 - cell_len(text)),
                self.style("chosen" if chosen else "plain"),
            ),
            Segment(f" {number_format.probability(candidate.before)}", self.style("before")),
            Segment(f" {number_format.probability(candidate.after)}", self.style("after")),
            Segment(
                f" {bar + ' ' if bar else ''}{number_format.probability(candidate.amplified)}",
                self.style("amplified"),
            ),
        ]
        if self.shows_delta:
            shift = number_format.delta(candidate.after - candidate.before, self.delta)
            line.append(Segment(f" {shift}", self.style("plain")))
        if self.shows_overtaking:
            found = overtaking(candidate, self._chosen, self.fixed)
            text = "" if chosen or masked else overtakes_at(found)
            style = "muted" if found.ahead or text == "–" else "plain"
            line.append(Segment(f" {text:>{self.overtakes}}", self.style(style)))
        if masked:
            line = [Segment(part.text, self.style("muted")) for part in line]
        if selected:
            pick = self.style("selected")
            line = [Segment(part.text, (part.style or Style()) + pick) for part in line]
        return line
