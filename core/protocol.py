"""The engine's interface, the requests and commands it takes, and the events it reports.

Both ends of the pipe import this file and nothing heavier. Replies, steps, changes
and finishes are reported as the records themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ValidationError

from logit_amp_chat.core import samples
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.prompts import (
    OpeningsRequest,
    PromptRequest,
    PromptTokens,
    parent_of,
    turn_of,
)
from logit_amp_chat.core.reading import (
    Names,
    NamesRequest,
    ReadBlock,
    ReadRequest,
    StageBlock,
    StageReadRequest,
    TokenSums,
)
from logit_amp_chat.core.records import (
    Change,
    Document,
    Finish,
    Message,
    Opening,
    PromptIds,
    Reply,
    Session,
    Step,
    Variables,
)
from logit_amp_chat.core.sampling import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One reply to be decoded at one α.

    `stages` are those of a chain that are its before and after (None: the engine's pair).
    `messages`, `seed` and `max_new_tokens` are the request's if None here. `follows`
    is recorded with the reply: which reply `messages` continue, where that is not
    the one before the message that is answered.
    """

    reply: str
    name: str
    alpha: float
    stages: tuple[str, str] | None = None
    messages: tuple[Message, ...] | None = None
    seed: int | None = None
    max_new_tokens: int | None = None
    follows: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Decode one reply per lane.

    `messages` is the history from the first message to the one to be answered,
    with kept replies as assistant messages. With `raw` the last message is used
    as it is, without a chat template. `forced` token ids begin every lane.
    The text `begin` follows them, tokenized where it stands; tokens that are given count as
    those of the reply, but for `begin` where it `edits` one. That is recorded with the reply.
    `top` candidates of each kind go into every step. `time` is the moment that a template
    may write, as records have it; None: when the session was opened. `template` are the
    variables that it gets; None: the profile's. `prompt` are the ids of `messages` where these
    are not to be rendered anew: those of a reply that others are compared with.

    Lanes with the same messages are decoded together, those with different
    messages one group after the other; lanes with the same seed share their noise.
    """

    messages: tuple[Message, ...]
    lanes: tuple[Lane, ...]
    sampling: Sampling
    forced: tuple[int, ...] = ()
    raw: bool = False
    top: int = 10
    time: str | None = None
    template: Variables | None = None
    begin: str = ""
    edits: str | None = None
    prompt: PromptIds | None = None

    @property
    def turn(self) -> int:
        """Index of the user turn being answered, from 0: part of the noise's key."""
        return turn_of(self.messages)

    @property
    def parent(self) -> str | None:
        """The id of the message being answered."""
        return parent_of(self.messages)

    def messages_of(self, lane: Lane) -> tuple[Message, ...]:
        """The messages that a lane answers."""
        return self.messages if lane.messages is None else lane.messages

    def sampling_of(self, lane: Lane) -> Sampling:
        """A lane's sampling, with its own seed and limit if it has them.

        Raises UsageError if they are out of range.
        """
        own = {"seed": lane.seed, "max_new_tokens": lane.max_new_tokens}
        changed = {name: value for name, value in own.items() if value is not None}
        try:
            return Sampling.model_validate(self.sampling.model_dump() | changed)
        except ValidationError as error:
            name = error.errors()[0]["loc"][-1]
            raise UsageError(
                f"Lane {lane.reply}: {name} cannot be {changed.get(str(name))}.",
                "A seed is 0 or more, max_new_tokens 1 or more.",
            ) from error

    def reply_of(self, lane: Lane, prompt: PromptIds, forced: int) -> Reply:
        """The record a lane begins with; at most `forced` of its tokens are given."""
        sampling = self.sampling_of(lane)
        messages = self.messages_of(lane)
        return Reply(
            id=lane.reply,
            parent=parent_of(messages),
            lane=lane.name,
            alpha=lane.alpha,
            seed=sampling.seed,
            turn=turn_of(messages),
            sampling=sampling,
            prompt=prompt,
            forced=min(forced, sampling.max_new_tokens),
            raw=self.raw,
            candidates=self.top,
            follows=lane.follows,
            edits=self.edits,
            stages=lane.stages,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """Measure the token ids `tokens` after `prompt` at the αs of `lanes`; nothing is sampled.

    `prompt` holds at least one id for each side. The result is the same records as for
    a decoded reply, with all tokens forced; an end of turn among the ids ends nothing.
    """

    prompt: PromptIds
    tokens: tuple[int, ...]
    lanes: tuple[Lane, ...]
    sampling: Sampling = field(default_factory=Sampling)
    parent: str | None = None
    top: int = 10

    def reply_of(self, lane: Lane) -> Reply:
        """The record a lane begins with; its length is that of the given tokens."""
        return Reply(
            id=lane.reply,
            parent=self.parent,
            lane=lane.name,
            alpha=lane.alpha,
            seed=self.sampling.seed,
            turn=0,
            sampling=self.sampling.model_copy(update={"max_new_tokens": len(self.tokens)}),
            prompt=self.prompt,
            forced=len(self.tokens),
            raw=True,
            candidates=self.top,
            stages=lane.stages,
        )


# --- from the app to the engine -------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetAlpha:
    """From the next token on, this lane runs at `alpha`."""

    reply: str
    alpha: float


@dataclass(frozen=True, slots=True)
class SetSampling:
    """From the next token on, every lane samples like this."""

    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Stop:
    """End this lane, or all of them, after the token in flight."""

    reply: str | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """Another conversation begins: the next request starts from empty caches.

    Cached prefixes affect the last digits, so a conversation that is to be
    replayed must not depend on the one before it.
    """


@dataclass(frozen=True, slots=True)
class Drain:
    """Begin no further reply of a SampleRequest; those that have begun are finished."""


Adjustment = SetAlpha | SetSampling | Stop | Forget | Drain
AnyRequest = (
    Request
    | ScoreRequest
    | OpeningsRequest
    | PromptRequest
    | ReadRequest
    | NamesRequest
    | StageReadRequest
    | samples.SampleRequest
    | samples.RescoreRequest
)
Command = AnyRequest | Adjustment

# --- from the engine to the app -------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """Progress of opening a pair; `total` is None if unknown.

    `stage` is one of start, download, vocabulary, memory, weights, copy, warm-up; `unit` says what
    `done` and `total` count (bytes, tokens). Of memory they are what is needed and what is free.
    """

    stage: str
    detail: str
    done: float
    total: float | None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The pair is ready; `notices` are things the user should know, one sentence each.

    `special_tokens` are the spellings of those that a message does not mean by spelling them.
    """

    session: Session
    notices: tuple[str, ...] = ()
    memory: int = 0
    special_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prefill:
    """Progress of prefilling the prompt, in tokens that were not cached."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A model is in the middle of a forward pass; sent by the thread that computes."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the user should know about the engine; it came up during a request."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Idle:
    """The request is over; the engine can take the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something could not be done; if `fatal`, the engine is gone too."""

    message: str
    remedy: str = ""
    exit_code: int = 1
    fatal: bool = False


Event = (
    Loading
    | Opened
    | Prefill
    | Heartbeat
    | Reply
    | Step
    | Change
    | Finish
    | Opening
    | PromptTokens
    | Document
    | ReadBlock
    | StageBlock
    | TokenSums
    | Names
    | Session
    | samples.PromptRead
    | samples.SampledReply
    | samples.SampleProgress
    | samples.Rescored
    | Noticed
    | Idle
    | Failed
)
