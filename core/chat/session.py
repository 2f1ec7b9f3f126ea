"""One chat without a screen: what is said, and what is asked of the engine about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from logit_amp_chat.core.chat.engine_link import MakeEngine
from logit_amp_chat.core.chat.live_conversation import LiveConversation
from logit_amp_chat.core.chat.pending_request import PendingRequest
from logit_amp_chat.core.chat.watchdog import SILENCE_SECONDS
from logit_amp_chat.core.config.profile import Profile, recorded_profile
from logit_amp_chat.core.lanes import FIXED_ALPHA, lane_name
from logit_amp_chat.core.protocol import Forget, Lane, Request, SetAlpha, SetSampling
from logit_amp_chat.core.records import Message, Sampling, Session, new_id
from logit_amp_chat.core.transcripts.conversation import ReplyLog


class ChatSession(LiveConversation):
    """A talk with an engine, and how the engine is to answer."""

    def __init__(
        self,
        profile: Profile,
        transcripts: Path,
        make_engine: MakeEngine,
        clock: Callable[[], float] = time.monotonic,
        patience: float = SILENCE_SECONDS,
    ) -> None:
        super().__init__(profile, transcripts, make_engine, clock, patience)
        self.alpha = profile.alpha
        self.sampling = profile.sampling
        self.system: str | None = profile.system
        self.comparing = False
        self.sweep: tuple[float, ...] = tuple(FIXED_ALPHA.values())
        self.editing: Message | None = None
        self.parted_from: Path | None = None
        """The chat that did not fit the pair which was opened last."""
        self.waiting: list[str] = []
        self._answer_when_ready = False
        self._keep_next = ""  # the reply that becomes the history as soon as it begins

    # --- what the engine does ---------------------------------------------------

    def _go_on_with(self, session: Session) -> None:
        """Take the conversation over to the pair, unless its tokens mean something else there."""
        self.parted_from = None
        if self.read_only:
            return
        unanswered = self.conversation.last_user_message() if self._answer_when_ready else None
        if self.conversation.thread() and _other_vocabulary(self.conversation.session, session):
            self.parted_from = self.recorder.path
            self.start_over()
            self._forget()
        self.record(session)
        if self.parted_from and unanswered:
            self.submit(unanswered.text)
        elif unanswered:
            self._answer_leaf()
        elif self.waiting:
            self.submit(self.waiting.pop(0))

    def _began(self, reply: str) -> None:
        if reply == self._keep_next:
            self.keep(reply)

    def _at_rest(self) -> None:
        if self.waiting and self.can_ask:
            self.submit(self.waiting.pop(0))

    @property
    def awaiting(self) -> bool:
        """Whether a message waits for the models to be ready."""
        return self._answer_when_ready

    # --- talking ----------------------------------------------------------------

    @property
    def can_ask(self) -> bool:
        """Whether a request can be sent now."""
        return self.state == "ready" and not self.read_only

    def submit(self, text: str) -> None:
        """Say something; it waits its turn while a reply runs or the models load.

        To a conversation that is only read nothing can be said.
        """
        if self.read_only:
            return
        if self.state == "busy" or self._answer_when_ready:
            self.waiting.append(text)
            return
        parent = self.conversation.leaf
        if self.editing is not None:
            parent, self.editing = self.editing.parent, None
        self.say(text, parent, self.system or "")
        self._answer_leaf()

    def _answer_leaf(self) -> None:
        leaf = self.conversation.leaf
        if self.state != "ready" or leaf is None:
            self._answer_when_ready = True
            return
        self._answer_when_ready = False
        lanes = self.lanes if self.comparing else {"amplified": self.alpha}
        self._ask(leaf, lanes, self.sampling)

    def _ask(
        self,
        leaf: str,
        lanes: Mapping[str, float],
        sampling: Sampling,
        forced: tuple[int, ...] = (),
    ) -> PendingRequest:
        request = Request(
            messages=self.conversation.prompt(leaf),
            lanes=tuple(Lane(reply=new_id("r"), name=name, alpha=lanes[name]) for name in lanes),
            sampling=sampling,
            forced=forced,
        )
        self.running = running = PendingRequest(request, self._clock())
        self.state = "busy"
        self._link.send(request)
        return running

    def take_waiting(self) -> str:
        """Hand back what was submitted and not sent yet."""
        text, self.waiting = "\n\n".join(self.waiting), []
        return text

    def regenerate(self) -> bool:
        """Answer the last message again, with a new seed. False when there is nothing to answer."""
        message = self.conversation.last_user_message()
        if message is None or not self.can_ask:
            return False
        seeds = [log.reply.seed for log in self.conversation.replies_to(message.id)]
        if seeds:
            self.sampling = self.sampling.model_copy(update={"seed": max(seeds) + 1})
        if (self.system or "") != self.conversation.system_text(message.id):
            parent = message.parent
            self.say(message.text, parent, self.system or "")
        else:
            self.conversation.leaf = message.id
        self._answer_leaf()
        return True

    def edit(self) -> str | None:
        """Take the last message back; what is submitted next becomes its sibling."""
        self.editing = self.conversation.last_user_message()
        if self.editing is None:
            return None
        self.stop()
        return self.editing.text

    # --- α and sampling ---------------------------------------------------------

    def adopt(self, profile: Profile) -> None:
        """Take over a profile's defaults, as at the start of a chat."""
        self.alpha = profile.alpha
        self.sampling = profile.sampling
        self.system = profile.system

    def set_alpha(self, alpha: float) -> None:
        """In force from the next token on."""
        self.alpha = round(alpha, 6)
        if self.running is not None:
            for reply in self.running.replies("amplified"):
                self._link.send(SetAlpha(reply, self.alpha))

    def set_sampling(self, sampling: Sampling) -> None:
        """In force from the next token on."""
        self.sampling = sampling
        if self.state == "busy":
            self._link.send(SetSampling(sampling))

    # --- lanes ------------------------------------------------------------------

    @property
    def lanes(self) -> dict[str, float]:
        """The lanes of a comparison by name: the fixed αs in order, and the live one last."""
        return {lane_name(alpha): alpha for alpha in self.sweep} | {"amplified": self.alpha}

    def lanes_of(self, log: ReplyLog) -> dict[str, ReplyLog]:
        """The replies that stand beside `log` in the comparison."""
        found = self.conversation.beside(log)
        return {lane: found[lane] for lane in self.lanes if lane in found}

    def complete_lanes(self, log: ReplyLog) -> bool:
        """Ask for the lanes that a reply lacks. False when nothing is missing or can be asked."""
        found = self.lanes_of(log)
        missing = {lane: alpha for lane, alpha in self.lanes.items() if lane not in found}
        if not missing or not self.can_ask or log.reply.parent is None:
            return False
        self._ask(log.reply.parent, missing, log.reply.sampling, log.forced)
        return True

    # --- siblings and notes -----------------------------------------------------

    def can_branch(self, log: ReplyLog) -> bool:
        """Whether this pair's token ids mean what they meant when the reply was made."""
        return (
            log.reply.parent is not None
            and self.opened is not None
            and _models(log.session) == _models(self.opened.session)
        )

    def branch(self, log: ReplyLog, place: int, token: int) -> bool:
        """Say `token` at a place of a reply instead, and go on from there: a sibling of it.

        The seed stays and with it the noise, so that what follows differs by
        the token and by α alone. In a comparison every lane goes on from there.
        """
        parent = log.reply.parent
        if not self.can_ask or parent is None or not self.can_branch(log):
            return False
        self.conversation.leaf = parent
        lane = log.reply.lane
        own = {lane: self.alpha if lane == "amplified" else log.reply.alpha}
        sampling = self.sampling.model_copy(update={"seed": log.reply.seed})
        forced = (*(step.token for step in log.steps[:place]), token)
        running = self._ask(parent, self.lanes if self.comparing else own, sampling, forced)
        self._keep_next = running.replies("amplified" if self.comparing else lane)[0]
        return True

    # --- other chats ------------------------------------------------------------

    def new_chat(self) -> None:
        """Start over with an empty conversation and, with its first message, a new file."""
        self.start_over()
        self._forget()
        self._begin_session()

    def _begin_session(self) -> None:
        """Say in the file what made what follows; the engine starts from empty caches."""
        if self.opened is not None and not self.read_only:
            self._link.send(Forget())
            self.record(self.opened.session)

    def _forget(self) -> None:
        self.editing = None
        self._answer_when_ready = False

    def resume(self, path: Path) -> Profile | None:
        """Go on with a saved chat. Raises TranscriptError and changes nothing if it cannot be.

        Returns the profile it was made with where that is another pair than the loaded one.
        """
        if self.is_in(path):
            return None
        self.take_up(path)
        self._forget()
        saved = self.conversation.session
        if (log := self.conversation.last_reply()) is not None:
            self.sampling = log.reply.sampling
            if log.reply.lane == "amplified":
                self.alpha = log.steps[-1].alpha if log.steps else log.reply.alpha
        self.system = self.conversation.system_text(self.conversation.leaf) or None
        other = recorded_profile(saved) if saved else None
        if other is not None and _pair(other) != _pair(self.profile) and not self.read_only:
            return other
        self._begin_session()
        return None

    def insist(self) -> None:
        """Let what the command line says about a resumed chat beat what the file says."""
        said = self.conversation.session
        saved = recorded_profile(said) if said else None
        if saved is None or self.profile.alpha != saved.alpha:
            self.alpha = self.profile.alpha
        if saved is None or self.profile.sampling != saved.sampling:
            self.sampling = self.profile.sampling
        if saved is None or self.profile.system != saved.system:
            self.system = self.profile.system


def _other_vocabulary(a: Session | None, b: Session) -> bool:
    """Whether the token ids of two sessions are known to mean different things."""
    if a is None or a.vocabulary is None or b.vocabulary is None:
        return False
    return a.vocabulary != b.vocabulary


def _models(session: Session | None) -> tuple[str, ...]:
    return (session.before.model, session.after.model) if session else ()


def _pair(profile: Profile) -> tuple[object, ...]:
    return profile.before, profile.after, profile.quantization, profile.dtype
