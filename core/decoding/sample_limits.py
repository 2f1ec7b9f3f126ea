"""Checks requests for many replies against a pair, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from logit_amp_chat.core.decoding import limits
from logit_amp_chat.core.decoding.begun_replies import begun_ids
from logit_amp_chat.core.decoding.reply_progress import AskedPrompt
from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.models.begin_ids import means_tokens
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.protocol import Request
from logit_amp_chat.core.records import PromptIds
from logit_amp_chat.core.samples import Given, RescoreRequest, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.turn_ends import TurnEnds


def asked_prompts(
    pair: Pair, chat: ChatTemplate, request: SampleRequest, moment: datetime
) -> list[AskedPrompt]:
    """The prompts of a request, tokenized at `moment`, which fit the context.

    Raises UsageError for settings that cannot be, LogitAmpError and ContextError for prompts.
    """
    _check_grid(request.grid, request.sampling, request.amplify_first)
    if request.rows is not None and request.rows < 1:
        raise UsageError(f"{request.rows} rows decode nothing.", "Give at least one.")
    prompts = []
    for number, prompt in enumerate(request.prompts):
        try:
            prompts.append(_asked(pair, chat, request, prompt, moment))
        except LogitAmpError as error:
            raise type(error)(f"Prompt {number}: {error.message}", error.remedy) from error
    for draw in request.draws:
        if not 0 <= draw.prompt < len(prompts):
            raise UsageError(
                f"Reply {draw.reply} answers prompt {draw.prompt}, and there are {len(prompts)}.",
                "Prompts are numbered from 0.",
            )
        if not math.isfinite(draw.alpha):
            message = f"α {draw.alpha} of reply {draw.reply} is no finite number."
            raise UsageError(message, "Give a number.")
        if request.grid and draw.alpha not in request.grid:
            raise UsageError(
                f"α {signed(draw.alpha)} of reply {draw.reply} is not in the grid.",
                "The αs of all replies have to be among those of the grid.",
            )
        _check_seed(draw.reply, draw.seed)
    return prompts


def check_given(pair: Pair, request: RescoreRequest) -> None:
    """Raises UsageError for replies that cannot be measured, or settings that cannot be."""
    _check_grid(request.grid, request.sampling, request.amplify_first)
    for given in request.replies:
        _check_reply(pair, given)


def _check_reply(pair: Pair, given: Given) -> None:
    if not given.tokens:
        raise UsageError(f"Reply {given.reply} has no tokens.", "Give at least one.")
    try:
        limits.check(pair, given.ids, given.tokens, room=0)
    except LogitAmpError as error:
        raise UsageError(f"Reply {given.reply}: {error.message}", error.remedy) from error


def _check_grid(grid: Sequence[float], sampling: Sampling, first: int | None) -> None:
    if grid and not sampling.temperature:
        raise UsageError(
            "At temperature 0 a token is certain or impossible: no α gives it a probability.",
            "Choose a temperature above 0, or no grid.",
        )
    if not all(map(math.isfinite, grid)):
        raise UsageError("An α of the grid is no finite number.", "Leave it out.")
    if first is not None and first < 0:
        raise UsageError(f"The first {first} tokens cannot be amplified.", "Give 0 or more.")


def _check_seed(reply: str, seed: int) -> None:
    try:
        Sampling(seed=seed)
    except ValidationError as error:
        message = f"Reply {reply}: seed cannot be {seed}."
        raise UsageError(message, "A seed is 0 or more.") from error


def _asked(
    pair: Pair, chat: ChatTemplate, request: SampleRequest, prompt: SamplePrompt, moment: datetime
) -> AskedPrompt:
    begun, begin, notices = _begun(pair, chat, request, prompt, moment)
    limits.check(pair, begun, ())
    turn = Request(messages=prompt.messages, lanes=(), sampling=request.sampling).turn
    turn_ends = request.turn_ends or pair.turn_ends
    if prompt.raw:
        turn_ends = TurnEnds(turn_ends.ids)
    return AskedPrompt(begun, begin, turn, turn_ends, notices)


def _begun(
    pair: Pair, chat: ChatTemplate, request: SampleRequest, prompt: SamplePrompt, moment: datetime
) -> tuple[PromptIds, tuple[int, ...], tuple[str, ...]]:
    """The ids of a prompt with those of its replies' begin at their end, these, and notices."""
    if prompt.ids is not None:
        return prompt.ids, prompt.ids.after[len(prompt.ids.after) - prompt.forced :], ()
    before, after = chat.side_prompts(prompt.messages, prompt.raw, moment)
    ids, longest = PromptIds(before.ids, after.ids), request.sampling.max_new_tokens
    special = means_tokens(prompt.messages, raw=prompt.raw)
    begin = begun_ids(pair, chat, ids, prompt.begin, longest, special=special)
    begun = PromptIds(ids.before + begin, ids.after + begin)
    return begun, begin, (*before.notices, *after.notices)
