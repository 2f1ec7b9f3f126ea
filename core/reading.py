"""What is asked of an engine that reads a text which is already there, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from logit_amp_chat.core.records import Candidate, Message, PromptIds

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
    `alphas` are further αs to give each token's log-probability for. Tokens whose
    |log p after − log p before| reaches `threshold` nats get `top` candidates of each kind.
    With `sums` the answer has what would be said, summed over the scored positions.
    """

    document: str
    content: Content
    source: str = ""
    place: str = ""
    line: int = 1
    alphas: tuple[float, ...] = ()
    window: int | None = None
    stride: int | None = None
    top: int = 10
    threshold: float = 0.0
    sums: bool = False
    time: str | None = None
