"""A reply by stage: which training made each of its tokens likelier or less likely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Static

from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.chat.blamed_reply import BlamedReply
from logit_amp_chat.core.number_format import count, delta, in_nats, nats, probability
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog

GUTTER = " │ "
STRONGEST = 12
"""Tokens whose way through the chain is listed below the text."""

WAITS = {
    "": "",
    "measuring": "Reading the reply under every stage …",
    "loading": "The models are loading: it is read as soon as they are there.",
    "engine busy": "A reply is being written: it is read as soon as that has ended.",
    "not loaded": "The models are not loaded. Close this (esc) and press ctrl+l to load them.",
    "read only": "This chat is read only, without models that could read it.",
}


class BlameScreen(Dialog[None]):
    """The stages beside the tokens that they did most of, and the strongest of these."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "blame.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", "Up", id="blame.up", show=False),
        Binding("down", "scroll(1)", "Down", id="blame.down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="blame.page_up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", id="blame.page_down", show=False),
    ]
    heading = "Who did it"
    keys = "↑↓ pgup pgdn move · esc back"

    def __init__(self, blamed: BlamedReply) -> None:
        super().__init__()
        self.blamed = blamed
        self._composed = self._shown = False

    def body(self) -> ComposeResult:
        """The figures of each stage, then the text."""
        yield Static(id="figures", markup=False)
        with VerticalScroll(id="text", can_focus=False):
            yield Static(id="runs", markup=False)

    def on_mount(self) -> None:
        """Show what is known already."""
        self._composed = True
        self.update()

    def update(self) -> None:
        """Show what is known now, and why the rest is not."""
        if not (self._composed and self.is_attached) or self._shown:
            return
        blamed = self.blamed
        if blamed.problem:
            self.problem(visible(blamed.problem, newlines=False))
            return
        if blamed.log.blamed is None:
            total = len(blamed.log.steps)
            read = f" {blamed.done:,} of {total:,} tokens" if blamed.done else ""
            self.say(WAITS[blamed.wait] + read)
            return
        self._shown = True
        self.problem("")
        self.query_one("#figures", Static).update(Content.assemble(*self._figures()))
        self._lay_out()

    def on_resize(self) -> None:
        """Wrap the text anew."""
        if self._shown:
            self._lay_out()

    def _lay_out(self) -> None:
        lines = self._text(self.query_one("#text").scrollable_content_region.width)
        text = Content("\n").join(lines)
        runs = Content.assemble(text, "\n\n", *self._strongest())
        self.query_one("#runs", Static).update(runs)

    def _figures(self) -> Iterator[str | tuple[str, str]]:
        stats = self.blamed.stats
        yield (
            f"{' → '.join(self.blamed.stages)}\n{count(stats.tokens, 'token')},"
            f" {stats.notable:,} moved by {in_nats(stats.threshold)} or more\n"
        )
        width = max(map(len, self.blamed.stages))
        for n, stage in enumerate(self.blamed.stages[1:], 1):
            kl = stats.mean_kl(n)
            known = "not measured" if kl is None else nats(kl)
            yield (f"{stage:>{width}}", "bold")
            yield (
                f"  log-ratio {delta(stats.change(n), 0)}  mean KL {known}"
                f"  most of {stats.blamed[n]:,}\n"
            )

    def _text(self, room: int) -> Iterator[Content]:
        """The lines of the runs of tokens that one stage did most of, the first beside its name."""
        width = max(map(len, self.blamed.stages))
        for stage, run in self._runs():
            name = "" if stage is None else self.blamed.stages[stage]
            for line in Content.assemble(*run).wrap(max(1, room - width - len(GUTTER))):
                yield Content.assemble((f"{name:>{width}}", "bold"), GUTTER, line)
                name = ""

    def _runs(self) -> Iterator[tuple[int | None, list[tuple[str, str]]]]:
        """Tokens with the stage that did most of them; None before the first that stands out."""
        threshold = self.blamed.threshold
        stage: int | None = None
        run: list[tuple[str, str]] = []
        for one in self.blamed.tokens:
            notable = one.size >= threshold
            if notable and one.blamed != stage:
                if run:
                    yield stage, run
                stage, run = one.blamed, []
            run.append(self._token(one, notable=notable))
        yield stage, run

    def _token(self, one: BlamedToken, *, notable: bool) -> tuple[str, str]:
        """A token with its mark, as in a diff: letters and colours say the same."""
        said = self.blamed.log.steps[one.index].text
        text = visible(said, newlines=not notable)
        if not notable:
            return text, ""
        if one.is_undone:
            return f"{{~{text}~}}", "$muted"
        return (f"{{+{text}+}}", "$success") if one.total > 0 else (f"[-{text}-]", "$error")

    def _strongest(self) -> Iterator[str | tuple[str, str]]:
        threshold, width = self.blamed.threshold, max(map(len, self.blamed.stages))
        tokens = self.blamed.tokens
        found = sorted((t for t in tokens if t.size >= threshold), key=lambda t: -t.size)
        if not found:
            yield "No token was moved that far."
            return
        yield ("the strongest, with p by stage\n", "$muted")
        for one in found[:STRONGEST]:
            text = visible(self.blamed.log.steps[one.index].text, newlines=False)
            chain = " → ".join(probability(logp).strip() for logp in one.logp)
            stage = self.blamed.stages[one.blamed]
            change = delta(one.changes[one.blamed - 1], 0)
            yield (f"{stage:>{width}}", "bold")
            yield f" {change:>6}  “{text}”  {chain}\n"

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one("#text", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        scroll = self.query_one("#text", VerticalScroll)
        scroll.scroll_relative(y=pages * max(1, scroll.size.height - 1), animate=False)
