"""The sweeps of a chat that are looked at or run, and what is wanted of their replies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from logit_amp_chat.core.chat.prefix import Prefix
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.swept_patterns import saved_patterns
from logit_amp_chat.core.chat.swept_text import SweptText, sampling_of
from logit_amp_chat.core.chat.turn_sweep import TurnSweep
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.prompts import messages_of
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.lanes import LaneAt, lane_title
from logit_amp_chat.core.records import Reply
from logit_amp_chat.core.transcripts.recorder import Recorder

ELSEWHERE = "Another chat is open: open the chat of this sweep first (F9)."


class TurnSweeps:
    """One engine for all of them: replies that the user waits for go first, then the sweeps."""

    def __init__(self, session: ChatSession) -> None:
        self.session = session
        self._sweeps: list[TurnSweep] = []
        self._jobs: deque[Callable[[], None]] = deque()
        self._kept: dict[str, str] = {}  # by id of the reply in the chat: where it is from
        self._recorders: dict[TurnSweep, Recorder] = {}

    # --- which there are ----------------------------------------------------------------

    def of(self, message: str) -> TurnSweep | None:
        """The sweep of a message that was begun or opened last."""
        return next((one for one in reversed(self._sweeps) if one.message == message), None)

    def add(self, sweep: TurnSweep) -> None:
        """A sweep that was begun."""
        self._sweeps = [*(one for one in self._sweeps if one.path != sweep.path), sweep]

    def open(self, message: str, folder: SweepFolder) -> TurnSweep:
        """A sweep that is on the disk."""
        there = next((one for one in self._sweeps if one.path == folder.path), None)
        sweep = there or TurnSweep(self.session, message, folder)
        if there is None:
            try:
                sweep.replies.use(saved_patterns(folder.path))
            except LogitAmpError as error:
                sweep.replies.problem = f"{error.message} {error.remedy}".strip()
        self.add(sweep)
        return sweep

    @property
    def running(self) -> TurnSweep | None:
        """The sweep that has the engine, or else the first that waits for it."""
        wanting = [one for one in self._sweeps if one.doing]
        return next((one for one in wanting if one.doing != "waiting"), next(iter(wanting), None))

    # --- running --------------------------------------------------------------------------

    def follow(self, *, may_sample: bool = True) -> bool:
        """Take what was sampled, and give the engine to who is next. Whether anything is new.

        Without `may_sample` no sweep gets it: something else is about to ask.
        """
        new = sum(one.take_arrived() for one in self._sweeps) > 0
        while self._jobs and self.session.state == "ready":
            self._jobs.popleft()()
        if may_sample and not self._jobs:
            first = self.running
            new |= first is not None and first.follow()
        return new

    def _when_free(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        self.session.live.interrupt_samples()
        self.follow(may_sample=False)

    # --- one reply --------------------------------------------------------------------------

    def look(self, sweep: TurnSweep, reply: SweepReply) -> SweptText:
        """A reply as it is to be looked at token by token; decoded as soon as that can be done."""
        text = SweptText(sweep, reply, self._recorder(sweep))
        self._when_free(text.follow)
        return text

    def _recorder(self, sweep: TurnSweep) -> Recorder:
        """Where what was decoded again is saved: a chat in the folder of the sweep."""
        if sweep not in self._recorders:
            recorder = Recorder(sweep.path, self.session.live.report_unsaved)
            recorder.append(replace(sweep.folder.contents.session, time=sweep.folder.time))
            for message in messages_of(sweep.folder.prompts[0]):
                recorder.append(message)
            recorder.begin()
            self._recorders[sweep] = recorder
        return self._recorders[sweep]

    def keep(self, sweep: TurnSweep, reply: SweepReply, done: Callable[[str], None]) -> None:
        """Take a reply into the chat, as one to the message; `done` is told why not, or ""."""

        def job() -> None:
            done(self._keep(sweep, reply))

        self._when_free(job)

    def _keep(self, sweep: TurnSweep, reply: SweepReply) -> str:
        session = self.session
        if sweep.message not in session.conversation.messages:
            return ELSEWHERE
        if session.saved.read_only:
            return "This chat is read only."
        try:
            sweep.check_pair()
        except LogitAmpError as error:
            return f"{error.message} {error.remedy}"
        session.conversation.leaf = sweep.message
        pending = session.live.ask(
            sweep.message,
            {"amplified": LaneAt(reply.alpha)},
            sampling_of(sweep, reply),
            Prefix(reply.tokens),
            raw=sweep.folder.prompts[0].raw,
            template=sweep.folder.template,
            prompt=sweep.folder.contents.ids.get(sweep.folder.prompts[0].id),
        )
        where = f"From a sweep: {lane_title(reply.alpha)}, number {reply.n + 1}, {sweep.path.name}."
        self._kept |= dict.fromkeys(pending.replies("amplified"), where)
        return ""

    def begun(self, reply: Reply) -> None:
        """A reply has begun: one that was kept says where it is from."""
        if (where := self._kept.pop(reply.id, None)) is not None:
            self.session.saved.note(reply.id, where)
