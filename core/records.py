"""The records that screen, transcript and exports are made from.

One record is one line of a transcript (JSON Lines, version 2; version 1 is read as
well). The same objects travel from the engine to the app, so that what is shown is
what is saved. A field's name has one JSON type in all records. Log-probabilities are
natural logs of unmasked distributions at temperature 1; divergences and entropies are
in nats.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AliasChoices, Field

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.json_types import AsColumns, NullAs
from logit_amp_chat.core.sampling import Ends, Sampling

VERSION = 2
NO_LIMIT = 1 << 30
"""The context, in tokens, of a model that has none: recurrent states hold any length."""

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "context", "cancelled", "error"]
LogProb = Annotated[float, NullAs(-math.inf)]
"""Natural logarithm of a probability; log 0 is null in JSON."""
Nats = Annotated[float, NullAs(math.inf)]
"""A divergence; an infinite one is null in JSON."""
TemplateValue = str | bool | int | float | None
"""What a variable of a chat template may be set to."""
Variables = Mapping[str, TemplateValue]
"""The variables of a chat template besides the messages."""


def told_apart(variables: Mapping[str, TemplateValue]) -> frozenset[tuple[str, str]]:
    """What tells variables of a template apart: 1, 1.0 and true are equal, but written apart."""
    return frozenset((name, repr(value)) for name, value in variables.items())


def new_id(prefix: str) -> str:
    """A short id that is unique across the files of a machine."""
    return f"{prefix}-{secrets.token_hex(5)}"


def now() -> str:
    """The time as records have it: ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class LogProbs:
    """log p of one token under each of the three distributions, in nats."""

    before: LogProb
    after: LogProb
    amplified: LogProb


@dataclass(frozen=True, slots=True)
class Ranks:
    """1 + the number of tokens that are strictly more probable."""

    before: int
    after: int
    amplified: int


class Candidate(NamedTuple):
    """One token of a step's top list, with its log-probabilities."""

    id: int
    text: str
    before: float
    after: float
    amplified: float


Candidates = Annotated[tuple[Candidate, ...], AsColumns(*Candidate._fields)]
Spans = Annotated[
    tuple[tuple[int, Role, int, int], ...], AsColumns("message", "role", "start", "end")
]


