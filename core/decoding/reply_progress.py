"""A reply while it is sampled beside many others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.records import FinishReason, PromptIds, Step
from logit_amp_chat.core.samples import Draw, SampledReply, TokenLogProbs
from logit_amp_chat.core.transcripts.reply_text import ReplyText


@dataclass(frozen=True)
class AskedPrompt:
    """A prompt as it is read: its ids, with those `forced` that replies begin with at their end.

    `turn` is the index of the user turn that is answered.
    """

    ids: PromptIds
    forced: tuple[int, ...]
    turn: int

    @property
    def length(self) -> int:
        """Tokens of the longer side, without those that replies begin with."""
        return max(len(self.ids.before), len(self.ids.after)) - len(self.forced)


class TokenNumbers(NamedTuple):
    """The log-probabilities of one token: those of a `TokenLogProbs`, `q` one for each α."""

    before: float
    after: float
    kl: float
    q: tuple[float, ...]


@dataclass
class ReplyProgress:
    """A reply: its tokens so far, with their numbers."""

    draw: Draw
    prompt: AskedPrompt
    tokens: list[int] = field(default_factory=list)
    numbers: list[TokenNumbers] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    finish: FinishReason | None = None
    error: str | None = None

    @property
    def index(self) -> int:
        """The place of its next token, as a chat counts it."""
        return len(self.prompt.forced) + len(self.tokens)

    def sampled(self, names: TokenBytes) -> SampledReply:
        """The reply, which has ended."""
        assert self.finish is not None
        text, lengths = _text(names, self.prompt.forced, self.tokens)
        return SampledReply(
            reply=self.draw.reply,
            prompt=self.draw.prompt,
            alpha=self.draw.alpha,
            seed=self.draw.seed,
            tokens=tuple(self.tokens),
            text=text,
            lengths=lengths,
            log_probs=log_probs_of(self.numbers),
            finish=self.finish,
            error=self.error,
            steps=tuple(self.steps),
        )


def log_probs_of(numbers: Sequence[TokenNumbers]) -> TokenLogProbs:
    """The log-probabilities of a reply from those of its tokens."""
    return TokenLogProbs(
        q=tuple(one.q for one in numbers),
        before=tuple(one.before for one in numbers),
        after=tuple(one.after for one in numbers),
        kl=tuple(one.kl for one in numbers),
    )


class _Described(NamedTuple):
    text: str
    bytes: str | None
    special: bool


def _text(
    names: TokenBytes, begin: Sequence[int], tokens: Sequence[int]
) -> tuple[str, tuple[int, ...]]:
    """The text of a reply, and how many of its characters are complete after each of `tokens`."""
    stream = ReplyText()
    pieces = [stream.add(_Described(*names.describe(token))) for token in (*begin, *tokens)]
    done = sum(map(len, pieces[: len(begin)]))
    lengths = []
    for piece in pieces[len(begin) :]:
        done += len(piece)
        lengths.append(done)
    return "".join(pieces) + stream.finish(), tuple(lengths)
