"""The openings of a turn: what a reply could begin with, level by level."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Static

from logit_amp_chat.core.chat.openings import MessageOpenings, Path
from logit_amp_chat.core.lanes import LANES, LETTERS
from logit_amp_chat.core.number_format import count, fraction, nats, signed
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.widgets.candidate_table import quoted
from logit_amp_chat.tui.widgets.opening_tree import BURIED, OpeningTree, TreeLine

WAITS = {
    "": "",
    "measuring": "",
    "loading": "The models are loading: it is measured as soon as they are there.",
    "engine busy": "A reply is being written: it is measured as soon as that has ended.",
    "not loaded": "The models are not loaded. Close this (esc) and press ctrl+l to load them.",
    "read only": "This chat is read only: nothing more can be measured in it.",
}


class OpeningsScreen(Dialog[Path]):
    """A tree of tokens; the answer is the path that a reply is to begin with."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "openings.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("openings")]
    heading = "Openings"

    def __init__(
        self,
        openings: MessageOpenings,
        alpha_by: Callable[[float], None],
        actions: keymap.Actions = keymap.ACTIONS,
    ) -> None:
        """Show `openings`; `alpha_by` moves the live α."""
        super().__init__()
        self.openings = openings
        self.keys = keymap.line("openings", "↑↓ select", "esc back", actions)
        self._alpha_by = alpha_by
        self._tree = OpeningTree(openings, id="tree")
        self._composed = False

    def body(self) -> ComposeResult:
        """The message, the tree, and more about the row that is selected."""
        yield Static(id="asked", markup=False)
        yield self._tree
        yield Static(id="detail", markup=False)

    def on_mount(self) -> None:
        """Show what is known already."""
        message = self.openings.session.conversation.messages.get(self.openings.message)
        text = visible(" ".join(message.text.split()) if message else "", newlines=False)
        self.query_one("#asked", Static).update(Content(text))
        self._composed = True
        self.update()

    def update(self) -> None:
        """Show what is known now, and why the rest is not."""
        if not (self._composed and self.is_attached):
            return
        self._tree.update()
        self.query_one("#frame").border_subtitle = self._alpha()
        wait = WAITS[self.openings.wait]
        if self.openings.problem:
            self.problem(visible(self.openings.problem, newlines=False))
        else:
            self.say(wait)
        self._tell()

    def _alpha(self) -> str:
        """The α of the tree, and how far the measuring is."""
        openings = self.openings
        shown, live = signed(openings.alpha), signed(openings.session.alpha)
        text = f"α {shown}" if shown == live else f"α {shown} → {live}"
        if openings.ends != "mix":
            text += f" · ends {openings.ends}"
        if openings.wait != "measuring":
            return text
        pending = openings.session.live.pending_request
        prefill = pending.prefill if pending else None
        of = f" {prefill.done:,} of {count(prefill.total, 'token')}" if prefill else ""
        return f"{text} · measuring{of} …"

    def _tell(self) -> None:
        """The text so far, its probability, and the figures of its level."""
        line = self._tree.selected
        opening = self.openings.at(line.path) if line else None
        detail = self.query_one("#detail", Static)
        if line is None or line.row is None or opening is None:
            detail.update(Content(""))
            return
        path = zip(LANES, line.row.path, strict=True)
        figures = f"KL A‖B {nats(opening.kl)}  α‖A {nats(opening.kl_amplified)}"
        detail.update(
            Content.assemble(
                self._said(line),
                "\npath",
                *((f"  {LETTERS[lane]} {fraction(p).strip()}", f"${lane}") for lane, p in path),
                (f"  ·  {figures}  H {nats(opening.entropy)} nats", "$muted"),
            )
        )

    def _said(self, line: TreeLine) -> Content:
        """The text of a path, with the selected token, in quotes."""
        opening, row = self.openings.at(line.path), line.row
        begun = "".join(token.text for token in opening.path) if opening else ""
        if row is None or row.token is None:
            after = f" after {quoted(begun)}" if begun else ""
            return Content(f"Every other token{after}, taken together.")
        said = Content.styled(quoted(begun + row.text), "bold")
        if row.buried:
            why = f"  {BURIED} buried: training made it likelier, α at least halves it"
            return Content.assemble(said, (why, "$warning"))
        return said

    # --- what the keys do -------------------------------------------------------

    def action_select(self, by: int) -> None:
        """Select another row."""
        self._tree.select_by(by)
        self._tell()

    def action_page(self, by: int) -> None:
        """Select a row a page away."""
        self.action_select(by * self._tree.page)

    def action_deeper(self) -> None:
        """Open what follows the selected token; once it is open, go there."""
        line = self._tree.selected
        if line is None or line.ids is None:
            return
        if line.ids in self.openings.opened:
            self.action_select(1)
        else:
            self.openings.open(line.ids)
            self.update()

    def action_shallower(self) -> None:
        """Close what follows the selected token, or else go to the token before it."""
        line = self._tree.selected
        if line is None:
            return
        if line.ids in self.openings.opened:
            self.openings.close(line.ids or ())
            self.update()
        elif line.path:
            self._tree.select_path(line.path)
            self._tell()

    def action_sort(self) -> None:
        """Sort by the next order."""
        self._tree.sort()
        self._tell()

    def action_alpha_by(self, by: float) -> None:
        """Move the live α; what is open is measured there."""
        self._alpha_by(by)
        self.openings.retry()
        self.update()

    def action_branch(self) -> None:
        """Begin a reply with the tokens up to the selected one."""
        line = self._tree.selected
        if line is not None and line.ids is not None:
            self.dismiss(line.ids)
