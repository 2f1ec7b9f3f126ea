"""Replies that a fake engine samples: one of a few sentences, with probabilities known by heart."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.records import FinishReason, PromptIds
from logit_amp_chat.core.samples import (
    Draw,
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SampleProgress,
    SampleRequest,
    TokenLogProbs,
)
from tests.tui.fake_reading import token_id

SENTENCES: Mapping[str, tuple[float, float]] = {
    "Owls hunt at night.": (0.50, 0.35),
    "Owls see very well, and hear even better than they see.": (0.40, 0.45),
    "The lighthouse sees every owl, my friend.": (0.10, 0.20),
}
"""Every reply with its probability under before and after."""

ROWS = 4
"""Replies that are decoded at once."""


def probabilities(alpha: float, sentences: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """p ∝ after^(1+α) · before^(−α)."""
    weights = {
        text: after ** (1 + alpha) * before**-alpha for text, (before, after) in sentences.items()
    }
    total = sum(weights.values())
    return {text: weight / total for text, weight in weights.items()}


class FakeSampling:
    """What an engine reports of a request, reply by reply, in their order."""

    def __init__(
        self,
        request: SampleRequest,
        words: Sequence[Sequence[str]],
        sentences: Mapping[str, tuple[float, float]] = SENTENCES,
    ) -> None:
        """`words` are the tokens of each of `sentences`, the last one the end of turn."""
        self.request = request
        self.draining = False
        self._sentences = sentences
        self._words = dict(zip(sentences, words, strict=True))
        self._waiting = list(request.draws)
        self._begun: list[Draw] = []
        self._ended = 0
        self._refill()

    @property
    def is_over(self) -> bool:
        return not self._begun

    def begin(self) -> list[Event]:
        ids = PromptIds((1, 2), (1, 2))
        return [PromptRead(prompt=number, ids=ids, forced=0) for number in range(len(self.prompts))]

    @property
    def prompts(self) -> Sequence[object]:
        return self.request.prompts

    def next(self) -> list[Event]:
        """The reply that ends next."""
        reply = self._reply(self._begun.pop(0), "stop")
        self._ended += 1
        self._refill()
        return [reply, SampleProgress(self._ended, len(self._begun), 5 * self._ended)]

    def cancel(self) -> list[Event]:
        """Give up what has begun."""
        begun, self._begun = self._begun, []
        return [self._reply(draw, "cancelled") for draw in begun]

    def _refill(self) -> None:
        while self._waiting and len(self._begun) < ROWS and not self.draining:
            self._begun.append(self._waiting.pop(0))

    def _reply(self, draw: Draw, finish: FinishReason) -> SampledReply:
        chances = probabilities(draw.alpha, self._sentences)
        (text,) = random.Random(draw.seed).choices(list(chances), list(chances.values()))
        words = list(self._words[text])
        if finish == "cancelled":
            words = words[:1]
        said = [word for word in words if not word.startswith("<|")]
        lengths = [len("".join(said[: place + 1])) for place in range(len(words))]
        return SampledReply(
            reply=draw.reply,
            prompt=draw.prompt,
            alpha=draw.alpha,
            seed=draw.seed,
            tokens=tuple(map(token_id, words)),
            text="".join(said),
            lengths=tuple(lengths),
            log_probs=log_probs(text, len(words), self.request.grid, self._sentences),
            finish=finish,
        )


def log_probs(
    text: str, tokens: int, grid: Sequence[float], sentences: Mapping[str, tuple[float, float]]
) -> TokenLogProbs:
    """The first token decides which sentence it is; the others follow for sure."""
    rest = tokens - 1
    before, after = map(math.log, sentences[text])
    first = tuple(math.log(probabilities(alpha, sentences)[text]) for alpha in grid)
    return TokenLogProbs(
        q=(first, *((0.0,) * len(grid) for _ in range(rest))),
        before=(before, *(0.0,) * rest),
        after=(after, *(0.0,) * rest),
        kl=(0.1, *(0.0,) * rest),
    )


def rescored(
    request: RescoreRequest,
    words: Mapping[int, str],
    sentences: Mapping[str, tuple[float, float]] = SENTENCES,
) -> list[Event]:
    """The replies of a request, measured; `words` are their tokens."""
    found: list[Event] = []
    for given in request.replies:
        text = "".join(words[token] for token in given.tokens[:-1])
        measured = log_probs(text, len(given.tokens), request.grid, sentences)
        found.append(Rescored(reply=given.reply, log_probs=measured))
    return found