@dataclass(frozen=True, slots=True)
class PromptIds:
    """The token ids each side was prompted with."""

    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SideInfo:
    """One loaded side, as precisely as it can be named.

    `quantization` is that of the loaded weights, whether they were saved quantized or were
    quantized on loading: none, nf4, int8, fp8, gptq 4-bit, gguf Q4_K … The adapter names
    `adapter_base` as the model that it was trained on, and `adapter_brings` its own tokenizer,
    template or both. Sides that differ in these two alone count as the same: what decides
    numbers is in other fields.
    """

    model: str
    revision: str | None
    adapter: str | None
    dtype: str
    quantization: str
    adapter_revision: str | None = None
    adapter_base: str | None = field(default=None, compare=False)
    adapter_brings: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCheck:
    """How a model computes replies, and how far that is from whole forward passes.

    `use` is what its caches are used for: turns, chunks, lanes, one_lane or none; `failed`
    says why not for more. `kl` is the mean KL(whole‖as computed) in nats, which had to
    stay below `limit`; `largest` the largest difference of a log-probability. `unchecked`
    are lengths in tokens at which the model's positions or masks change, and which were
    too expensive to cross.
    """

    use: str
    kl: Nats
    largest: Nats
    limit: float
    failed: dict[str, str] = field(default_factory=dict)
    unchecked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The profile, models and versions that the following records were made with.

    `vocabulary` is a hash of the vocabulary without added tokens; `context` is
    in tokens; a reply ends after any of the ids `end_of_turn`, and before any of the texts
    `next_turn` unless it is raw. `caches` are the checks of
    before, after, of both together, where both are one model, and of captured steps; None if
    they were skipped. `revisions` are those of a chain's stages, in order; the profile's
    `pair` says which two of them are before and after. A session that was opened `beside` another
    one is that of lanes which stand beside that one's.
    """

    type: Literal["session"] = "session"
    id: str
    time: str
    version: int = VERSION
    profile: dict[str, Any]
    before: SideInfo
    after: SideInfo
    template_hash: str | None
    versions: dict[str, str]
    device: str
    context: int
    vocabulary: str | None = None
    end_of_turn: tuple[int, ...] = ()
    next_turn: tuple[str, ...] = ()
    revisions: dict[str, str | None] = field(default_factory=dict)
    beside: str | None = None
    caches: dict[str, CacheCheck] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of the conversation; `parent` is the message or reply that it follows.

    What its text spells like a special token is text, unless it is `special`: then it is that
    token. `token_ids` are what the models said where it is a reply; None if only its text
    is known. `thinks` as in `Reply`.
    """

    type: Literal["message"] = "message"
    id: str
    parent: str | None
    role: Role
    text: str
    special: bool = False
    token_ids: tuple[int, ...] | None = None
    thinks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One lane's answer to `parent`: everything needed to decode it again.

    Its first `forced` tokens were given, not sampled. `follows` is the reply that
    this lane's own history continues, where that is not the one before `parent`. `edits` is
    the reply whose text the user changed into what was given. The prompt was rendered with
    the variables `template` at the moment `time`; where it `thinks`, it left thinking open.
    A step has up to `candidates` of each kind. (Version 1: `top`, and an opening's `size`.)
    `stages` are those of a chain that are its before and after, where these are others than the
    session's.
    """

    type: Literal["reply"] = "reply"
    id: str
    parent: str | None
    lane: str
    alpha: float
    seed: int
    turn: int
    sampling: Sampling
    prompt: PromptIds
    forced: int = 0
    raw: bool = False
    candidates: Annotated[int, Field(validation_alias=AliasChoices("candidates", "top"))] = 10
    follows: str | None = None
    edits: str | None = None
    template: dict[str, TemplateValue] = field(default_factory=dict)
    time: str | None = None
    thinks: bool = False
    stages: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One token of one lane, with its statistics.

    `text` is the token decoded on its own; `bytes` (hex) is set if that is not
    valid UTF-8. A reply's text is decoded from all bytes joined. `special`
    tokens (end of turn and the like) are not part of the reply's text.
    `kl` is KL(after‖before), `kl_amplified` KL(amplified‖after), `entropy`
    that of amplified, all in nats.
    """

    type: Literal["step"] = "step"
    reply: str
    index: int
    alpha: float
    token: int
    text: str
    bytes: str | None = None
    special: bool = False
    logp: LogProbs
    rank: Ranks
    kl: Nats
    kl_amplified: Nats
    entropy: Nats
    top: Candidates = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The sampling changed mid-reply, from step `index` on."""

    type: Literal["change"] = "change"
    reply: str
    index: int
    sampling: Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A lane ended: why, after how many tokens and seconds.

    `stop` is the stop string that its last token completes, where that ended it: the reply's
    text ends before it.
    """

    type: Literal["finish"] = "finish"
    reply: str
    reason: FinishReason
    tokens: int
    seconds: float
    error: str | None = None
    stop: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How each distribution goes on after `path`, the tokens that begin an answer to `parent`.

    Measured, not sampled: `path` has the log-probability of each of its tokens after those
    before it, `top` those for the next one as in a step, up to `candidates` of each kind.
    `kl`, `kl_amplified` and `entropy` are those of the next token, as in a step. `ends` is
    what `amplified` does with end-of-turn tokens (see `Sampling`). The prompt was rendered with
    the variables `template`.
    """

    type: Literal["opening"] = "opening"
    parent: str | None
    alpha: float
    path: Candidates = ()
    prompt: PromptIds
    raw: bool = False
    candidates: Annotated[int, Field(validation_alias=AliasChoices("candidates", "size"))]
    kl: Nats
    kl_amplified: Nats
    entropy: Nats
    top: Candidates
    ends: Ends = "mix"
    template: dict[str, TemplateValue] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[int, ...]:
        """The token ids of the path."""
        return tuple(candidate.id for candidate in self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text that was read: it was there before, nothing is generated.

    `source` is the file it is from, `place` which chat or reply of that file; both may be
    empty. `offsets` are the characters [start, end) of `text` that each scored token covers,
    in the order of the document's steps; a chat's `text` is what its template makes of it, and
    `spans` are the messages: number from 0, role, start, end. `line` is the line of the file
    that `text` begins at, from 1. `window` and `stride` are in tokens. A token stands out
    where its |log p after − log p before| reaches `threshold` nats. The steps are at the first
    of `alphas`, with end-of-turn tokens as `ends` says (see `Sampling`).
    """

    type: Literal["document"] = "document"
    id: str
    source: str = ""
    place: str = ""
    line: int = 1
    text: str
    tokens: int
    offsets: tuple[tuple[int, int], ...]
    spans: Spans = ()
    threshold: Nats
    alphas: tuple[float, ...] = (0.0,)
    window: int
    stride: int
    ends: Ends = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """This reply became the history, or this message where nothing answers it."""

    type: Literal["keep"] = "keep"
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the user wrote about a message, a reply or one of its steps.

    A later note about the same thing replaces it; an empty one removes it.
    """

    type: Literal["note"] = "note"
    about: str
    text: str
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """The user's name for a reply; an empty text removes it."""

    type: Literal["name"] = "name"
    reply: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """The user's title for the conversation; an empty text removes it."""

    type: Literal["title"] = "title"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A record of a later version: kept as it is, never dropped."""

    type: str
    fields: dict[str, Any] = field(default_factory=dict)


Known = (
    Session
    | Message
    | Reply
    | Step
    | Change
    | Finish
    | Opening
    | Document
    | Blamed
    | Keep
    | Note
    | Name
    | Title
)
Record = Known | Unknown
