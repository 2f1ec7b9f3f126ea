"""The tokens that training raised or lowered most in a chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Static

from logit_amp_chat.core.export.token_table import (
    by_pair,
    quoted_token,
    records_of,
    sums,
    what_was_summed,
)
from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.number_format import count, delta
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.raised_tokens import (
    Place,
    TokenChange,
    most_lowered,
    most_raised,
    token_changes,
)
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.transcripts.reply_text import ReplyText
from logit_amp_chat.tui.dialogs.picker import Picker, Row, fit

TOKEN, SUM = (12, 30), (9, 16)  # cells where the terminal is narrow, and where it is not
WRITTEN, MEAN = 5, 7
NARROW = 60


class RaisedTokensScreen(Picker[Place]):
    """Tokens by ΣΔ; enter answers with the place where a token's Δ is largest."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "picker.tcss", "raised_tokens.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "turn", "Raised or lowered", id="raised.turn", show=False),
        Binding("a", "widen", "This thread or all replies", id="raised.widen", show=False),
        Binding("enter", "choose", "Go there", id="raised.choose", show=False),
    ]
    placeholder = ""
    heading = "Raised most"
    keys = "↑↓ move · enter go there · s raised/lowered · a all replies · esc cancel"

    def __init__(self, thread: Sequence[ReplyLog], everything: Sequence[ReplyLog]) -> None:
        """Sum over the replies of `thread` first, over those of the whole file on request."""
        super().__init__()
        self._thread = thread
        self._everything = everything
        self._all = not thread
        self._lowered = False

    def body(self) -> ComposeResult:
        """What is summed, the list below the names of its columns, and the chosen row's place."""
        yield Static(id="summed", classes="muted", markup=False)
        yield Static(id="columns", classes="muted", markup=False)
        yield from super().body()

    def on_mount(self) -> None:
        """List the tokens."""
        self._list()

    def action_turn(self) -> None:
        """List what was lowered, or what was raised again."""
        self._lowered = not self._lowered
        self._list()

    def action_widen(self) -> None:
        """Sum over all replies of the file, or over the open thread again."""
        self._all = not self._all
        self._list()

    def action_choose(self) -> None:
        """Go to the place of the token under the cursor."""
        self._choose()

    def _list(self) -> None:
        logs = self._everything if self._all else self._thread
        group = next((own for own in by_pair(logs) if own[-1] is logs[-1]), [])
        changes = token_changes(records_of(group))
        rows = most_lowered(changes) if self._lowered else most_raised(changes)
        where = "all replies" if self._all else "this thread"
        direction = "Lowered" if self._lowered else "Raised"
        self.query_one("#frame").border_title = f"{direction} most · {where}"
        summed = f"{what_was_summed(changes, group)}, in nats"
        if others := len(logs) - len(group):
            summed += f"; {others:,} by other models left out"
        self.query_one("#summed", Static).update(Content(summed))
        columns = self._line("token", "n", "ΣΔ", "mean Δ".rjust(MEAN))
        self.query_one("#columns", Static).update(Content(columns))
        nothing = f"No token was {direction.lower()}."
        self.show([self._row(change) for change in rows], nothing=nothing)

    def _row(self, change: TokenChange) -> Row[Place]:
        """`token  times written  ΣΔ  mean Δ`, and where its Δ is largest below."""
        token = quoted_token(change)
        mean = delta(change.mean, MEAN)
        line = self._line(token, f"{change.count:,}", sums(change), mean)
        place = change.lowest if self._lowered else change.highest
        facts = [token, f"id {change.token}", f"written {count(change.count, 'time')}"]
        where = self._where(place) if place else "No Δ is defined for it."
        detail = Content.assemble((" · ".join(facts), "$foreground"), "\n", where)
        return Row(place, Content(line), detail, token)

    def _line(self, token: str, written: str, summed: str, mean: str) -> str:
        wide = self.app.size.width >= NARROW  # the class for it comes after the first list
        return " ".join(
            [fit(token, TOKEN[wide]), written.rjust(WRITTEN), summed.rjust(SUM[wide]), mean]
        )

    def _where(self, place: Place) -> str:
        """The place in words, with the text around it."""
        log = next(log for log in self._everything if log.id == place.reply)
        lane = reply_title(log.reply, log.steps[place.step].alpha)
        near = ReplyText()
        around = "".join(map(near.add, log.steps[max(0, place.step - 8) : place.step + 4]))
        extreme = "smallest" if self._lowered else "largest"
        return (
            f"{extreme} Δ {delta(place.delta, 0)} at token {place.step + 1} of {len(log.steps)},"
            f" {lane}: … {visible(around, newlines=False)} …"
        )
