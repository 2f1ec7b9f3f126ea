"""The inspector: one token's figures under before, after and amplified, and its candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from logit_amp_chat.core import number_format
from logit_amp_chat.core.analysis.plausibility_mask import masked
from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.lanes import LANES, LETTERS, LaneAt, lane_colour, reply_heading
from logit_amp_chat.core.number_format import nats
from logit_amp_chat.core.records import Candidate, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.blamed_tokens import blamed_token
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.token_log.wrapping import clip
from logit_amp_chat.tui.widgets.candidate_table import (
    ORDERS,
    CandidateTable,
    Line,
    ordered,
    quoted,
    share,
)

STACKED_ROWS = 15
SIDE_BY_SIDE = 74
LEFT = 36
FULL = (0, 1, 2, 3, 4, 5, 6, 7)
HEADS_LINE = 2  # gives way to the stages where there is no room for both
STAGES_LINE = len(FULL)  # otherwise empty, above the candidates
COMPACT = (0, 1, 3, 4, 5)  # without column heads, Δ and KL
COMPACT_BELOW = 10
UNFILTERED = "without τ, T"  # all figures are of the whole distributions, at temperature 1


@dataclass(frozen=True)
class Inspected:
    """A step: token `place` of `total`, with its note; `given` if it was not sampled.

    `masked` are the candidates that τ removed there, `fixed` the ids whose probability α does
    not change. `between` are the stages of a chain that are its before and after, where these
    are not the chat's; `blamed` is the token under every stage of `chain`, once it was read.
    """

    step: Step
    place: int
    total: int
    note: str = ""
    given: bool = False
    masked: frozenset[int] = frozenset()
    fixed: frozenset[int] = frozenset()
    between: tuple[str, str] | None = None
    chain: tuple[str, ...] = ()
    blamed: BlamedToken | None = None

    @classmethod
    def of(cls, log: ReplyLog, place: int) -> Inspected:
        """Token `place` of a reply."""
        step = log.steps[place]
        sampling = log.sampling_at(step.index)
        ends = log.session.end_of_turn if log.session and sampling.ends == "after" else ()
        return cls(
            step,
            place,
            len(log.steps),
            note=log.notes.get(place, ""),
            given=place < log.reply.forced,
            masked=masked(step, sampling.plausibility),
            fixed=frozenset(ends),
            between=log.reply.stages,
            chain=log.blamed.chain if log.blamed else (),
            blamed=blamed_token(log, place),
        )


class Inspector(Widget, can_focus=False):
    """Figures in fixed places, so that nothing jumps while text streams.

    While it has the focus, one candidate is selected, to branch from.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("candidates")]

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "inspector--before",
        "inspector--after",
        "inspector--amplified",
        "inspector--muted",
        "inspector--token",
        "inspector--chosen",
        "inspector--note",
        "inspector--selected",
    }

    @dataclass
    class Left(Message):
        """The focus goes elsewhere; no candidate is selected any more."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.inspected: Inspected | None = None
        self.order = ORDERS[0]
        self.selected: int | None = None
        self._top = 0  # the first candidate in view
        self._candidates: list[Candidate] = []

    def show(self, inspected: Inspected | None) -> None:
        """Show another step."""
        if inspected == self.inspected:
            return
        moved = (
            self.inspected is None
            or inspected is None
            or (inspected.step is not self.inspected.step)
        )
        self.inspected = inspected
        if moved:
            self._candidates = self._ordered()
            self._top = 0
            if self.selected is not None:
                self.selected = 0
        self.refresh()

    def sort(self) -> None:
        """Switch to the next sort order; the selection stays on its token."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        candidate = self.candidate
        self._candidates = self._ordered()
        if candidate is not None:
            self.selected = self._candidates.index(candidate)
            self._reveal()
        self.refresh()

    def _ordered(self) -> list[Candidate]:
        if self.inspected is None:
            return []
        inspected = self.inspected
        return ordered(inspected.step, self.order, inspected.masked, inspected.fixed)

    # --- choosing ---------------------------------------------------------------

    @property
    def candidate(self) -> Candidate | None:
        """The selected candidate."""
        if self.selected is None or self.selected >= len(self._candidates):
            return None
        return self._candidates[self.selected]

    def choose(self) -> bool:
        """Select the first candidate and take the focus. False where there is none."""
        if not self._candidates:
            return False
        self.selected, self._top = 0, 0
        self.can_focus = True
        self.focus()
        self.refresh()
        return True

    def on_blur(self) -> None:
        """Drop the selection."""
        self.selected, self._top = None, 0
        self.can_focus = False
        self.refresh()
        self.post_message(self.Left())

    def select_by(self, by: int) -> None:
        """Move the selection."""
        if self.selected is not None:
            last = len(self._candidates) - 1
            self.selected = max(0, min(last, self.selected + by))
            self._reveal()
            self.refresh()

    @property
    def rows(self) -> int:
        """How many candidates fit."""
        width, height = self.size
        if self._beside(width - 1, height):
            return max(1, height - 1)
        return max(1, height - self._above(height) - 1)

    def _reveal(self) -> None:
        if self.selected is not None:
            self._top = max(min(self._top, self.selected), self.selected - self.rows + 1)

    # --- lines ------------------------------------------------------------------

    @staticmethod
    def _beside(width: int, height: int) -> bool:
        """Whether the candidates are beside the token's figures."""
        return width >= SIDE_BY_SIDE and height < STACKED_ROWS

    @staticmethod
    def _above(height: int) -> int:
        """The number of lines above the candidates' column heads."""
        order = FULL if height >= COMPACT_BELOW else COMPACT
        return len(order) + (height >= STACKED_ROWS)

    def render_line(self, y: int) -> Strip:
        """Token above candidates, or beside them where the panel is wide and low."""
        full, height = self.size
        width = full - 1  # keep one cell to the edge
        base = self.rich_style
        if self.inspected is None:
            text = " Nothing to inspect yet: tokens appear here as they come." if y == 0 else ""
            return Strip([Segment(clip(text, width), self._style("muted"))]).adjust_cell_length(
                full, base
            )
        if self._beside(width, height):
            is_heads = y == HEADS_LINE and self.inspected.blamed is not None
            row = STAGES_LINE if is_heads and height <= STAGES_LINE else y
            left = Strip(self._token_line(row, LEFT)).adjust_cell_length(LEFT, base)
            rule = Strip([Segment(" │ ", self._style("muted"))])
            right = self._candidate_line(y, width - LEFT - 3)
            return Strip.join([left, rule, Strip(right)]).adjust_cell_length(full, base)
        order = FULL if height >= COMPACT_BELOW else COMPACT
        above = self._above(height)
        if y < above:
            line = self._token_line(order[y] if y < len(order) else y, width)
        else:
            line = self._candidate_line(y - above, width)
        return Strip(line).adjust_cell_length(full, base)

    def _style(self, name: str) -> Style:
        if name == "plain":
            return self.rich_style
        return self.rich_style + self.get_component_rich_style(f"inspector--{name}", partial=True)

    def _token_line(self, y: int, width: int) -> Line:
        assert self.inspected is not None
        step = self.inspected.step
        muted = self._style("muted")
        if y == 0:
            given = " · given" if self.inspected.given else ""
            place = f" token {self.inspected.place + 1} of {self.inspected.total}{given}"
            right = f"{reply_heading(LaneAt(step.alpha, self.inspected.between))} "
            gap = max(1, width - cell_len(place) - cell_len(right))
            return [
                Segment(place + " " * gap, muted),
                Segment(right, self._style(lane_colour(step.alpha))),
            ]
        if y == 1:
            return self._name_line(width)
        if y == HEADS_LINE:
            room = self._bar_width(width)
            return [
                Segment(f" {UNFILTERED:12}{'p':>5} {'':{room}} {'log p':>6} {'rank':>6}", muted)
            ]
        if y in (3, 4, 5):
            return self._side_line(LANES[y - 3], width)
        if y == 6:
            shift = number_format.delta(step.logp.after - step.logp.before)
            boost = number_format.delta(step.logp.amplified - step.logp.after)
            return [Segment(f" Δ A−B {shift}   α−A {boost}  nats", muted)]
        if y == 7:
            kl, boosted = nats(step.kl, 6), nats(step.kl_amplified, 6)
            return [Segment(f" KL A‖B{kl}  α‖A{boosted}  H{nats(step.entropy, 5)}", muted)]
        if y == STAGES_LINE and self.inspected.blamed is not None:
            return self._stages_line(self.inspected.blamed, width)
        return []

    def _stages_line(self, blamed: BlamedToken, width: int) -> Line:
        """How far each stage moved the token, the one that did most of it behind its arrow."""
        assert self.inspected is not None
        line: Line = [Segment(" Δ", self._style("muted"))]
        for n, change in enumerate(blamed.changes, 1):
            did_most = n == blamed.blamed
            name = f"{'▸' if did_most else ' '}{visible(self.inspected.chain[n], newlines=False)}"
            room = width - sum(segment.cell_length for segment in line)
            text = clip(f" {name} {number_format.delta(change, 0)}", max(0, room))
            line.append(Segment(text, self._style("token" if did_most else "muted")))
        return line

    def _name_line(self, width: int) -> Line:
        """The token and its note."""
        assert self.inspected is not None
        step, note = self.inspected.step, self.inspected.note
        special = "  special" if step.special else ""
        text = clip(quoted(step.text), width - 2 - len(special))
        line = [
            Segment(" " + text, self._style("token")),
            Segment(special, self._style("muted")),
        ]
        room = width - cell_len(text) - len(special) - 3
        if note and room > 3:
            said = clip(f"✎ {visible(note, newlines=False)}", room)
            line.append(Segment(f"  {said}", self._style("note")))
        return line

    @staticmethod
    def _bar_width(width: int) -> int:
        return max(3, width - 33)

    def _side_line(self, lane: str, width: int) -> Line:
        assert self.inspected is not None
        step = self.inspected.step
        log_p: float = getattr(step.logp, lane)
        rank: int = getattr(step.rank, lane)
        style = self._style(lane)
        bar = number_format.bar(share(log_p), self._bar_width(width))
        return [
            Segment(f" {LETTERS[lane]} {lane:<10}", style),
            Segment(number_format.probability(log_p), self.rich_style),
            Segment(f" {bar} ", style),
            Segment(f"{nats(log_p, 6)} {rank:>6}", self.rich_style),
        ]

    def _candidate_line(self, y: int, width: int) -> Line:
        """The column heads, then one candidate per line."""
        assert self.inspected is not None
        table = CandidateTable(
            self.inspected.step,
            self._candidates,
            self.inspected.masked,
            self.order,
            width,
            self._style,
            self.inspected.fixed,
        )
        if y == 0:
            return table.head()
        place = self._top + y - 1
        if place >= len(self._candidates):
            return []
        return table.row(place, selected=place == self.selected)
