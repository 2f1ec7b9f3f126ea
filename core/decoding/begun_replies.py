"""The text that replies begin with, as tokens where it stands."""

from __future__ import annotations

from dataclasses import replace

from logit_amp_chat.core.decoding import limits
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.models.begin_ids import begin_ids, means_tokens
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.prompts import PromptRequest
from logit_amp_chat.core.protocol import Request
from logit_amp_chat.core.records import PromptIds


def begun_ids(
    pair: Pair,
    chat: ChatTemplate,
    prompt: PromptIds,
    begin: str,
    longest: int | None,
    forced: tuple[int, ...] = (),
    *,
    special: bool,
) -> tuple[int, ...]:
    """The ids of `begin` after the prompt and the tokens `forced`, for both sides.

    Where it is not `special`, a special token that it spells is text. Raises UsageError if it
    has an end of turn, or leaves nothing to sample of `longest` tokens (None: of any number).
    """
    before = (*prompt.after, *forced)
    ids = begin_ids(chat, before, begin, special=special)
    if not pair.end_of_turn.isdisjoint(forced + ids if ids else ()):
        raise UsageError(
            "The text that replies begin with has an end of turn in it.", "Leave it out."
        )
    if ids and longest is not None and len(forced) + len(ids) >= longest:
        raise UsageError(
            f"The text that replies begin with has {len(forced) + len(ids):,} tokens, and a reply"
            f" {longest:,} at most.",
            "Shorten it, or raise max_new_tokens (in the chat: F7, Sampling).",
        )
    return ids


def begun(pair: Pair, chat: ChatTemplate, request: Request, prompt: PromptIds) -> Request:
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
        chat,
        prompt,
        request.begin,
        None if edits else longest,
        request.forced,
        special=means_tokens(request.messages_of(request.lanes[0]), raw=request.raw),
    )
    sampling = request.sampling
    if edits:
        longest = sampling.max_new_tokens + len(ids)
        sampling = sampling.model_copy(update={"max_new_tokens": longest})
    return replace(request, forced=request.forced + ids, begin="", sampling=sampling)


def begin_notices(pair: Pair, request: Request | PromptRequest, prompt: PromptIds) -> list[str]:
    """What may surprise about the text that replies begin with, a sentence each."""
    found, begin = [], request.begin
    text, _, special = pair.token_bytes.describe((*prompt.after, *request.forced)[-1])
    separated = special or text[-1:].isspace() or request.raw or request.forced
    if begin[:1].isalnum() and not separated:
        found.append(
            "The text that the reply begins with stands right behind the prompt, where replies"
            " begin with a blank: put one before it."
        )
    if begin.endswith(" "):
        found.append(
            "The text that the reply begins with ends in a blank. Most words are tokens that begin"
            " with one, so that the next word may be an odd one: leave the blank out."
        )
    return found
