"""The prompt of a turn: what each side is given to read, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Input, Static

from logit_amp_chat.core.chat.turn_prompts import LanePrompt, TurnPrompts
from logit_amp_chat.core.export.snippets import Copy
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.prompts import PromptToken, PromptTokens
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.token_log.prompt_block import PromptBlock, difference
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.search_bar import SearchBar

WAITS = {
    "": "",
    "rendering": "",
    "loading": "The models are loading: it is shown as soon as they are there.",
    "engine busy": "A reply is being written: it is shown as soon as that has ended.",
    "not loaded": "The models are not loaded. Close this (esc) and press ctrl+l to load them.",
    "read only": "This chat is read only, without models that could tell its tokens.",
}


class PromptLog(TokenLog, inherit_bindings=False):
    """A prompt to scroll in; its keys are those of the dialog."""

    BINDINGS: ClassVar[list[BindingType]] = []


class PromptScreen(Dialog[None]):
    """The sides side by side, or once where they are the same; one lane at a time."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "prompt.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("prompt")]
    heading = "Prompt"

    def __init__(
        self,
        prompts: TurnPrompts,
        copy: Callable[[Sequence[Copy]], None],
        actions: keymap.Actions = keymap.ACTIONS,
    ) -> None:
        """Show `prompts`; `copy` lets the user choose what to copy."""
        super().__init__()
        self.prompts = prompts
        self._actions = actions
        self.keys = self._keys(set())
        self._copy = copy
        self._place = 0
        self._composed = False
        self._shown: tuple[int, PromptTokens | None] | None = None
        self.logs = {side: PromptLog(id=side) for side in ("before", "after")}
        self._search = SearchBar()
        self._heads = {side: Static(classes="head", markup=False) for side in self.logs}

    def body(self) -> ComposeResult:
        """Whose prompt, what is surprising about it, and a column a side."""
        yield Static(id="whose", markup=False)
        yield Static(id="notices", markup=False)
        with Horizontal(id="sides"):
            for side, log in self.logs.items():
                with Vertical(classes="side", id=f"side-{side}"):
                    yield self._heads[side]
                    yield log
        yield self._search

    def on_mount(self) -> None:
        """Show what is known already."""
        self._search.display = False
        self._composed = True
        self.update()

    @property
    def prompt(self) -> LanePrompt:
        """The prompt that is shown."""
        return self.prompts.prompts[self._place]

    def update(self) -> None:
        """Show what is known now, and why the rest is not."""
        if not (self._composed and self.is_attached):
            return
        if self.prompts.problem:
            self.problem(visible(self.prompts.problem, newlines=False))
        else:
            self.say(WAITS[self.prompts.wait])
        if self._shown != (self._place, self.prompt.tokens):
            self._shown = self._place, self.prompt.tokens
            self._show(self.prompt)

    def _show(self, prompt: LanePrompt) -> None:
        self.query_one("#whose", Static).update(Content(self._whose(prompt)))
        tokens = prompt.tokens
        notices = self.query_one("#notices", Static)
        said = tokens.notices if tokens else ()
        notices.display = bool(said)
        notices.update(Content("\n".join(visible(one, newlines=False) for one in said)))
        same = not self._differs
        self.query_one("#side-before").display = not same
        states = {"differing"} if self._differs else set[str]()
        states |= {"several lanes"} if len(self.prompts.prompts) > 1 else set()
        self.keys = self._keys(states)
        self.query_one("#keys", Static).update(Content(self.keys))
        if tokens is None:
            return
        differing = difference(tokens)
        both = (tokens.before, tokens.after)
        for side, own, differs, added in zip(self.logs, both, differing, tokens.added, strict=True):
            title = "before and after" if same else side
            self._heads[side].update(Content(f"{title}: {_counts(own, added, tokens.given)}"))
            block = PromptBlock(own, tokens.given, side, differs)
            self.logs[side].show([block])
        self.call_after_refresh(self.action_top)

    @property
    def _differs(self) -> bool:
        """Whether the sides read different prompts."""
        tokens = self.prompt.tokens
        return tokens is not None and tokens.before != tokens.after

    def _keys(self, states: set[str]) -> str:
        return keymap.line("prompt", "↑↓ scroll", "esc back", self._actions, states)

    def _whose(self, prompt: LanePrompt) -> str:
        lanes = ", ".join(prompt.lanes)
        what = f"What {lanes} read for this reply"
        if prompt.log is None:
            what = f"What {lanes} will read when you send this"
        number = len(self.prompts.prompts)
        return f"{what} · {self._place + 1} of {number}" if number > 1 else what

    # --- what the keys do -------------------------------------------------------

    def action_scroll(self, by: int) -> None:
        """Scroll both sides."""
        for log in self.logs.values():
            log.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll both sides by a page."""
        self.action_scroll(by * max(1, self.logs["after"].size.height - 2))

    def action_top(self) -> None:
        """To the beginning."""
        for log in self.logs.values():
            log.scroll_home(animate=False)

    def action_end(self) -> None:
        """To the end, where the reply begins."""
        for log in self.logs.values():
            log.scroll_end(animate=False)

    def action_next(self, direction: int) -> None:
        """To the next hit of a search; without one to where the sides begin to differ."""
        if self.logs["after"].finder.query:
            self._to_hit(direction)
        elif not self._differs:
            self.say("Both sides read the same.")
        else:
            for log in self.logs.values():
                (block,) = log.blocks
                assert isinstance(block, PromptBlock)
                log.scroll_to(y=block.difference, animate=False)

    def action_search(self) -> None:
        """Search: a line to type the words into."""
        self._search.display = True
        self._search.line.focus()

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        for log in self.logs.values():
            log.search(event.value)
        if event.value:
            self._to_hit(1, from_here=True)
        self._search.show_count(*self.logs["after"].finder.count())

    def _to_hit(self, direction: int, *, from_here: bool = False) -> None:
        for log in self.logs.values():
            log.move_to_hit(direction, from_here=from_here)
        self._search.show_count(*self.logs["after"].finder.count())

    def action_search_go(self) -> None:
        """Close the search line; what was found stays marked."""
        self._search.display = False
        self.logs["after"].focus()

    def action_cancel(self) -> None:
        """End a search; then close."""
        if self._search.display or self.logs["after"].finder.query:
            self._search.line.value = ""
            for log in self.logs.values():
                log.search("")
            self.action_search_go()
        else:
            self.dismiss(None)

    def action_lane(self, by: int) -> None:
        """Show the prompt of the next lanes, where lanes have prompts of their own."""
        self._place = (self._place + by) % len(self.prompts.prompts)
        self.update()

    def action_copy(self) -> None:
        """Choose what to copy: the text or the ids of a side."""
        tokens = self.prompt.tokens
        if tokens is None:
            return
        if not self._differs:
            self._copy(_copies("yi", "the prompt", (*tokens.after, *tokens.given)))
            return
        after = _copies("yi", "after's prompt", (*tokens.after, *tokens.given))
        before = _copies("bj", "before's prompt", (*tokens.before, *tokens.given))
        self._copy([*after, *before])


def _counts(tokens: Sequence[PromptToken], added: int | None, given: Sequence[PromptToken]) -> str:
    """How many tokens, how many of them special or the template's, how many begin the reply."""
    special = sum(token.special for token in tokens)
    parts = [count(len(tokens), "token"), f"{special:,} special"]
    if added is not None:
        parts.append(f"{added:,} by the template")
    if given:
        parts.append(f"{len(given):,} begin the reply")
    return " · ".join(parts)


def _copies(keys: str, name: str, tokens: Sequence[PromptToken]) -> list[Copy]:
    """Its text, and its ids as JSON."""
    length = count(len(tokens), "token")
    text = "".join(token.text for token in tokens)
    ids = ", ".join(str(token.id) for token in tokens)
    return [Copy(keys[0], name, length, text), Copy(keys[1], f"{name}, ids", length, f"[{ids}]")]
