"""What the screen of a sweep shows: how far it is, the rates, the estimate, the replies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from logit_amp_chat.core.chat.swept_replies import Choice
from logit_amp_chat.core.chat.turn_sweep import Doing, TurnSweep
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, SweepResult
from logit_amp_chat.core.experiments.sweep.wording import at_each, estimate_line, judgement
from logit_amp_chat.core.number_format import count, sampling_line
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.log_panel import LogPanel
from logit_amp_chat.tui.sweep.rate_table import RateTable
from logit_amp_chat.tui.sweep.reply_list import ReplyList
from logit_amp_chat.tui.token_log.wrapping import clip

SAYS: dict[Doing, str] = {
    "": "stopped",
    "waiting": "waiting for the engine",
    "sampling": "",
    "measuring": "measuring",
    "stopping": "stopping",
}
PROVISIONAL = "provisional: short replies end first; no estimate before the end"
NOTHING_COUNTED = "Nothing is counted yet: press b to say what, as in habit=lighthouse."

LEAST_PATTERN = 16
"""Cells of a pattern that are shown even where the line wraps."""
ENOUGH_MARKS = 10
"""Marks by hand from which on they say how often the counting errs."""


class SweepView(LogPanel):
    """The widgets of the screen, in line with `sweep`."""

    text_place: keymap.Place = "sweep"

    def __init__(self, screen: Screen[Any], sweep: TurnSweep, actions: keymap.Actions) -> None:
        self.list = ReplyList(id="log")
        super().__init__(screen, actions, self.list)
        self.sweep = sweep
        self.choice = Choice(behaviour=0 if sweep.replies.behaviours else None)
        self.head = Static(id="head", markup=False)
        self.table = RateTable(id="rates")
        self.estimate = Static(id="estimate", markup=False)
        self._listed: object = None  # what the list was made from

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.status
        yield self.head
        yield self.table
        yield self.estimate
        yield self.list
        yield self.legend
        yield self.notice
        yield self.keys

    # --- what is looked at ------------------------------------------------------------------

    @property
    def behaviour(self) -> Behaviour | None:
        """The behaviour that is looked at."""
        behaviours, number = self.sweep.replies.behaviours, self.choice.behaviour
        return behaviours[number] if number is not None and number < len(behaviours) else None

    def next_behaviour(self) -> None:
        """Look at the next behaviour."""
        behaviours = self.sweep.replies.behaviours
        if behaviours:
            here = -1 if self.choice.behaviour is None else self.choice.behaviour
            self.choose(replace(self.choice, behaviour=(here + 1) % len(behaviours)))

    def next_alpha(self, by: int) -> None:
        """Show the replies at the next α alone; beyond the last one at all of them."""
        alphas: list[float | None] = [None, *self.sweep.settings.alphas]
        here = alphas.index(self.choice.alpha) if self.choice.alpha in alphas else 0
        self.choose(replace(self.choice, alpha=alphas[(here + by) % len(alphas)]))

    def choose(self, choice: Choice) -> None:
        """Show other replies."""
        self.choice = choice
        self.update()

    # --- what is shown ------------------------------------------------------------------------

    def update(self) -> None:
        """Show what is known now."""
        if self.choice.behaviour is not None and self.behaviour is None:
            self.choice = replace(self.choice, behaviour=None)
        if self.choice.behaviour is None and self.sweep.replies.behaviours:
            self.choice = replace(self.choice, behaviour=0)
        result = self.sweep.replies.result
        found = self._found(result)
        self.table.show(result, found, self.choice.alpha)
        self.estimate.update(Content("\n".join(self._estimate(result, found))))
        self._update_list()
        self.refresh_status()
        self.refresh_legend()

    def _update_list(self) -> None:
        replies = self.sweep.replies
        number = self.choice.behaviour
        marks = dict(replies.marks(number))
        made_from = (len(replies), replies.behaviours, self.choice, marks)
        if made_from != self._listed:
            self._listed = made_from
            name = self.behaviour.name if self.behaviour else ""
            self.list.show_groups(replies.groups(self.choice), number, name, marks)

    def _found(self, result: SweepResult) -> BehaviourResult | None:
        number = self.choice.behaviour
        return (
            result.behaviours[number] if self.behaviour is not None and number is not None else None
        )

    def _estimate(self, result: SweepResult, found: BehaviourResult | None) -> list[str]:
        """The estimate of the behaviour that is looked at, or why there is none."""
        if self.sweep.problem or self.sweep.replies.problem:
            return [visible(self.sweep.problem or self.sweep.replies.problem, newlines=False)]
        if found is None:
            return [NOTHING_COUNTED]
        if self.sweep.doing and not result.complete:
            return [self._counted(found, PROVISIONAL)]
        if found.estimate is None:
            return [self._counted(found, result.no_estimate)]
        line = estimate_line(found.estimate, result.settings.target, found.numeric)
        more = [*_judgement(found), *found.estimate.warnings]
        return [self._counted(found, line), *(f"  {sentence}" for sentence in more)]

    def _counted(self, found: BehaviourResult, said: str) -> str:
        """What is counted, its pattern cut to fit, and what is said of it."""
        behaviours, number = self.sweep.replies.behaviours, self.choice.behaviour or 0
        name = visible(found.name, newlines=False)
        if len(behaviours) > 1:
            name += f" ({number + 1}/{len(behaviours)})"
        room = self.estimate.content_size.width - cell_len(f"{name}  · {said}")
        pattern = visible(str(found.definition.get("pattern", "")), newlines=False)
        return f"{name} {clip(pattern, max(room, LEAST_PATTERN))} · {said}"

    # --- around it ------------------------------------------------------------------------

    def states(self) -> set[str]:
        """The states that narrow the footer."""
        running = self.sweep.doing in ("waiting", "sampling", "measuring", "stopping")
        stopped = not running and not self.sweep.is_complete
        own = {"sampling"} if running else {"stopped"} if stopped else set()
        return super().states() | own

    def refresh_keys(self) -> None:
        """The footer; what works anywhere in the chat does not work here."""
        super().refresh_keys()
        own = (action for action in self.keys.actions if action.place != "anywhere")
        self.keys.actions = tuple(own)

    def refresh_status(self) -> None:
        """Which turn it is, how it is sampled, and how far it is."""
        settings, prompt = self.sweep.settings, self.sweep.folder.prompts[0]
        self.status.title = "Sweep"
        self.status.details = (" ".join(prompt.messages[-1][1].split()),)
        self.status.figures = self._progress()
        coupled = "  coupled" if settings.coupled else ""
        said = (
            f"{sampling_line(settings.sampling)}{coupled}"
            f" · {at_each(settings)}"
            f" · at most {count(settings.sampling.max_new_tokens, 'token')}"
        )
        self.head.update(Content(self._stopping() or said))
        self.refresh_keys()

    def _stopping(self) -> str:
        """What a stop waits for; "" where none does."""
        if self.sweep.doing != "stopping":
            return ""
        left = self.sweep.unfinished
        what = count(left, "reply") if left else "what has begun"
        stop = keymap.action("sweep_stop", self.actions).display
        return f"finishing {what}, {stop} gives {'them' if left > 1 else 'it'} up"

    def _progress(self) -> tuple[str, ...]:
        progress, doing = self.sweep.progress, self.sweep.doing
        rate = self.sweep.replies_per_second
        said = SAYS[doing] if doing or not self.sweep.is_complete else ""
        if doing == "waiting" and self.sweep.session.state in ("closed", "failed"):
            said = "waiting: ctrl+l in the chat loads the models"
        return tuple(
            filter(
                None,
                (
                    said,
                    f"{rate:.1f}/s" if rate is not None else "",
                    f"{progress.replies:,} of {progress.wanted:,}",
                ),
            )
        )


def _judgement(found: BehaviourResult) -> Iterator[str]:
    """What is to be known of the verdicts; of few marks by hand only how many there are."""
    errors = found.errors
    marked = errors.labelled_hits + errors.labelled_others if errors else 0
    if 0 < marked < ENOUGH_MARKS:
        yield from judgement(replace(found, errors=None))
        yield f"marked {marked}"
    else:
        yield from judgement(found)
