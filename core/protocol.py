"""What the app asks of an engine, and what an engine reports.

Both ends import this file and nothing heavier: it travels over a pipe.
Replies, steps, changes and finishes are reported as the records they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from logit_amp_chat.core.records import Change, Finish, Message, Reply, Sampling, Session, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One reply to be decoded at one α."""

    reply: str
    name: str
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Decode one reply a lane, all from the same messages.

    `messages` is the history from the first message to the one to be answered;
    kept replies stand in it as assistant messages. With `raw` the only message
    is used as it is, without a chat template. `forced` token ids open every
    lane. `top` candidates of each kind go into every step.
    """

    messages: tuple[Message, ...]
    lanes: tuple[Lane, ...]
    sampling: Sampling
    forced: tuple[int, ...] = ()
    raw: bool = False
    top: int = 10

    @property
    def turn(self) -> int:
        """Which user turn is being answered, from 0: part of the noise's key."""
        return max(0, sum(m.role == "user" for m in self.messages) - 1)

    @property
    def parent(self) -> str | None:
        """The id of the message that is answered."""
        return self.messages[-1].id if self.messages else None


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

    What is cached shows in the last digits, so a conversation that is to be
    replayed must not depend on the one before it.
    """


Command = Request | SetAlpha | SetSampling | Stop | Forget

# --- from the engine to the app -------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """Progress of opening a pair; `total` None where it is not known.

    `stage` is one of start, download, vocabulary, weights, copy, warm-up; `unit` says what
    `done` and `total` count (bytes, tokens).
    """

    stage: str
    detail: str
    done: float
    total: float | None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The pair is ready; `notices` are things the user should know, one sentence each."""

    session: Session
    notices: tuple[str, ...] = ()
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Prefill:
    """Progress of reading the prompt, in tokens that were not cached."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A model is in the middle of reading tokens: said by the thread that computes."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """The user should know this of the engine; it came up while a request was answered."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Idle:
    """The request is over; the engine can take the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something could not be done. `fatal`: the engine is gone with it."""

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
    | Noticed
    | Idle
    | Failed
)
