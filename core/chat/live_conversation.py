"""A talk with an engine: one that loads, answers, falls silent and is replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from logit_amp_chat.core.chat.engine_link import EngineLink, MakeEngine, Update
from logit_amp_chat.core.chat.pending_request import PendingRequest
from logit_amp_chat.core.chat.saved_conversation import SavedConversation
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.protocol import Failed, Idle, Loading, Opened, Prefill, Stop
from logit_amp_chat.core.records import Change, Finish, Reply, Session, Step

State = Literal["closed", "loading", "ready", "busy", "failed"]


class LiveConversation(SavedConversation):
    """What the engine does, taken over into the conversation in the order in which it happened.

    What the engine reports waits in a queue until `drain` takes it over. All
    methods belong to the app's thread, but for `open_engine`.
    """

    def __init__(
        self,
        profile: Profile,
        transcripts: Path,
        make_engine: MakeEngine,
        clock: Callable[[], float],
        patience: float,
    ) -> None:
        super().__init__(transcripts, lambda error: self._link.unsaved(error))
        self.profile = profile
        self.state: State = "closed"
        self.opened: Opened | None = None
        self.loading: dict[str, Loading] = {}
        self.running: PendingRequest | None = None
        self._link = EngineLink(make_engine, self.recorder, clock, patience)
        self._after_idle: Callable[[], None] | None = None
        self._clock = clock
        self._load_began = 0.0

    # --- what it means for the talk ---------------------------------------------

    def _go_on_with(self, session: Session) -> None:
        """A pair was opened."""

    def _began(self, reply: str) -> None:
        """A reply begins."""

    def _at_rest(self) -> None:
        """Nothing runs any more."""

    # --- the engine -------------------------------------------------------------

    def load(self, profile: Profile | None = None) -> None:
        """Open a profile, or the current one again; replaces an engine that runs."""
        self.begin_loading(profile)
        self.open_engine()

    def begin_loading(self, profile: Profile | None = None) -> None:
        """The quick half of `load`: from now on the old engine is not listened to."""
        if profile is not None:
            self.profile = profile
        self._link.leave()
        self.state = "loading"
        self._load_began = self._clock()
        self.loading = {}
        self.running = None
        self._after_idle = None

    def open_engine(self) -> None:
        """The slow half of `load`: ends the old engine, starts the new one; for a thread."""
        self._link.open(self.profile)

    def close(self) -> None:
        """End the engine and the file; a reply in progress is saved as cancelled."""
        self._link.close()
        self.put_away()

    @property
    def pending(self) -> bool:
        """Whether something happened that was not taken over yet."""
        return bool(self._link.queue)

    def drain(self) -> list[Update]:
        """Take over everything that happened since the last call."""
        updates: list[Update] = []
        while self._link.queue:
            update = self._link.queue.popleft()
            updates.append(update)
            self._take(update)
        watched = self._link.watchdog.tick(
            computing=self.state == "busy", loading=self.state == "loading"
        )
        return [*updates, watched] if watched else updates

    def _take(self, update: Update) -> None:
        match update:
            case Loading():
                self.loading[update.stage] = update
            case Opened():
                self.state = "ready"
                self.opened = update
                self._go_on_with(update.session)
            case Prefill():
                self._count(update)
            case Reply():
                self.conversation.add(update)
                self._began(update.id)
            case Change() | Finish():
                self.conversation.add(update)
            case Step():
                self._count(update)
                self.conversation.add(update)
            case Idle():
                self._idle()
            case Failed():
                self._fail(update)

    def _count(self, update: Prefill | Step) -> None:
        if self.running is not None:
            self.running.take(update, self._clock())

    def _idle(self) -> None:
        if self.state == "busy":
            self.state = "ready"
        self.running = None
        if (then := self._after_idle) is not None:
            self._after_idle = None
            then()
        self._at_rest()

    def _fail(self, failed: Failed) -> None:
        if self.running is not None:
            self.running.prefill = None
        if failed.fatal:
            self.state = "failed"
            self.running = None
            self._after_idle = None

    @property
    def silence(self) -> float | None:
        """For how many seconds an engine that seems to hang has reported nothing."""
        watchdog = self._link.watchdog
        return watchdog.silence if watchdog.stalled else None

    @property
    def context_used(self) -> tuple[int, int] | None:
        """Tokens of the newest reply with its prompt, and how many there may be."""
        log, session = self.conversation.last_reply(), self.conversation.session
        if log is None or session is None:
            return None
        return len(log.reply.prompt.after) + len(log.steps), session.context

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of one lane a second, while a reply streams."""
        return self.running.tokens_per_second(self._clock()) if self.running else None

    @property
    def seconds_loading(self) -> int:
        """How long the models have been loading."""
        return int(self._clock() - self._load_began)

    def stop(self) -> None:
        """End the reply after the token in flight."""
        if self.state == "busy":
            self._link.send(Stop())

    def when_idle(self, then: Callable[[], None]) -> None:
        """Do something as soon as no reply runs; a running one is stopped."""
        if self.state == "busy":
            self._after_idle = then
            self.stop()
        else:
            then()
