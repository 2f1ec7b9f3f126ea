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

from logit_amp_chat.core.analysis.stage_blame import BlamedToken, Kind, runs
from logit_amp_chat.core.chat.blamed_reply import BlamedReply
from logit_amp_chat.core.export.describe_blame import STRONGEST, marked, wanted
from logit_amp_chat.core.number_format import count, delta, in_nats, nats, probability
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.blamed_tokens import ReplyBlame
from logit_amp_chat.tui.dialogs.base import Dialog

GUTTER = " │ "
COLOURS: dict[Kind, str] = {"up": "$success", "down": "$error", "undone": "$muted"}

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
        if (found := blamed.found) is None:
            total = len(blamed.log.steps)
            read = f" {blamed.done:,} of {total:,} tokens" if blamed.done else ""
            self.say(WAITS[blamed.wait] + read)
            return
        self._shown = True
        self.problem("")
        self.query_one("#figures", Static).update(Content.assemble(*self._figures(found)))
        self._lay_out()

    def on_resize(self) -> None:
        """Wrap the text anew."""
        if self._shown:
            self._lay_out()

    def _lay_out(self) -> None:
        if (found := self.blamed.found) is None:
            return
        room = self.query_one("#text").scrollable_content_region.width
        text = Content("\n").join(self._text(found, room))
        shown = Content.assemble(text, "\n\n", *self._strongest(found))
        self.query_one("#runs", Static).update(shown)

    def _figures(self, found: ReplyBlame) -> Iterator[str | tuple[str, str]]:
        stats = found.stats
        yield (
            f"{' → '.join(found.stages)}\n{count(stats.tokens, 'token')},"
            f" {stats.notable:,} moved by {in_nats(stats.threshold)} or more\n"
        )
        width = max(map(len, found.stages))
        for n, stage in enumerate(found.stages[1:], 1):
            kl = stats.mean_kl(n)
            known = "not measured" if kl is None else nats(kl)
            yield (f"{stage:>{width}}", "bold")
            yield (
                f"  log-ratio {delta(stats.change(n), 0)}  mean KL {known}"
                f"  most of {stats.blamed[n]:,}\n"
            )

    def _text(self, found: ReplyBlame, room: int) -> Iterator[Content]:
        """The lines of the runs of tokens that one stage did most of, the first beside its name."""
        width = max(map(len, found.stages))
        for stage, run in runs(found.tokens, found.threshold):
            name = "" if stage is None else found.stages[stage]
            text = Content.assemble(*(self._token(found, one) for one in run))
            for line in text.wrap(max(1, room - width - len(GUTTER))):
                yield Content.assemble((f"{name:>{width}}", "bold"), GUTTER, line)
                name = ""

    @staticmethod
    def _token(found: ReplyBlame, one: BlamedToken) -> tuple[str, str]:
        """A token with its mark, as in a diff: letters and colours say the same."""
        look = COLOURS[one.kind] if one.size >= found.threshold else ""
        return marked(found, one), look

    @staticmethod
    def _strongest(found: ReplyBlame) -> Iterator[str | tuple[str, str]]:
        width, names = max(map(len, found.stages)), found.names()
        strongest = found.strongest(STRONGEST)
        if not strongest:
            yield "No token was moved that far."
            return
        yield ("the strongest, with p by stage, and what the last stage wanted\n", "$muted")
        for one in strongest:
            text = visible(found.text(one), newlines=False)
            chain = " → ".join(probability(logp).strip() for logp in one.logp)
            change = delta(one.changes[one.blamed - 1], 0)
            other = wanted(one, len(one.best) - 1, names)
            yield (f"{found.stages[one.blamed]:>{width}}", "bold")
            yield f" {change:>6}  “{text}”  {chain}{f'  not {other}' if other else ''}\n"

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one("#text", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        scroll = self.query_one("#text", VerticalScroll)
        scroll.scroll_relative(y=pages * max(1, scroll.size.height - 1), animate=False)
