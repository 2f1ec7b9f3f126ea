"""The text that replies begin with, as tokens where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from logit_amp_chat.core.decoding import limits
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.models.begin_ids import begin_ids
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Noticed, Request
from logit_amp_chat.core.records import Message, PromptIds


def begun_ids(
    pair: Pair,
    messages: Sequence[Message],
    prompt: PromptIds,
    begin: str,
    longest: int | None,
    forced: tuple[int, ...] = (),
) -> tuple[int, ...]:
    """The ids of `begin` after the prompt and the tokens `forced`, for both sides.

    A special token that it spells is meant where the message that is answered means its own.
    Raises UsageError if it has an end of turn, or leaves nothing to sample of `longest` tokens
    (None: of any number).
    """
    special = bool(messages) and messages[-1].special
    before = (*prompt.after, *forced)
    ids = begin_ids(pair.tokenizer, pair.token_bytes, before, begin, special=special)
    if not pair.end_of_turn.isdisjoint(forced + ids if ids else ()):
        raise UsageError(
            "The text that replies begin with has an end of turn in it.", "Leave it out."
        )
    if ids and longest is not None and len(forced) + len(ids) >= longest:
        raise UsageError(
            f"The text that replies begin with has {len(forced) + len(ids):,} tokens, and a reply"
            f" {longest:,} at most.",
            "Shorten it, or raise max_new_tokens.",
        )
    return ids


def begun(pair: Pair, request: Request, prompt: PromptIds) -> Request:
    """The request with all that its replies begin with as `forced` ids, as far as they reach.

    All lanes get the same ids: those that the text has after `prompt`. Where a reply is edited,
    its limit counts from the end of the text. Raises as `begun_ids` does.
    """
    longest = max(request.sampling_of(lane).max_new_tokens for lane in request.lanes)
    if not request.begin:
        return replace(request, forced=limits.reachable(pair, request.forced, longest))
    edits = request.edits is not None
    ids = begun_ids(
        pair,
        request.messages_of(request.lanes[0]),
        prompt,
        request.begin,
        None if edits else longest,
        request.forced,
    )
    sampling = request.sampling
    if edits:
        longest = sampling.max_new_tokens + len(ids)
        sampling = sampling.model_copy(update={"max_new_tokens": longest})
    return replace(request, forced=request.forced + ids, begin="", sampling=sampling)


def notices(begin: str) -> Iterator[Noticed]:
    """What may surprise about a text that replies begin with."""
    if begin.endswith(" "):
        yield Noticed(
            "The text that the reply begins with ends in a blank. Most words are tokens that begin"
            " with one, so that the next word may be an odd one: leave the blank out."
        )
