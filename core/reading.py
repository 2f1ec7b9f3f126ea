"""What is asked of an engine that reads a text which is already there, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from logit_amp_chat.core.records import Message, PromptIds, Step, Variables
from logit_amp_chat.core.sampling import Ends

if TYPE_CHECKING:
    import numpy

Score = Literal["assistant", "user", "system", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainText:
    """A text as it is, without a template; every token is scored."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A conversation, read through the pair's template; `score` says whose tokens count."""

    messages: tuple[Message, ...]
    score: Score = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Token ids as a transcript has them: the tokens after the prompt are scored."""

    prompt: PromptIds
    tokens: tuple[int, ...]


Content = PlainText | Chat | Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """Measure every scored token of `content` under both sides; nothing is sampled.

    Longer texts than `window` tokens (None: what the pair reads at best) are read in windows,
    each of which scores `stride` tokens (None: half the window) after the tokens before them.
    The steps have the first of `alphas` as theirs; the others add log-probabilities. Tokens
    whose |log p after − log p before| reaches `threshold` nats (None: the usual threshold of the
    first tokens, see `usual_threshold`), or with `everywhere` all, get `top` candidates of each
    kind. With `sums` the answer has what would be said, summed over
    the scored positions. `time`, `template` and `ends` are those of a `Request` and of its
    sampling.
    """

    document: str
    content: Content
    source: str = ""
    place: str = ""
    line: int = 1
    alphas: tuple[float, ...] = (0.0,)
    window: int | None = None
    stride: int | None = None
    top: int = 10
    threshold: float | None = 1.0
    everywhere: bool = False
    sums: bool = False
    time: str | None = None
    template: Variables | None = None
    ends: Ends = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBlock:
    """The next scored tokens of a document; `done` of its `total` tokens have been read.

    A step's `reply` is the document's id, its `index` counts the scored tokens from 0.
    `further` is the log-probability of each token at the αs after the first.
    """

    document: str
    done: int
    total: int
    steps: tuple[Step, ...]
    further: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReadRequest:
    """Measure every scored token of `content` under `stages` of a chain.

    They are read over the usable ids of the whole chain; where they do not fit into memory
    together, the text is read to its end under the first ones, then under the next. The other
    fields are those of a `ReadRequest`.
    """

    document: str
    content: Content
    stages: tuple[str, ...]
    source: str = ""
    place: str = ""
    line: int = 1
    window: int | None = None
    stride: int | None = None
    time: str | None = None
    template: Variables | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBlock:
    """The next scored tokens of a document; `done` of its `total` tokens have been read.

    Of each token `logp` has its log-probability under each of `stages`, `best` the id that it
    finds likeliest with its log-probability, and `kl` has KL(later‖earlier) in nats of every
    stage after the first from the one before it.
    """

    document: str
    stages: tuple[str, ...]
    done: int
    total: int
    tokens: tuple[int, ...]
    logp: tuple[tuple[float, ...], ...]
    best: tuple[tuple[tuple[int, float], ...], ...]
    kl: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class NamesRequest:
    """How the ids `tokens` are written."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """The text of each id that a `NamesRequest` asked for."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSums:
    """The probability of every id (V,) under each side, summed over a document's scored positions.

    What would be said there, not only what stands there.
    """

    document: str
    positions: int
    before: numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]
    after: numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]


@dataclass(frozen=True)
class Window:
    """Tokens [begin, end) of a text are read, and those from `first` on measured."""

    begin: int
    first: int
    end: int


def windows(length: int, room: int, stride: int) -> Iterator[Window]:
    """Windows of at most `room` tokens that measure every token once, `stride` in each.

    The first one measures all it holds.
    """
    end = 0
    while end < length:
        first, end = end, min(length, end + stride if end else room)
        yield Window(max(0, end - room), first, end)
