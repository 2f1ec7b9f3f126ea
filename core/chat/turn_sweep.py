"""The sweep of one turn of a chat: its conversation is the prompt, its engine samples."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.swept_replies import SweptReplies
from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.result_file import pair_identity
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.library import new_folder, sweeps_of
from logit_amp_chat.core.experiments.sweep.prompts import new_prompt
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.experiments.sweep.sweep import Progress, Sweep
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.protocol import Drain, Event, Failed, Idle, Stop
from logit_amp_chat.core.records import Session, Variables, now
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.text import clean

Doing = Literal["", "waiting", "sampling", "measuring", "stopping"]
NO_PAIR = UsageError("The models are not loaded.", "Press ctrl+l in the chat to load them.")


def prompt_of(session: ChatSession, message: str) -> SweepPrompt:
    """What replies to a message of the chat are prompted with."""
    conversation = session.conversation
    said = tuple((one.role, clean(one.text)) for one in conversation.prompt(message))
    return new_prompt(said, raw=conversation.is_raw(message))


def saved_sweeps(session: ChatSession, message: str) -> list[SweepFolder]:
    """The sweeps of this turn on the disk, newest first: with the loaded pair, or the chat's."""
    opened = session.live.opened
    pair = opened.session if opened else session.conversation.session
    return sweeps_of(prompt_of(session, message).key, pair) if pair else []


