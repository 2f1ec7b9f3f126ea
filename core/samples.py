"""What is asked of an engine that samples many replies, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from logit_amp_chat.core.records import FinishReason, Message, PromptIds, Step, Variables
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.turn_ends import TurnEnds


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePrompt:
    """What is answered: the messages of a `Request`, and the text that every reply begins with.

    `ids` are those of all this where they are not to be rendered anew; the last `forced` of them
    are the text's. A sweep that goes on has the prompt that it began with.
    """

    messages: tuple[Message, ...]
    begin: str = ""
    raw: bool = False
    ids: PromptIds | None = None
    forced: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One reply to be sampled: an answer to the prompt of this number, with noise of its own."""

    reply: str
    prompt: int
    alpha: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """Sample every one of `draws`, many at once, begun in this order.

    The noise of a reply is that of a lane with its seed, so that a chat that decodes it alone
    says the same; `sampling` counts otherwise. `grid` are the αs whose log-probabilities of
    every token are wanted: if there are any, the αs of all draws are among them. After its
    first `amplify_first` tokens (None: never) a reply goes on at α = 0, as do all αs of the
    grid. `rows` replies are decoded at once (None: what memory allows). With `top` every
    reply has its steps, with candidates as in a `Request`, whose `time` and `template` these are.
    Replies end as `turn_ends` say (None: as the pair's do), and at the stop strings of `sampling`.
    """

    prompts: tuple[SamplePrompt, ...]
    draws: tuple[Draw, ...]
    sampling: Sampling
    grid: tuple[float, ...] = ()
    amplify_first: int | None = None
    rows: int | None = None
    top: int = 0
    time: str | None = None
    template: Variables | None = None
    turn_ends: TurnEnds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRead:
    """The ids of the prompt of this number, with those of the text that its replies begin with."""

    prompt: int
    ids: PromptIds
    forced: int
    """How many of the last ids are those of the text that replies begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogProbs:
    """Log-probabilities of the tokens of a reply, in nats, one entry a token.

    `q` has those under each α of the grid (n, K) as tokens are sampled there: with temperature,
    filters and plausibility mask, −∞ where one of them removes the token. `before` and `after`
    (n,) are those of the unmasked distributions at temperature 1, `kl` (n,) is
    KL(after‖before) where the token stands.
    """

    q: tuple[tuple[float, ...], ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    kl: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledReply:
    """One reply, whole.

    `tokens` are the sampled ones, with the end of turn; they follow the prompt and the text that
    it begins with. `text` is all of the reply, from that text on, without special tokens other
    than the marks of thinking, channels and tool calls; `lengths` (n,) are how many characters of
    it are complete after each token. The α of the reply has the log-probabilities of the very
    scores that its tokens were drawn from. A cancelled reply, or one that broke off with an
    error, is no sample of anything.
    """

    reply: str
    prompt: int
    alpha: float
    seed: int
    tokens: tuple[int, ...]
    text: str
    lengths: tuple[int, ...]
    log_probs: TokenLogProbs
    finish: FinishReason
    error: str | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleProgress:
    """How far a `SampleRequest` is: replies that have ended, rows in use, tokens sampled so far."""

    ended: int
    rows: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A reply that is there: its tokens follow `ids`, the prompt with what replies begin with."""

    reply: str
    ids: PromptIds
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RescoreRequest:
    """Measure replies that are there at the αs of `grid`, each in one pass; nothing is sampled.

    `sampling` and `amplify_first` are those of the `SampleRequest` that they came from.
    """

    replies: tuple[Given, ...]
    sampling: Sampling
    grid: tuple[float, ...]
    amplify_first: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """The log-probabilities of a reply that was there."""

    reply: str
    log_probs: TokenLogProbs
