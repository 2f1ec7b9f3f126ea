"""Requests of OpenAI's kind as requests to an engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from logit_amp_chat.core.api.request import make_request
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.prompts import PromptRequest, PromptTokens
from logit_amp_chat.core.protocol import Lane, Request, ScoreRequest
from logit_amp_chat.core.records import PromptIds, new_id
from logit_amp_chat.core.server.limits import Limits
from logit_amp_chat.core.server.model_names import alpha_of
from logit_amp_chat.core.server.openai_bodies import ChatBody, CompletionBody

ECHO = "echo"


def chat_request(body: ChatBody, profile: Profile, limits: Limits) -> Request:
    """One lane for each of `n` choices, with consecutive seeds. Raises LogitAmpError."""
    options = body.options | {"max_new_tokens": body.limit, "top": body.top or 0}
    return _request([message.said for message in body.messages], body, profile, limits, options)


def completion_request(
    body: CompletionBody, prompt: str | list[int], profile: Profile, limits: Limits
) -> Request:
    """The same for a text, or ids, that are continued without a chat template."""
    if body.best_of not in (None, body.n or 1):
        raise UsageError("best_of: this server does not rank replies.", "Leave it out.")
    options = body.options | {"max_new_tokens": body.max_tokens or None, "top": body.logprobs or 0}
    given = "" if isinstance(prompt, list) else prompt
    request = _request(given, body, profile, limits, options | {"raw": True})
    if isinstance(prompt, list):
        ids = tuple(prompt)
        request = replace(request, prompt=PromptIds(ids, ids))
    return request


def prompt_request(request: Request) -> PromptRequest:
    """The request for the tokens that a completion is prompted with."""
    return PromptRequest(messages=request.messages, raw=True, recorded=request.prompt)


def echo_request(shown: PromptTokens, request: Request) -> ScoreRequest | None:
    """The request that measures a prompt at the request's α; None where it is but one token.

    Raises UsageError where the two models are prompted with different tokens.
    """
    before, after = (tuple(token.id for token in side) for side in (shown.before, shown.after))
    if before != after:
        raise UsageError(
            "echo: the two models are prompted with different tokens here, which have no"
            " log-probability in common.",
            "Give the prompt as token ids, or leave out echo.",
        )
    if len(after) < 2:  # nothing predicts the first one
        return None
    first = after[:1]
    return ScoreRequest(
        prompt=PromptIds(first, first),
        tokens=after[1:],
        lanes=(Lane(reply=new_id(ECHO), name=ECHO, alpha=request.lanes[0].alpha),),
        sampling=request.sampling,
        top=request.top,
    )


def _request(
    prompt: Any,
    body: ChatBody | CompletionBody,
    profile: Profile,
    limits: Limits,
    options: dict[str, Any],
) -> Request:
    alpha = alpha_of(body.model, body.alpha, profile.alpha)
    count = body.n or 1
    if count > limits.lanes:
        raise UsageError(f"n: at most {limits.lanes} replies at once, found {count}.")
    first = profile.sampling.seed if body.seed is None else body.seed
    seeds = range(first, first + count)
    request = make_request(profile, prompt, alpha=alpha, seed=seeds, **options)
    check_size(request, limits)
    return request


def check_size(request: Request, limits: Limits) -> None:
    """Raises UsageError for more than one client may ask for."""
    if len(request.lanes) > limits.lanes:
        raise UsageError(f"At most {limits.lanes} lanes are decoded at once.")
    for lane in request.lanes:
        longest = request.sampling_of(lane).max_new_tokens
        if longest > limits.tokens:
            raise UsageError(f"A reply has at most {limits.tokens} new tokens, not {longest}.")