class TurnSweep:
    """Samples replies to a message as soon as the engine is free, and gives way to the chat.

    A reply is in the folder before it is shown. What was begun when the chat took the engine
    is begun anew afterwards, with the same noise.
    """

    def __init__(self, session: ChatSession, message: str, folder: SweepFolder) -> None:
        """Use `begin` for a new one; `folder` is one that was read."""
        self.session = session
        self.message = message
        self.replies = SweptReplies(folder)
        self.problem = ""
        """Why it stopped by itself."""
        self.wants = False
        """Whether it samples as soon as the engine is free."""
        self._sweep: Sweep | None = None  # while the folder is written
        self._requests: Iterator[SampleRequest | RescoreRequest] = iter(())
        self._request: SampleRequest | RescoreRequest | None = None  # in the engine
        self._arrived: deque[SweepReply] = deque()
        self._lock = threading.RLock()
        self._measured = False  # whether this run asked for log-probabilities of old replies
        self._more: SweepSettings | None = None  # what the next run is to add
        self._began, self._there = 0.0, 0  # of this run: when, and how many were there

    @classmethod
    def begin(cls, session: ChatSession, message: str, settings: SweepSettings) -> TurnSweep:
        """A new sweep in a folder of its own. Raises LogitAmpError."""
        if any(one.special for one in session.conversation.prompt(message)):
            raise UsageError(
                "A message of this turn means special tokens, which a sweep would take for text.",
                "Send it as text (e, then ctrl+y) to sweep it.",
            )
        prompt = prompt_of(session, message)
        path = new_folder()
        _written(path, _record(session, session.live.template), settings, [prompt]).close()
        sweep = cls(session, message, SweepFolder.read(path))
        sweep.start()
        return sweep

    # --- what there is ----------------------------------------------------------------

    @property
    def folder(self) -> SweepFolder:
        """Where it is saved."""
        return self.replies.folder

    @property
    def path(self) -> Path:
        """The folder that it is saved in."""
        return self.folder.path

    @property
    def settings(self) -> SweepSettings:
        """What it was asked for."""
        return self.folder.settings

    @property
    def progress(self) -> Progress:
        """How far it is."""
        if self._sweep is not None:
            return self._sweep.progress
        wanted = self.settings.replies_to(len(self.folder.prompts))
        there = len(self.folder.contents.there)
        return Progress(replies=there, wanted=wanted, rows=0, tokens=0)

    @property
    def is_complete(self) -> bool:
        """Whether every reply that is wanted is there, and every one that was begun."""
        progress = self.progress
        return progress.replies >= progress.wanted and self.folder.contents.settled

    @property
    def doing(self) -> Doing:
        """What it does; "" if nothing more will come by itself."""
        if self._request is None:
            return "waiting" if self.wants else ""
        if self._sweep is not None and self._sweep.stopping:
            return "stopping"
        return "sampling" if isinstance(self._request, SampleRequest) else "measuring"

    @property
    def unfinished(self) -> int:
        """Replies that the engine is sampling."""
        return self.progress.rows if isinstance(self._request, SampleRequest) else 0

    @property
    def replies_per_second(self) -> float | None:
        """How fast this run is; None until it has a reply."""
        made = self.progress.replies - self._there
        seconds = time.monotonic() - self._began
        return made / seconds if self._request is not None and made and seconds > 0 else None

    # --- running ----------------------------------------------------------------------

    def start(self, more: SweepSettings | None = None) -> None:
        """Sample what is missing as soon as the engine is free; `more` has further αs or samples.

        A sweep that runs is left as it is.
        """
        if not self.doing:
            self.wants, self.problem, self._more = True, "", more

    def stop(self) -> None:
        """Begin no further reply; a second time, give up those that have begun."""
        self.wants = False
        if self._sweep is not None and self._request is not None:
            self.session.live.link.send(Stop() if self._sweep.stopping else Drain())
            self._sweep.begin_no_more()
        else:
            self.close()

    def follow(self) -> bool:
        """Take what was sampled, and ask for more if it can. Whether anything is new."""
        new = self.take_arrived()
        if not self.wants or self._request is not None or not self._is_free():
            return new
        try:
            if self._sweep is None:
                self._open()
            self._ask()
        except LogitAmpError as error:
            self._end(f"{error.message} {error.remedy}".strip())
        return True

    def close(self) -> None:
        """Take nothing more of this run; another one goes on with what is in the folder."""
        with self._lock:
            self._sweep = self._request = None
            self.folder.close()

    def check_pair(self) -> Session:
        """The session to be recorded. Raises UsageError where another pair is loaded, or none."""
        record = _record(self.session, self.folder.template or {})
        if pair_identity(record) != pair_identity(self.folder.contents.session):
            raise UsageError("This sweep is of another pair.", "Load that pair (F8) first.")
        return record

    def _is_free(self) -> bool:
        session = self.session
        return session.state == "ready" and not session.queued and not session.awaiting_models

    def _open(self) -> None:
        """Open the folder to be written. Raises LogitAmpError."""
        was, record = self.folder, self.check_pair()
        settings = self._more or was.settings
        self.replies.folder = _written(was.path, record, settings, was.prompts)
        if self.settings != was.settings:
            self.replies.read()  # they lack what was added
        self._begin_run()

    def _begin_run(self) -> None:
        """Ask for everything that the folder lacks."""
        with self._lock:
            self._sweep, self._request, self._measured = Sweep(self.folder), None, False
            self._requests = self._sweep.requests()
        self._began, self._there = time.monotonic(), len(self.folder.contents.there)

    def _ask(self) -> None:
        """Send the next request; without one, this run is over. Raises LogitAmpError."""
        assert self._sweep is not None
        self.check_pair()
        self._request, failed = next(self._requests, None), self._sweep.failed
        if isinstance(self._request, SampleRequest):
            self._request = self._with_replies(self._request)
        if self._request is not None:
            self._measured |= isinstance(self._request, RescoreRequest)
            self.session.live.ask_samples(self._request, self._save, self._take)
        elif self.is_complete and not self._is_interrupted():
            self._end("")
        elif failed:
            self._end(f"{len(failed):,} replies could not be sampled: {failed[0].why}")
        else:
            self._begin_run()  # it was interrupted before anything had begun

    def _with_replies(self, request: SampleRequest) -> SampleRequest:
        """The request with earlier replies as the ids that were said, as the chat has them."""
        messages = self.session.conversation.prompt(self.message)
        if prompt_of(self.session, self.message).key != self.folder.prompts[0].key:
            return request  # this chat is another one
        return replace(request, prompts=(replace(request.prompts[0], messages=messages),))

    def _is_interrupted(self) -> bool:
        """Whether replies that were to be measured were not."""
        if not self._measured:
            return False
        self.replies.read()
        return self.replies.unweighed > 0

    # --- what the engine reports --------------------------------------------------------

    def _save(self, event: Event) -> None:
        """On the reader thread: a reply is on the disk before anything else happens to it."""
        with self._lock:
            if self._sweep is None:
                return
            try:
                shown = self._sweep.take(event)
            except LogitAmpError as error:
                self.problem = f"{error.message} Make room, then press u to go on."
                return
            if isinstance(shown, SweepReply):
                self._arrived.append(shown)

    def _take(self, event: Event) -> None:
        match event:
            case Failed():
                self.take_arrived()
                self._end(f"{event.message} {event.remedy}".strip())
            case Idle():
                self.take_arrived()
                self._idle()
            case _:
                pass

    def take_arrived(self) -> bool:
        """Count what was sampled since the last call. Whether there was anything."""
        new = bool(self._arrived)
        while self._arrived:
            self.replies.add(self._arrived.popleft())
        if self.problem and self.doing == "sampling":
            self.stop()  # what cannot be saved is not sampled
        return new

    def _idle(self) -> None:
        """The request is over: by itself, by a stop, or because the chat goes first."""
        assert self._sweep is not None
        self._request = None
        if self._sweep.stopping:
            next(self._requests, None)  # it notes whether everything that was begun is there
            self._end(self.problem)
        elif self._sweep.aborted:
            self._begin_run()

    def _end(self, problem: str) -> None:
        self.wants, self.problem = False, problem
        self.close()


def _written(
    path: Path, record: Session, settings: SweepSettings, prompts: Sequence[SweepPrompt]
) -> SweepFolder:
    """A folder to be written. Raises UsageError; what helps a command does not help here."""
    try:
        return SweepFolder.begin(path, record, settings, prompts)
    except LogitAmpError as error:
        raise UsageError(error.message, "Press S for another sweep.") from error


def _record(session: ChatSession, template: Variables) -> Session:
    """The session to be recorded: templates write the moment of the chat, and get `template`.

    Raises UsageError.
    """
    opened = session.live.opened
    if opened is None:
        raise NO_PAIR
    profile = {**opened.session.profile, "template": dict(template)}
    return replace(opened.session, time=session.conversation.began or now(), profile=profile)
