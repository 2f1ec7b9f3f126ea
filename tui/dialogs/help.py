"""Every key and what it does."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.types import CSSPathType
from textual.widget import Widget

from logit_amp_chat.tui.dialogs.base import Dialog
from logit_amp_chat.tui.keys.action import Action, Place
from logit_amp_chat.tui.keys.actions import ACTIONS

KEY_WIDTH = 10
HEADINGS: dict[Place, str] = {
    "anywhere": "Anywhere",
    "composer": "While you write",
    "transcript": "In the transcript (tab takes you there)",
    "candidates": "Among the candidates (enter on a token takes you there)",
    "openings": "Among the openings (o in the transcript takes you there)",
    "prompt": "In a prompt (P in the transcript takes you there)",
    "reading": "In a text that is read (f in the transcript takes you there)",
    "sweep": "In a sweep (S in the transcript takes you there)",
    "search": "While you search (/ in the transcript)",
    "chats": "In the list of saved chats",
}
ALPHA = (
    "α = −1 is exactly before, α = 0 exactly after.",
    "α > 0 exaggerates what training changed: after + α · (after − before).",
    "τ: for α > 0, drops tokens below τ × after's best.",
)

FIGURES = (
    "log pA: the mean log-probability of the text under after, in nats per token; with a !"
    " where the text is unlikely under after (below −3).",
    "H: the entropy of the amplified distribution. KL: KL(after‖before).",
    "Above the composer they are means over 32 tokens, the newest or those up to the cursor; in"
    " the head of a lane, over its whole reply; in the inspector, of one token.",
    "parts from after at token n: the first token at which a lane differs from after.",
    "overtakes ▸ at α: where amplified prefers the candidate to the chosen token, ▸; – beyond ±10.",
    "Probabilities, ranks, H and KL are those without τ, T, top-k, top-p and min-p. A candidate"
    " with × is one that τ removed: it could not be sampled.",
)


class HelpScreen(Dialog[None]):
    """The keys by where they act, from the one registry of actions."""

    CSS_PATH: ClassVar[CSSPathType] = ["base.tcss", "help.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,q,enter", "cancel", "Close", id="help.close", show=False)
    ]
    heading = "Help"
    keys = "↑↓ pgup pgdn scroll · esc close"

    def __init__(self, actions: Sequence[Action] = ACTIONS) -> None:
        """Explain `actions`."""
        super().__init__()
        self._actions = actions

    def body(self) -> ComposeResult:
        """One text that scrolls."""
        with VerticalScroll(id="help"):
            yield HelpText(self._actions)


class HelpText(Widget):
    """The text of the help, laid out for the width it is given."""

    def __init__(self, actions: Sequence[Action]) -> None:
        """Explain `actions`."""
        super().__init__()
        self._actions = actions

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as there are lines."""
        return sum(1 for _ in self._lines(width))

    def render(self) -> Content:
        """All lines."""
        return Content("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> Iterable[Content]:
        yield Content.styled("What α is", "bold")
        yield from _paragraphs(ALPHA, width)
        for place, heading in HEADINGS.items():
            here = [action for action in self._actions if action.place == place]
            if not here:
                continue
            yield Content("")
            yield Content.styled(heading, "bold")
            for action in here:
                yield from _explain(action, width)
        yield Content("")
        yield Content.styled("What the figures are", "bold")
        yield from _paragraphs(FIGURES, width)


def _paragraphs(sentences: Iterable[str], width: int) -> Iterable[Content]:
    for sentence in sentences:
        yield from map(Content, textwrap.wrap(sentence, max(10, width)))


def _explain(action: Action, width: int) -> Iterable[Content]:
    """The key, and what it does beside it."""
    first, *rest = textwrap.wrap(action.help, max(10, width - KEY_WIDTH)) or [""]
    key = action.display.ljust(KEY_WIDTH - 1) + " "
    yield Content.assemble((key, "$accent"), first)
    for line in rest:
        yield Content(" " * KEY_WIDTH + line)
