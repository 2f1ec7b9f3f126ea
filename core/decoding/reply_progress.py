"""A reply while it is sampled beside many others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from logit_amp_chat.core.decoding.repetition import History
from logit_amp_chat.core.models.vocabulary import TokenBytes
from logit_amp_chat.core.records import FinishReason, PromptIds, Step
from logit_amp_chat.core.samples import Draw, SampledReply, TokenLogProbs
from logit_amp_chat.core.transcripts.reply_parts import DescribedToken, ReplyParts
from logit_amp_chat.core.transcripts.stop_strings import StopSearch
from logit_amp_chat.core.turn_ends import TurnEnds

# The numbers of a token before those of the grid: its log-probability as it was drawn, before,
# after, KL(after‖before).
LEADING = 4


@dataclass(frozen=True)
class AskedPrompt:
    """A prompt as it is read: its ids, with those `forced` that replies begin with at their end.

    `turn` is the index of the user turn that is answered, `turn_ends` what ends a reply to it.
    `notices` say what one would not expect of it.
    """

    ids: PromptIds
    forced: tuple[int, ...]
    turn: int
    turn_ends: TurnEnds
    notices: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Tokens of the longer side, without those that replies begin with."""
        return max(len(self.ids.before), len(self.ids.after)) - len(self.forced)


@dataclass
class ReplyProgress:
    """A reply: its tokens so far, with their numbers."""

    draw: Draw
    prompt: AskedPrompt
    tokens: list[int] = field(default_factory=list)
    numbers: list[list[float]] = field(default_factory=list)
    """Of each token: its log-probability as it was drawn, and those of `GridLogProbs`."""
    steps: list[Step] = field(default_factory=list)
    finish: FinishReason | None = None
    error: str | None = None
    stop: str | None = None
    """The stop string that its last token completes."""
    _search: StopSearch | None = None
    _history: History | None = None

    @property
    def history(self) -> History:
        """What stands before its next token."""
        if self._history is None:
            self._history = History(self.prompt.ids.after)
        for token in self.tokens[len(self._history.ids) - len(self.prompt.ids.after) :]:
            self._history.add(token)
        return self._history

    def add(
        self, names: TokenBytes, token: int, numbers: list[float], stops: Sequence[str]
    ) -> None:
        """Add the next token with its numbers, and look for `stops` and those of its prompt."""
        self.tokens.append(token)
        self.numbers.append(numbers)
        stops = (*stops, *self.prompt.turn_ends.texts)
        if not stops:
            return
        if self._search is None:
            self._search = StopSearch()
            self._search.add(b"".join(map(names.raw, self.prompt.forced)), ())
        self.stop = self._search.add(names.raw(token), stops)

    @property
    def index(self) -> int:
        """The place of its next token, as a chat counts it."""
        return len(self.prompt.forced) + len(self.tokens)

    def sampled(
        self, names: TokenBytes, grid: Sequence[float], amplify_first: int | None
    ) -> SampledReply:
        """The reply, which has ended, with log-probabilities at the αs of `grid`."""
        assert self.finish is not None
        stop = self.stop if self.finish == "stop" else None
        text, lengths = _text(names, self.prompt.forced, self.tokens, stop)
        return SampledReply(
            reply=self.draw.reply,
            prompt=self.draw.prompt,
            alpha=self.draw.alpha,
            seed=self.draw.seed,
            tokens=tuple(self.tokens),
            text=text,
            lengths=lengths,
            log_probs=self._log_probs(grid, amplify_first),
            finish=self.finish,
            error=self.error,
            steps=tuple(self.steps),
        )

    def _log_probs(self, grid: Sequence[float], amplify_first: int | None) -> TokenLogProbs:
        """At the α that a token was drawn at, its log-probability is that of the draw."""
        own = [n for n, alpha in enumerate(grid) if alpha == self.draw.alpha]
        for index, numbers in enumerate(self.numbers):
            plain = amplify_first is not None and index >= amplify_first
            for n in range(len(grid)) if plain else own:
                numbers[LEADING + n] = numbers[0]
        return log_probs_of([numbers[1:] for numbers in self.numbers])


def log_probs_of(numbers: Sequence[Sequence[float]]) -> TokenLogProbs:
    """The log-probabilities of a reply from the numbers of `GridLogProbs` of its tokens."""
    return TokenLogProbs(
        q=tuple(tuple(one[3:]) for one in numbers),
        before=tuple(one[0] for one in numbers),
        after=tuple(one[1] for one in numbers),
        kl=tuple(one[2] for one in numbers),
    )


def _text(
    names: TokenBytes, begin: Sequence[int], tokens: Sequence[int], stop: str | None
) -> tuple[str, tuple[int, ...]]:
    """The text of a reply, and how many of its characters are complete after each of `tokens`.

    It ends before `stop`, which the last token completes.
    """
    stream = ReplyParts()
    pieces = [stream.add(DescribedToken(*names.describe(token))) for token in (*begin, *tokens)]
    text = "".join(pieces) + stream.finish()
    if stop is not None:
        stream.stop(stop)
        text = stream.marked
    done = sum(map(len, pieces[: len(begin)]))
    lengths = []
    for piece in pieces[len(begin) :]:
        done += len(piece)
        lengths.append(min(done, len(text)))
    return text, tuple(lengths)
