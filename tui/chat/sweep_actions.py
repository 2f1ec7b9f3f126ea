"""The sweep of a turn: its settings, its screen, and what goes from there into the chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logit_amp_chat.core.chat import branches
from logit_amp_chat.core.chat.continuation import Continuation
from logit_amp_chat.core.chat.prefix import Prefix
from logit_amp_chat.core.chat.swept_patterns import save_patterns
from logit_amp_chat.core.chat.swept_replies import Choice, Swept
from logit_amp_chat.core.chat.swept_text import SweptText
from logit_amp_chat.core.chat.turn_sweep import TurnSweep, saved_sweeps
from logit_amp_chat.core.chat.turn_sweeps import ELSEWHERE, TurnSweeps
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.records import Reply
from logit_amp_chat.tui.chat.action_host import ChatHost
from logit_amp_chat.tui.chat.conversation_actions import RELOAD

if TYPE_CHECKING:
    from logit_amp_chat.tui.dialogs.sweep import Asked
    from logit_amp_chat.tui.reading.screen import ReadingScreen
    from logit_amp_chat.tui.sweep.screen import SweepScreen

LOADING = "The models are still loading."


class SweepActions:
    """Opens the screen of a turn's sweep, and keeps it in line with the engine."""

    def __init__(self, host: ChatHost) -> None:
        self.host = host
        self.session = host.session
        self.view = host.view
        self.sweeps = TurnSweeps(host.session)
        self._screen: SweepScreen | None = None
        self._reading: ReadingScreen | None = None  # a reply that is looked at
        self._left: dict[TurnSweep, tuple[Choice, str]] = {}  # what was looked at before esc

    # --- which sweep ----------------------------------------------------------------------

    def sweep(self) -> None:
        """Show the sweep of the turn under the cursor, or of the newest; without one ask for it."""
        message = self.view.message_in_view
        if message is None:
            self.view.notice.say("There is no message to answer yet.", "Write one first.")
        elif (known := self.sweeps.of(message)) is not None:
            self._show(known)
        elif found := saved_sweeps(self.session, message):
            self._choose(message, found)
        else:
            self._ask(message)

    def _choose(self, message: str, found: list[SweepFolder]) -> None:
        """Offer the sweeps that are there, and a new one."""
        from logit_amp_chat.tui.dialogs.saved_sweeps import NEW, SavedSweepsScreen

        def take(answer: SweepFolder | str | None) -> None:
            if isinstance(answer, SweepFolder):
                self._show(self.sweeps.open(message, answer))
            elif answer == NEW:
                self._ask(message)

        self.host.app.push_screen(SavedSweepsScreen(found), take)

    def _ask(self, message: str) -> None:
        if self.session.live.opened is None:
            self._say_not_loaded()
            return
        from logit_amp_chat.tui.dialogs.sweep import SweepSettingsScreen

        def take(asked: Asked | None) -> None:
            if asked is not None:
                self._begin(message, asked)

        text = self.session.conversation.messages[message].text
        self.host.app.push_screen(SweepSettingsScreen(text, self.session.sampling), take)

    def _begin(self, message: str, asked: Asked) -> None:
        try:
            sweep = TurnSweep.begin(self.session, message, asked.settings)
            sweep.replies.use(asked.behaviours)
            save_patterns(sweep.path, asked.behaviours)
        except LogitAmpError as error:
            self.view.notice.say(error.message, error.remedy, error=True)
            return
        self.sweeps.add(sweep)
        self.follow()
        self._show(sweep)

    # --- its screen -------------------------------------------------------------------------

    def _show(self, sweep: TurnSweep) -> None:
        from logit_amp_chat.tui.sweep.screen import SweepScreen

        def look(swept: Swept) -> None:
            self._look(sweep, swept)

        def keep(swept: Swept) -> None:
            self._keep(sweep, swept)

        def renew() -> None:
            if self._is_here(sweep):
                self._ask(sweep.message)

        def take(_: None) -> None:
            picked = screen.view.list.picked
            self._left[sweep] = screen.view.choice, picked.reply.id if picked else ""
            self._screen = None

        self._screen = screen = SweepScreen(sweep, look, keep, renew, self.view.actions)
        if sweep in self._left:
            screen.view.choice, screen.view.list.wanted = self._left[sweep]
        self.host.app.push_screen(screen, take)

    def _look(self, sweep: TurnSweep, swept: Swept) -> None:
        """Show a reply token by token."""
        from logit_amp_chat.tui.reading.screen import ReadingScreen

        text = self.sweeps.look(sweep, swept.reply)

        def take(found: Continuation | None) -> None:
            self._reading = None
            text.stop()
            if found is not None:
                self._go_on(sweep, text, found)

        self._reading = ReadingScreen(text, self.view.actions)
        self.host.app.push_screen(self._reading, take)
        if (first := sweep.settings.amplify_first) is not None:
            self._reading.view.notice.say(
                f"The sweep amplifies the first {first:,} tokens; here all of them are"
                " measured at this α."
            )

    def _go_on(self, sweep: TurnSweep, text: SweptText, found: Continuation) -> None:
        """A branch of the chat that begins with the tokens of a reply, at the live α."""
        if not self._is_here(sweep):
            return
        if self._screen is not None:
            self._screen.dismiss(None)
        self.session.live.when_idle(lambda: self._branch(sweep.message, found))

    def _is_here(self, sweep: TurnSweep) -> bool:
        """Whether the chat of a sweep is open; says so where it is not."""
        here = sweep.message in self.session.conversation.messages
        if not here:
            self._say(ELSEWHERE)
        return here

    def _branch(self, message: str, found: Continuation) -> None:
        if branches.answer_with(self.session, message, Prefix(found.given)):
            self.view.show_branch()
        else:
            self._say_not_loaded()

    def _keep(self, sweep: TurnSweep, swept: Swept) -> None:
        where = f"{lane_title(swept.reply.alpha)}, number {swept.reply.n + 1}"

        def done(why_not: str) -> None:
            if why_not:
                self._say(why_not)
                return
            self.view.show_branch()
            self._say(f"The reply {where} is in the chat now; what you say next follows it.")

        self.sweeps.keep(sweep, swept.reply, done)
        self.follow()

    def _say_not_loaded(self) -> None:
        notice = self.view.notice
        if self.session.state == "loading":
            notice.say(LOADING)
        else:
            notice.say("The models are not loaded.", RELOAD, error=True)

    def _say(self, sentence: str) -> None:
        notice = self._screen.view.notice if self._screen is not None else self.view.notice
        notice.say(sentence, kind="sweep")

    # --- what the engine reports ------------------------------------------------------------

    def follow(self, *, may_sample: bool = True) -> None:
        """Take what was sampled, and give the engine to what waits for it."""
        if self.sweeps.follow(may_sample=may_sample):
            self.update()

    def update(self) -> None:
        """Something happened: show it."""
        notice = self.view.notice
        if self.session.state != "loading" and any(e.sentence == LOADING for e in notice.entries):
            notice.take_back(LOADING)
        running = self.sweeps.running
        figure = _figure(running) if running else ""
        if figure != self.view.background:
            self.view.background = figure
            self.view.refresh_figures()
        if self._screen is not None:
            self._screen.update()
        if self._reading is not None:
            self._reading.update()

    def begun(self, reply: Reply) -> None:
        """A reply has begun in the chat."""
        self.sweeps.begun(reply)


def _figure(sweep: TurnSweep) -> str:
    """How far a sweep is, for the status line of the chat."""
    progress = sweep.progress
    waits = " waits" if sweep.doing == "waiting" else ""
    return f"sweep{waits} {progress.replies:,}/{progress.wanted:,}"
