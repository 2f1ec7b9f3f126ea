"""A conversation with an engine that loads, answers, falls silent and is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from logit_amp_chat.core.chat.engine_link import EngineLink, MakeEngine, Update
from logit_amp_chat.core.chat.pending_request import AnyPending, PendingRequest
from logit_amp_chat.core.chat.prefix import NO_PREFIX, Prefix
from logit_amp_chat.core.chat.saved_conversation import SavedConversation
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.lanes import LaneAt
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import (
    Event,
    Failed,
    Idle,
    Lane,
    Loading,
    Opened,
    Prefill,
    Request,
    Stop,
)
from logit_amp_chat.core.reading import ReadRequest, StageReadRequest
from logit_amp_chat.core.records import (
    Change,
    Finish,
    Opening,
    PromptIds,
    Reply,
    Session,
    Step,
    TemplateValue,
    Variables,
    new_id,
)
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.sampling import Ends, Sampling
from logit_amp_chat.core.transcripts.recorder import Recorder
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

State = Literal["closed", "loading", "ready", "busy", "sampling", "failed"]
"""Busy with what the user waits for, or sampling for a sweep, which gives way to it."""


class LiveConversation:
    """A saved conversation and the link to the engine that answers in it.

    What the engine reports waits in a queue until `updates` adds it to the
    conversation, in order. All methods belong to the app's thread, but for
    `open_engine`.
    """

    def __init__(
        self,
        profile: Profile,
        transcripts: Path,
        make_engine: MakeEngine,
        clock: Callable[[], float],
        patience: float,
    ) -> None:
        self.profile = profile
        self.saved = SavedConversation(transcripts, self.report_unsaved)
        self.link = EngineLink(make_engine, self.saved.recorder, clock, patience)
        self.state: State = "closed"
        self.template: dict[str, TemplateValue] = dict(profile.template)
        """The variables that the chat template gets, from the next prompt on."""
        self.opened: Opened | None = None
        self.beside: dict[str, Session] = {}
        """By id, the sessions of other stages of the chain that is open."""
        self.loading: dict[str, Loading] = {}  # the newest report of each stage
        self.pending_request: PendingRequest | None = None
        self._after_idle: Callable[[], None] | None = None
        self._take_apart: Callable[[Event], None] | None = None
        self._clock = clock
        self._load_began = 0.0

    def report_unsaved(self, error: TranscriptError) -> None:
        """Queue that a file could not be written."""
        self.link.report_unsaved(error)

    # --- opening and closing ----------------------------------------------------

    def load(self, profile: Profile | None = None) -> None:
        """Open a profile, or the current one again; replaces an engine that runs."""
        self.begin_loading(profile)
        self.open_engine()

    def begin_loading(self, profile: Profile | None = None) -> None:
        """The quick half of `load`: from now on the old engine is ignored."""
        if profile is not None:
            self.profile = profile
        self.link.disconnect()
        if (take := self._take_apart) is not None:  # what was not begun gets no Finish
            self._take_apart = None
            take(Failed(message="The engine was loaded anew.", remedy="Ask for it again."))
        self._back_to_the_answer()
        self.state = "loading"
        self._load_began = self._clock()
        self.loading = {}
        self.pending_request = None
        self._after_idle = None

    def open_engine(self) -> None:
        """The slow half of `load`: ends the old engine, starts the new one; for a thread."""
        self.link.open(self.profile)

    def close(self) -> None:
        """End the engine and close the file; a reply in progress is saved as cancelled."""
        self.link.close()
        self.saved.close()

    # --- requests ---------------------------------------------------------------

    @property
    def is_computing(self) -> bool:
        """Whether the engine has a request."""
        return self.state in ("busy", "sampling")

    @property
    def can_ask(self) -> bool:
        """Whether a request can be sent now."""
        return self.state == "ready" and not self.saved.read_only

    def ask(
        self,
        leaf: str,
        lanes: Mapping[str, LaneAt],
        sampling: Sampling,
        prefix: Prefix = NO_PREFIX,
        continued: Mapping[str, ReplyLog] = MappingProxyType({}),
        *,
        raw: bool = False,
        template: Variables | None = None,
        prompt: PromptIds | None = None,
    ) -> PendingRequest:
        """Have the message `leaf` answered in `lanes`, each where it runs, beginning with `prefix`.

        A lane goes on from the reply that `continued` has for it, else from the one
        that the message was said to. With `raw`, and where the message was answered so before,
        it is a text to continue, without a chat template. `template` are the variables of
        another reply's prompt (default: those in force), `prompt` its ids, not to be rendered anew.
        """
        asked = [self._lane(leaf, name, lanes[name], continued) for name in lanes]
        request = Request(
            messages=self.saved.conversation.prompt(leaf),
            # Those with another history are decoded later; the chat is shown first.
            lanes=tuple(sorted(asked, key=lambda lane: lane.follows is not None)),
            sampling=sampling,
            forced=prefix.ids,
            begin=prefix.text,
            edits=prefix.edits,
            raw=raw or self.saved.conversation.is_raw(leaf),
            time=self.saved.conversation.began,
            template=self.template if template is None else template,
            prompt=prompt,
        )
        return self._send(request)

    def ask_opening(self, leaf: str, path: tuple[int, ...], alpha: float, ends: Ends) -> None:
        """Have measured how the answer to the message `leaf` goes on after `path`."""
        conversation = self.saved.conversation
        request = OpeningsRequest(
            messages=conversation.prompt(leaf),
            path=path,
            alpha=alpha,
            raw=conversation.is_raw(leaf),
            time=conversation.began,
            template=self.template,
            ends=ends,
        )
        self._send(request)

    def ask_prompt(self, request: PromptRequest, take: Callable[[Event], None]) -> None:
        """Have a prompt rendered to be looked at; `take` is that of `ask_apart`."""
        self._take_apart = take
        self._send(request)

    def ask_stages(self, request: StageReadRequest, take: Callable[[Event], None]) -> None:
        """Have a text read under stages of the chain; `take` is that of `ask_apart`."""
        self.link.pass_on(request.document)
        self._take_apart = take
        self._send(request)

    def ask_apart(
        self, request: ReadRequest | Request, recorder: Recorder, take: Callable[[Event], None]
    ) -> None:
        """Have a text read, or replies decoded, that are no part of the conversation.

        What comes of it is saved by `recorder` and handed to `take`, up to the next Idle or
        Failed.
        """
        if isinstance(request, ReadRequest):
            ids = [request.document]
        else:
            ids = [lane.reply for lane in request.lanes]
        self.link.save_apart(ids, recorder)
        self._take_apart = take
        self._send(request)

    def ask_samples(
        self,
        request: SampleRequest | RescoreRequest,
        save: Callable[[Event], None],
        take: Callable[[Event], None],
    ) -> None:
        """Have replies sampled for a sweep: `save` gets them on the engine's reader thread.

        `take` is that of `ask_apart`.
        """
        self.link.save_samples(save)
        self._take_apart = take
        self._send(request)

    def _send(self, request: AnyPending) -> PendingRequest:
        self.pending_request = pending = PendingRequest(request)
        sampling = isinstance(request, SampleRequest | RescoreRequest)
        self.state = "sampling" if sampling else "busy"
        self.link.send(request)
        return pending

    def _lane(self, leaf: str, name: str, at: LaneAt, continued: Mapping[str, ReplyLog]) -> Lane:
        conversation = self.saved.conversation
        lane = Lane(reply=new_id("r"), name=name, alpha=at.alpha, stages=at.stages)
        said_to = conversation.previous(leaf)
        log = continued.get(name, said_to)
        if log is None or log is said_to:
            return lane
        return replace(lane, messages=conversation.prompt(leaf, log.id), follows=log.id)

    def stop(self, reply: str | None = None) -> None:
        """End the replies, or one of them, after the token in flight."""
        if self.is_computing:
            self.link.send(Stop(reply))

    def interrupt_samples(self) -> None:
        """Have a sweep give way; what it had begun is begun anew, with the same noise."""
        if self.state == "sampling":
            self.link.send(Stop())

    def when_idle(self, then: Callable[[], None]) -> None:
        """Do something as soon as no reply runs; a running one is stopped, a sweep interrupted."""
        if self.is_computing:
            self._after_idle = then
            self.stop()
        else:
            then()

    # --- what the engine reports --------------------------------------------------

    @property
    def has_updates(self) -> bool:
        """Whether the engine has reported anything since `updates`."""
        return bool(self.link.queue)

    def updates(self) -> Iterator[Update]:
        """What happened since the last call; each update is applied before it is handed out."""
        while self.link.queue:
            update = self.link.queue.popleft()
            self._apply(update)
            yield update
        watched = self.link.watchdog.tick(
            computing=self.is_computing, loading=self.state == "loading"
        )
        if watched:
            yield watched
        if self.saved.mirror is not None:
            yield from self.saved.mirror.take_news()

    def _apply(self, update: Update) -> None:
        apart = self._take_apart
        if apart is not None and isinstance(update, Event):
            if isinstance(update, Idle | Failed):
                self._take_apart = None
            apart(update)
        match update:
            case Loading():
                self.loading[update.stage] = update
            case Opened():
                self.state = "ready"
                self.opened, self.beside = update, {}
            case Session():
                self.beside[update.id] = update
                self._add(update, apart is None)
            case Prefill():
                self._count(update)
            case Reply() | Step():
                self._count(update)
                self._add(update, apart is None)
            case Change() | Finish() | Opening():
                self._add(update, apart is None)
            case Idle():
                self._idle()
            case Failed():
                self._fail(update)

    def _add(self, update: Reply | Change | Finish | Opening | Session | Step, own: bool) -> None:
        if own:
            self.saved.conversation.add(update)

    def _count(self, update: Reply | Prefill | Step) -> None:
        if self.pending_request is not None:
            self.pending_request.count(update, self._clock())

    def _idle(self) -> None:
        if self.is_computing:
            self.state = "ready"
        self._back_to_the_answer()
        self.pending_request = None
        if (then := self._after_idle) is not None:
            self._after_idle = None
            then()

    def _fail(self, failed: Failed) -> None:
        self._back_to_the_answer()
        if self.pending_request is not None:
            self.pending_request.prefill = None
        if failed.fatal:
            self.state = "failed"
            self.pending_request = None
            self._after_idle = None

    def _back_to_the_answer(self) -> None:
        """Go on from the replies that a message has, where another was asked for and none began."""
        conversation = self.saved.conversation
        if conversation.leaf in conversation.messages:
            conversation.leaf = conversation.newest(conversation.leaf)

    # --- figures ----------------------------------------------------------------

    @property
    def silence(self) -> float | None:
        """For how many seconds an engine that seems to hang has reported nothing."""
        watchdog = self.link.watchdog
        return watchdog.silence if watchdog.stalled else None

    @property
    def context_used(self) -> tuple[int, int] | None:
        """Tokens of the newest reply with its prompt, and the context length."""
        conversation = self.saved.conversation
        log, session = conversation.last_reply(), conversation.session
        if log is None or session is None:
            return None
        return len(log.reply.prompt.after) + len(log.steps), session.context

    @property
    def tokens_per_second(self) -> float | None:
        """Sampled tokens per second of one lane, while a reply streams."""
        pending = self.pending_request
        return pending.tokens_per_second if pending else None

    @property
    def seconds_loading(self) -> int:
        """How long the models have been loading."""
        return int(self._clock() - self._load_began)
