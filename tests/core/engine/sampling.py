"""Requests for many replies, and what transformers alone makes of their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Event, Lane, Request
from logit_amp_chat.core.records import Finish, Message, PromptIds, Step
from logit_amp_chat.core.samples import (
    Draw,
    Given,
    PromptRead,
    RescoreRequest,
    SampledReply,
    SamplePrompt,
    SampleRequest,
)
from logit_amp_chat.core.sampling import Sampling
from tests.core.decoding.dry import enumerated

GRID = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.01, max_new_tokens=20)
QUESTIONS = ("Otters?", "Where do the otters live, and what do they eat there?", "The sea is")


def messages(*texts: str) -> tuple[Message, ...]:
    """A conversation whose last message is the user's."""
    roles = [("user", "assistant")[n % 2] for n in range(len(texts))]
    return tuple(
        Message(id=f"m{n}", parent=f"m{n - 1}" if n else None, role=role, text=text)  # type: ignore[arg-type]
        for n, (role, text) in enumerate(zip(roles, texts, strict=True))
    )


def prompts(*texts: str, **options: Any) -> tuple[SamplePrompt, ...]:
    return tuple(SamplePrompt(messages=messages(text), **options) for text in texts)


def draws(count: int, of: int = 1, grid: Sequence[float] = GRID) -> tuple[Draw, ...]:
    """Replies to `of` prompts in turn, at every α in turn, each with its own seed."""
    return tuple(
        Draw(reply=f"r{n}", prompt=n % of, alpha=grid[n // of % len(grid)], seed=1000 + n)
        for n in range(count)
    )


def ask(
    drawn: Sequence[Draw], asked: Sequence[SamplePrompt] = prompts(*QUESTIONS), **options: Any
) -> SampleRequest:
    usual = {"sampling": FREE, "grid": GRID, "rows": 3, **options}
    return SampleRequest(prompts=tuple(asked), draws=tuple(drawn), **usual)


def sampled(events: Sequence[Event]) -> dict[str, SampledReply]:
    return {event.reply: event for event in events if isinstance(event, SampledReply)}


def prompt_ids(events: Sequence[Event]) -> dict[int, PromptIds]:
    return {event.prompt: event.ids for event in events if isinstance(event, PromptRead)}


def chat(engine: LocalEngine, request: SampleRequest, draw: Draw) -> tuple[list[Step], Finish]:
    """What a chat says with the seed and the α of a draw, decoded alone."""
    prompt = request.prompts[draw.prompt]
    begin = engine.pair.tokenizer(prompt.begin, add_special_tokens=False)["input_ids"]
    asked = Request(
        messages=prompt.messages,
        lanes=(Lane(reply="r", name="amplified", alpha=draw.alpha, seed=draw.seed),),
        sampling=request.sampling,
        forced=tuple(begin),
        raw=prompt.raw,
        top=request.top,
        time=request.time,
    )
    events = list(engine.generate(asked))
    (finish,) = (event for event in events if isinstance(event, Finish))
    return [event for event in events if isinstance(event, Step)][len(begin) :], finish


def rescore(
    found: Sequence[Event], request: SampleRequest, grid: Sequence[float] = GRID
) -> RescoreRequest:
    """The request that measures the replies of a request again."""
    ids = prompt_ids(found)
    return RescoreRequest(
        replies=tuple(
            Given(reply=one.reply, ids=ids[one.prompt], tokens=one.tokens)
            for one in sampled(found).values()
        ),
        sampling=request.sampling,
        grid=tuple(grid),
        amplify_first=request.amplify_first,
    )


class Oracle:
    """The log-probabilities of tokens from whole passes and transformers' own processors."""

    def __init__(self, profile: Profile, size: int) -> None:
        """`size`: the ids that a tokenizer names."""
        self._models = [
            AutoModelForCausalLM.from_pretrained(side.model, dtype=torch.float32).eval()
            for side in (profile.before, profile.after)
        ]
        self._size = size
        self.breakers: frozenset[int] = frozenset()
        """The ids that no repetition of DRY goes across."""

    def of(
        self, ids: PromptIds, tokens: Sequence[int], sampling: Sampling, grid: Sequence[float]
    ) -> Iterator[tuple[float, float, float, list[float]]]:
        """For each token: log p before, after, KL(after‖before), and log q at the αs."""
        for n, token in enumerate(tokens):
            read = tuple(tokens[:n])
            before, after = (
                self._next(model, ids_ + read)
                for model, ids_ in zip(self._models, (ids.before, ids.after), strict=True)
            )
            kl = float((after.exp() * (after - before)).sum())
            stood = ids.after + read
            q = [float(self._scores(before, after, at, sampling, stood)[token]) for at in grid]
            yield float(before[token]), float(after[token]), kl, q

    @torch.inference_mode()
    def _next(self, model: Any, ids: tuple[int, ...]) -> Tensor:
        logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1, : self._size]
        found: Tensor = logits.double().log_softmax(-1)
        return found

    def _scores(
        self,
        before: Tensor,
        after: Tensor,
        alpha: float,
        sampling: Sampling,
        stood: tuple[int, ...],
    ) -> Tensor:
        """log q (V,): the mask of α > 0, penalties, temperature, top-k, top-p and min-p."""
        scores = (after + alpha * (after - before)).log_softmax(-1)
        if alpha > 0 and sampling.plausibility > 0:
            least = sampling.plausibility * after.exp().max()
            scores = scores.masked_fill(after.exp() < least, -torch.inf)
        if alpha not in (-1, 0) or sampling.penalize == "all":
            penalty = RepetitionPenaltyLogitsProcessor(float(sampling.repetition_penalty))
            scores = penalty(torch.tensor([stood]), scores[None])[0]
            if sampling.dry_multiplier:
                for token, nats in enumerated(stood, self.breakers, sampling).items():
                    scores[token] -= nats
        warpers = LogitsProcessorList([TemperatureLogitsWarper(float(sampling.temperature))])
        if sampling.top_k:
            warpers.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            warpers.append(TopPLogitsWarper(sampling.top_p))
        if sampling.min_p:
            warpers.append(MinPLogitsWarper(sampling.min_p))
        found: Tensor = warpers(torch.zeros(1, 0, dtype=torch.long), scores[None])[0]
        return found.log_softmax(-1)
