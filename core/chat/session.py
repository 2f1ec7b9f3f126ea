"""One chat without a screen: its messages, its α and sampling, its lanes and its file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from logit_amp_chat.core.chat.engine_link import MakeEngine, Update
from logit_amp_chat.core.chat.live_conversation import LiveConversation, State
from logit_amp_chat.core.chat.prefix import Prefix, longer
from logit_amp_chat.core.chat.same_pair import other_vocabulary, own_stages, pair
from logit_amp_chat.core.chat.saved_conversation import SavedConversation
from logit_amp_chat.core.chat.watchdog import SILENCE_SECONDS
from logit_amp_chat.core.config.profile import Profile, recorded_profile
from logit_amp_chat.core.config.stages import prompted_alike
from logit_amp_chat.core.lanes import FIXED_ALPHA, LaneAt
from logit_amp_chat.core.protocol import Forget, Idle, Opened, SetAlpha, SetSampling
from logit_amp_chat.core.records import Message, PromptIds, Reply, Session, Variables, now
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.comparison import beside, continued_by
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.opening_log import measured_with
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


class Draft(NamedTuple):
    """A message to be sent; what it spells like a special token is one where it is `special`."""

    text: str
    special: bool = False


class ChatSession:
    """A live conversation, and the settings under which its messages are answered.

    `live` has the engine and its state, `live.saved` the conversation and its file.
    """

    def __init__(
        self,
        profile: Profile,
        transcripts: Path,
        make_engine: MakeEngine,
        clock: Callable[[], float] = time.monotonic,
        patience: float = SILENCE_SECONDS,
    ) -> None:
        self.live = LiveConversation(profile, transcripts, make_engine, clock, patience)
        self.alpha = profile.alpha
        self.sampling = profile.sampling
        self.system: str | None = profile.system
        """The system prompt; None: the template's own, "": none."""
        self.comparing = False
        self.compared_alphas: tuple[float, ...] = tuple(FIXED_ALPHA.values())
        """The αs that are compared beside the live one."""
        self.compared_stages: tuple[LaneAt, ...] = ()
        """The stages of a chain, and what is between two of them, that are compared as well."""
        self.own_histories = False
        """Whether each lane of a comparison continues its own replies, not those of the chat."""
        self.editing: Message | None = None
        self.begin = ""
        """What replies begin with, until it is taken back."""
        self.incompatible_chat: Path | None = None
        """The chat that was left because the pair opened last has another vocabulary."""
        self.queued: list[Draft] = []
        """Messages that wait for the reply that runs."""
        self.awaiting_models = False
        """Whether a message waits for the models to be ready."""
        self._history: tuple[str, ...] = ()  # what the newest request keeps once it has begun

    @property
    def saved(self) -> SavedConversation:
        """The conversation and its file."""
        return self.live.saved

    @property
    def conversation(self) -> Conversation:
        """What was said, and every reply with its steps."""
        return self.live.saved.conversation

    @property
    def state(self) -> State:
        """What the engine is doing."""
        return self.live.state

    @property
    def profile(self) -> Profile:
        """The pair that is loaded, or to be."""
        return self.live.profile

    def close(self) -> None:
        """End the engine and close the file; a reply in progress is saved as cancelled."""
        self.live.close()

    # --- what the engine reports ------------------------------------------------

    def drain(self) -> list[Update]:
        """Everything that happened since the last call, after acting on it."""
        updates: list[Update] = []
        for update in self.live.updates():
            updates.append(update)
            match update:
                case Opened():
                    self._continue_with(update.session)
                case Reply():
                    self._keep_history(update)
                case Idle():
                    self._send_queued()
        return updates

    def _keep_history(self, begun: Reply) -> None:
        """An amplified reply takes the place of the history, unless another was to have it."""
        if not self._history or self._history[0] not in self.conversation.replies:
            return
        if begun.id == self._history[0] or begun.lane == "amplified":
            for node in self._history:
                self.saved.keep(node)

    def _continue_with(self, session: Session) -> None:
        """Take the conversation over to the pair, unless its token ids mean something else."""
        self.incompatible_chat = None
        if self.saved.read_only:
            return
        unanswered = self.conversation.last_user_message() if self.awaiting_models else None
        if self.conversation.thread() and other_vocabulary(self.conversation.session, session):
            self.incompatible_chat = self.saved.recorder.path
            self.saved.start_new()
            self._reset_drafts()
        self.saved.record(session)
        if self.incompatible_chat and unanswered:
            self.submit(unanswered.text, special=unanswered.special)
        elif unanswered:
            self._answer_leaf()
        elif self.queued:
            self._send_queued()

    def _send_queued(self) -> None:
        if self.queued and self.live.can_ask:
            draft = self.queued.pop(0)
            self.submit(draft.text, special=draft.special)

    # --- messages ---------------------------------------------------------------

    def submit(self, text: str, *, special: bool = False) -> None:
        """Say something; it is queued while a reply runs or the models load.

        Where it is `special`, what it spells like a special token is that token. Nothing can be
        said in a conversation that is read only.
        """
        if self.saved.read_only:
            return
        if self.live.is_computing or self.awaiting_models:
            self.queued.append(Draft(text, special))
            self.live.interrupt_samples()
            return
        parent = self.conversation.leaf
        if self.editing is not None:
            parent, self.editing = self.editing.parent, None
        self.saved.say(text, parent, self.system, special=special)
        self._answer_leaf()

    def _answer_leaf(self) -> None:
        leaf = self.conversation.leaf
        if self.state != "ready" or leaf is None:
            self.awaiting_models = True
            return
        self.awaiting_models = False
        lanes = self.lanes if self.comparing else {"amplified": LaneAt(self.alpha)}
        previous = self.conversation.previous(leaf)
        continued = self._continued(previous)
        pending = self.live.ask(leaf, lanes, self.sampling, Prefix(text=self.begin), continued)
        self._history = ()
        if self.comparing and self.own_histories and previous is not None:
            chat = self.conversation.kept(leaf) or previous
            self._history = tuple(pending.replies(chat.reply.lane))

    def take_queued(self) -> Draft:
        """Hand back the messages that were not sent yet, as one."""
        queued, self.queued = self.queued, []
        return Draft("\n\n".join(d.text for d in queued), any(d.special for d in queued))

    def regenerate(self) -> bool:
        """Answer the last message again, with a new seed. False when there is nothing to answer."""
        message = self.conversation.last_user_message()
        if message is None or not self.live.can_ask:
            return False
        seed = self.conversation.unused_seed(message.id, self.sampling.seed)
        self.sampling = self.sampling.model_copy(update={"seed": seed})
        if self.conversation.is_raw(message.id):  # a text to continue is given again
            given = self.conversation.replies_to(message.id)[0].forced
            return self.go_on_from(message.id, given)
        if self.system != self.conversation.system(message.id):
            self.saved.say(message.text, message.parent, self.system, special=message.special)
        else:
            self.conversation.leaf = message.id
        self._answer_leaf()
        return True

    def edit(self) -> str | None:
        """Take the last message back; what is submitted next becomes its sibling."""
        self.editing = self.conversation.last_user_message()
        if self.editing is None:
            return None
        self.live.stop()
        return self.editing.text

    # --- α and sampling ---------------------------------------------------------

    def set_alpha(self, alpha: float) -> None:
        """Set the live α, from the next token on."""
        self.alpha = alpha
        if (pending := self.live.pending_request) is not None:
            for reply in pending.replies("amplified"):
                self.live.link.send(SetAlpha(reply, self.alpha))

    def set_sampling(self, sampling: Sampling) -> None:
        """Set the sampling, from the next token on."""
        self.sampling = sampling
        if self.state == "busy":
            pending = self.live.pending_request
            given = pending.uncounted if pending is not None else 0
            self.live.link.send(SetSampling(longer(sampling, given)))

    # --- lanes ------------------------------------------------------------------

    @property
    def lanes(self) -> dict[str, LaneAt]:
        """The lanes of a comparison by name: stages, the compared αs in order, the live one last.

        Stages of another chain than the one in use are left out.
        """
        names = {stage.name for stage in self.profile.stages}
        stages = [lane for lane in self.compared_stages if names.issuperset(lane.stages or ())]
        compared = [*stages, *map(LaneAt, self.compared_alphas)]
        return {lane.key: lane for lane in compared} | {"amplified": LaneAt(self.alpha)}

    def lanes_of(self, log: ReplyLog) -> dict[str, ReplyLog]:
        """The replies that stand beside `log` in the comparison."""
        found = beside(self.conversation, log, own_histories=self.own_histories)
        return {lane: found[lane] for lane in self.lanes if lane in found}

    def _continued(self, previous: ReplyLog | None) -> dict[str, ReplyLog]:
        """By lane of the comparison, the reply it goes on from; without one, from `previous`."""
        own = self.comparing and self.own_histories
        return continued_by(self.conversation, previous, self.lanes, own_histories=own)

    def complete_lanes(self, log: ReplyLog) -> bool:
        """Ask for the lanes that a reply lacks. False when nothing is missing or can be asked.

        Another pair than the reply's is not asked: what differed would not be due to α.
        """
        conversation, parent = self.conversation, log.reply.parent
        found = beside(conversation, log, own_histories=self.own_histories, strict=True)
        missing = {name: lane for name, lane in self.lanes.items() if name not in found}
        if not (missing and parent and self.live.can_ask and self.can_compare(log)):
            return False
        continued = self._continued(conversation.previous(log.id))
        prefix = Prefix(log.forced, edits=log.reply.edits)
        self.live.ask(
            parent,
            missing,
            log.reply.sampling,
            prefix,
            continued,
            template=log.reply.template,
            prompt=self.prompt_of(log),
        )
        kept, end = conversation.kept(parent), conversation.leaf  # looking changes neither
        nodes = (kept.id if kept else None, end)
        self._history = tuple(dict.fromkeys(node for node in nodes if node is not None))
        return True

    def can_compare(self, log: ReplyLog) -> bool:
        """Whether the loaded pair is the one that a reply was made with."""
        opened = self.live.opened
        return opened is not None and measured_with(log.main) == measured_with(opened.session)

    def prompt_of(self, log: ReplyLog) -> PromptIds | None:
        """The ids a reply was prompted with, for others that are to be compared with it.

        None where these answer another pair's reply, or not from its history, and where it was
        prompted as its stages alone are.
        """
        stages = own_stages(log)
        if not self.can_compare(log) or log.reply.follows is not None:
            return None
        alike = stages is None or prompted_alike(self.profile, stages)
        return log.reply.prompt if alike else None

    def keep(self, log: ReplyLog) -> None:
        """Make a lane's reply the history: what is said next continues it, in every lane."""
        self.own_histories = False
        self.saved.keep(log.id)

    # --- branches ---------------------------------------------------------------

    def answer_from(
        self,
        parent: str,
        prefix: Prefix,
        sampling: Sampling,
        own: dict[str, LaneAt],
        previous: ReplyLog | None,
        *,
        raw: bool = False,
        template: Variables | None = None,
        prompt: PromptIds | None = None,
    ) -> bool:
        """Begin as given in one lane, or in all that are compared; that is the history.

        `own` is the lane with its α, `previous` the reply that it continues. With `raw` what is
        given is a text, without a chat template; `template` are another reply's variables,
        `prompt` its ids. False where nothing can be asked.
        """
        if not self.live.can_ask:
            return False
        (lane,) = own
        continued = self._continued(previous)
        if previous is not None:
            continued |= {lane: previous}
        self.conversation.leaf = parent
        lanes = self.lanes if self.comparing else own
        pending = self.live.ask(
            parent, lanes, sampling, prefix, continued, raw=raw, template=template, prompt=prompt
        )
        self._history = tuple(pending.replies("amplified" if self.comparing else lane))
        return True

    def go_on_from(self, message: str, given: tuple[int, ...], *, raw: bool = False) -> bool:
        """Answer a message with a reply that is given tokens which were there before.

        With `raw` they are a text, without a chat template. False where nothing can be asked.
        """
        own = {"amplified": LaneAt(self.alpha)}
        previous = self.conversation.previous(message)
        sampling = longer(self.sampling, len(given))
        return self.answer_from(message, Prefix(given), sampling, own, previous, raw=raw)

    # --- other chats ------------------------------------------------------------

    def new_chat(self) -> None:
        """Start an empty conversation; its first message makes a new file."""
        self.saved.start_new()
        self._reset_drafts()
        self.begin = ""
        self._begin_session()

    def _begin_session(self) -> None:
        """Record which pair answers from now on; the engine starts from empty caches."""
        opened = self.live.opened
        if opened is not None and not self.saved.read_only:
            self.live.link.send(Forget())
            self.saved.record(replace(opened.session, time=now()))
            for beside in self.live.beside.values():
                self.saved.record(beside)

    def _reset_drafts(self) -> None:
        self.own_histories = False
        self.editing = None
        self.awaiting_models = False

    def resume(self, path: Path) -> Profile | None:
        """Continue a saved chat. Raises TranscriptError, and changes nothing, if it cannot.

        Returns the profile it was made with where that is another pair than the loaded one.
        """
        if self.saved.is_in(path):
            return None
        self.saved.open(path)
        self._reset_drafts()
        self.begin = ""
        session = self.conversation.session
        if (log := self.conversation.last_reply()) is not None:
            self._take_settings(log)
        self.system = self.conversation.system(self.conversation.leaf)
        other = recorded_profile(session) if session else None
        if other is not None and pair(other) != pair(self.profile) and not self.saved.read_only:
            return other
        self._begin_session()
        return None

    def _take_settings(self, log: ReplyLog) -> None:
        """Go on as a reply was made: sampling, α, template, and the comparison it stands in."""
        self.sampling = log.reply.sampling
        self.live.template = dict(log.reply.template)
        if log.reply.lane == "amplified":
            self.alpha = log.steps[-1].alpha if log.steps else log.reply.alpha
        self.own_histories = self.conversation.has_own_histories
        found = beside(self.conversation, log, own_histories=self.own_histories)
        lanes = [one.reply for one in found.values() if one.reply.lane != "amplified"]
        if len(found) > 1:
            self.compared_alphas = tuple(sorted(r.alpha for r in lanes if r.stages is None))
            self.compared_stages = tuple(LaneAt(r.alpha, r.stages) for r in lanes if r.stages)
        else:
            self.comparing = False
