"""An engine whose replies are one of a few sentences, with probabilities known by heart."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

from logit_amp_chat.core.protocol import Drain, Event, Idle, Opened, Stop
from logit_amp_chat.core.records import PromptIds, Session
from logit_amp_chat.core.samples import (
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SampleProgress,
    SampleRequest,
    TokenLogProbs,
)
from tests.core import samples

SENTENCES = {
    "Owls hunt at night.": (0.60, 0.50),
    "Owls see well.": (0.39, 0.48),
    "The lighthouse sees owls.": (0.01, 0.02),
}
"""Every reply with its probability under before and after."""

END = 9


Sentences = Mapping[str, tuple[float, float]]


def probabilities(alpha: float, sentences: Sentences = SENTENCES) -> dict[str, float]:
    """p ∝ after^(1+α) · before^(−α)."""
    weights = {
        text: after ** (1 + alpha) * before**-alpha for text, (before, after) in sentences.items()
    }
    total = sum(weights.values())
    return {text: weight / total for text, weight in weights.items()}


class ToyEngine:
    """Samples in the order of the draws; with `stop_after` it is interrupted after so many."""

    def __init__(
        self,
        *,
        stop_after: int | None = None,
        session_time: str | None = None,
        session: Session | None = None,
        sentences: Sentences = SENTENCES,
    ) -> None:
        if session is None:
            session = replace(samples.session(), profile={"name": "toy", "title": "A toy"})
        if session_time:
            session = replace(session, time=session_time)
        self.opened = Opened(session=session)
        self.asked: list[SampleRequest | RescoreRequest] = []
        self.applied: list[object] = []
        self._stop_after = stop_after
        self._sentences = sentences

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        self.asked.append(request)
        for number, _ in enumerate(request.prompts):
            yield PromptRead(prompt=number, ids=PromptIds((1, 2), (1, 2)), forced=0)
        for number, draw in enumerate(request.draws):
            if self._stop_after is not None and number >= self._stop_after:
                raise KeyboardInterrupt
            if any(isinstance(one, Drain | Stop) for one in self.applied):
                break
            yield SampleProgress(number, 1, 2 * number)
            yield self._reply(draw.reply, draw.prompt, draw.alpha, draw.seed, request.grid)
        yield Idle()

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        self.asked.append(request)
        texts = list(self._sentences)
        for given in request.replies:
            text = texts[given.tokens[0]]
            yield Rescored(
                reply=given.reply, log_probs=_log_probs(text, request.grid, self._sentences)
            )
        yield Idle()

    def apply(self, command: object) -> None:
        self.applied.append(command)

    def close(self) -> None:
        """There is nothing to free."""

    def _reply(
        self, name: str, prompt: int, alpha: float, seed: int, grid: tuple[float, ...]
    ) -> SampledReply:
        chances = probabilities(alpha, self._sentences)
        (text,) = random.Random(seed).choices(list(chances), list(chances.values()))
        return SampledReply(
            reply=name,
            prompt=prompt,
            alpha=alpha,
            seed=seed,
            tokens=(list(self._sentences).index(text), END),
            text=text,
            lengths=(len(text), len(text)),
            log_probs=_log_probs(text, grid, self._sentences),
            finish="stop",
        )


def _log_probs(text: str, grid: tuple[float, ...], sentences: Sentences) -> TokenLogProbs:
    """The sentence is the first token; the second ends the turn for sure."""
    before, after = map(math.log, sentences[text])
    return TokenLogProbs(
        q=(
            tuple(math.log(probabilities(alpha, sentences)[text]) for alpha in grid),
            (0.0,) * len(grid),
        ),
        before=(before, 0.0),
        after=(after, 0.0),
        kl=(0.1, 0.0),
    )
