"""A list to choose from, most often narrowed by typing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from rich.cells import cell_len, set_cell_size
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.widgets.line_input import LineInput

T = TypeVar("T")


@dataclass(frozen=True)
class Row(Generic[T]):
    """One line of the list, more about it below, and the words it is found by.

    A row whose `value` is None is shown and cannot be chosen.
    """

    value: T | None
    line: Content
    detail: Content
    words: str


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells."""
    return set_cell_size(text if cell_len(text) <= width else text[: width - 1] + "…", width)


def _distance(words: str, wanted: Sequence[str]) -> int:
    """How far from the beginning, where names stand, the first word that was typed is."""
    name = words.partition(" ")[0]
    if not wanted or name == wanted[0]:
        return 0
    return 1 if name.startswith(wanted[0]) else 2


class Entries(OptionList):
    """The list itself: the keyboard stays in the filter."""

    can_focus = False


class Picker(Dialog[T]):
    """Typing filters, ↑ and ↓ move, enter chooses.

    A subclass calls `show` when it has its rows.
    """

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "picker.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move('cursor_up')", "Up", id="picker.up", show=False),
        Binding("down", "move('cursor_down')", "Down", id="picker.down", show=False),
        Binding("pageup", "move('page_up')", "Page up", id="picker.page_up", show=False),
        Binding("pagedown", "move('page_down')", "Page down", id="picker.page_down", show=False),
    ]
    keys = "↑↓ move · enter open · esc cancel"
    placeholder = "Type to filter"
    """What stands in the empty filter; a list without one has letters as keys."""
    legend = ""
    """What the marks in the lines mean."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row[T]] = ()
        self._shown: list[Row[T]] = []
        self._nothing = ""

    def body(self) -> ComposeResult:
        """The filter, the list, and more about the line under the cursor."""
        if self.placeholder:
            yield LineInput(placeholder=self.placeholder, compact=True)
        yield Entries(id="entries", markup=False, compact=True)
        if self.legend:
            yield Static(self.legend, id="marks", classes="muted", markup=False)
        yield Static(id="detail", markup=False)

    def show(self, rows: Sequence[Row[T]], *, at: int = 0, nothing: str = "") -> None:
        """List `rows` with the cursor on `at`; `nothing` is said where there are none."""
        self._rows, self._nothing = rows, nothing
        self._filter(at)

    @property
    def row(self) -> Row[T] | None:
        """The row under the cursor."""
        at = self.query_one(Entries).highlighted
        return None if at is None else self._shown[at]

    @property
    def index(self) -> int | None:
        """Which of all rows, as they were given, is under the cursor."""
        return None if self.row is None else self._rows.index(self.row)

    @property
    def place(self) -> int:
        """Where in the list the cursor is."""
        return self.query_one(Entries).highlighted or 0

    def detail(self, text: Content) -> None:
        """Say more about the line under the cursor."""
        self.query_one("#detail", Static).update(text)

    @on(Input.Changed)
    def _typed(self) -> None:
        self.problem("")
        self._filter()

    @property
    def typed(self) -> str:
        """What stands in the filter."""
        return "".join(line.value for line in self.query(Input))

    @property
    def wanted(self) -> list[str]:
        """The words that were typed, casefolded."""
        return self.typed.casefold().split()

    def offered(self, typed: str) -> Row[T] | None:
        """A last row made from what was typed, where that names something by itself."""
        return None

    def has(self, row: Row[T], word: str) -> bool:
        """Whether a casefolded word finds the row."""
        return word in row.words.casefold()

    def refilter(self) -> None:
        """Filter again where rows are found by more than before; the cursor stays on its row."""
        row = self.row
        self._filter()
        if row is not None and row in self._shown:
            self.query_one(Entries).highlighted = self._shown.index(row)

    def _filter(self, at: int = 0) -> None:
        wanted = self.wanted
        found = [row for row in self._rows if all(self.has(row, word) for word in wanted)]
        offered = self.offered(self.typed)
        self._shown = sorted(found, key=lambda row: _distance(row.words.casefold(), wanted))
        self._shown += [offered] if offered else []
        entries = self.query_one(Entries)
        entries.clear_options()
        entries.add_options(Option(row.line) for row in self._shown)
        self.query_one("#frame").border_subtitle = f"{len(found)} of {len(self._rows)}"
        if self._shown:
            entries.highlighted = min(at, len(self._shown) - 1)
        else:
            nothing = "Nothing matches the filter." if self._rows else self._nothing
            self.detail(Content(nothing))

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        if self.row:
            self.detail(self.row.detail)
            self.highlighted(self.row)

    def highlighted(self, row: Row[T]) -> None:
        """Called when the cursor comes to `row`."""

    def action_move(self, action: str) -> None:
        """Move the cursor of the list."""
        self.problem("")
        getattr(self.query_one(Entries), f"action_{action}")()

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _choose(self) -> None:
        if self.row is not None:
            self.choose(self.row)

    def choose(self, row: Row[T]) -> None:
        """Answer with a row."""
        if row.value is None:
            self.problem("This one cannot be opened.")
        else:
            self.dismiss(row.value)
