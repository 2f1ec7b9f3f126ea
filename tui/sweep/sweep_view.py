"""What the screen of a sweep shows: how far it is, the rates, the estimate, the replies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from logit_amp_chat.core.chat.swept_replies import Choice
from logit_amp_chat.core.chat.turn_sweep import Doing, TurnSweep
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, SweepResult
from logit_amp_chat.core.experiments.sweep.wording import estimate_line, judgement
from logit_amp_chat.core.number_format import count, sampling_line
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.log_panel import LogPanel
from logit_amp_chat.tui.sweep.rate_table import RateTable
from logit_amp_chat.tui.sweep.reply_list import ReplyList

SAYS: dict[Doing, str] = {
    "": "stopped",
    "waiting": "waiting for the engine",
    "sampling": "",
    "measuring": "measuring",
    "stopping": "finishing what has begun",
}
PROVISIONAL = "provisional: short replies end first; no estimate before the end"
NOTHING_COUNTED = "Nothing is counted yet: press b to say what, as in habit=lighthouse."


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
        behaviours = self.sweep.replies.behaviours
        number = (
            ""
            if len(behaviours) == 1
            else f" ({(self.choice.behaviour or 0) + 1}/{len(behaviours)})"
        )
        name = f"{visible(found.name, newlines=False)}{number}"
        if self.sweep.doing and not result.complete:
            return [f"{name} · {PROVISIONAL}"]
        if found.estimate is None:
            return [f"{name} · {result.no_estimate}"]
        line = estimate_line(found.estimate, result.settings.target, found.numeric)
        more = [*judgement(found), *found.estimate.warnings]
        return [f"{name} · {line}", *(f"  {sentence}" for sentence in more)]

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
        self.head.update(
            Content(
                f"{sampling_line(settings.sampling)}{coupled}"
                f" · {count(settings.samples, 'reply').replace('replys', 'replies')} at each α"
                f" · at most {count(settings.sampling.max_new_tokens, 'token')}"
            )
        )
        self.refresh_keys()

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
