"""A reply by stage: which training made each of its tokens likelier or less likely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        self.query_one("#runs", Static).update(Content.assemble(*self._text()))

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

    def _text(self) -> Iterator[str | tuple[str, str]]:
        """The runs of tokens that one stage did most of, each behind its name."""
        blamed, threshold = self.blamed, self.blamed.threshold
        width, tokens = max(map(len, blamed.stages)), blamed.tokens
        stage: int | None = None
        for one in tokens:
            notable = one.size >= threshold
            if notable and one.blamed != stage:
                stage = one.blamed
                yield "\n" if one.index else ""
                yield from ((f"{blamed.stages[stage]:>{width}}", "bold"), " │ ")
            elif one.index == 0:
                yield f"{'':>{width}} │ "
            yield self._token(one, notable=notable, width=width)
        yield "\n\n"
        yield from self._strongest(tokens, threshold, width)

    def _token(self, one: BlamedToken, *, notable: bool, width: int) -> tuple[str, str]:
        """A token with its mark, as in a diff: letters and colours say the same."""
        said = self.blamed.log.steps[one.index].text
        text = visible(said, newlines=not notable)
        if not notable:
            return text.replace("\n", f"\n{'':>{width}} │ "), ""
        if one.is_undone:
            return f"{{~{text}~}}", "$muted"
        return (f"{{+{text}+}}", "$success") if one.total > 0 else (f"[-{text}-]", "$error")

    def _strongest(
        self, tokens: Sequence[BlamedToken], threshold: float, width: int
    ) -> Iterator[str | tuple[str, str]]:
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
