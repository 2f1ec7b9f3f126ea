"""Checks a request against a pair: ids that both sides know, and room in the context."""

from __future__ import annotations

from logit_amp_chat.core.errors import ContextError, LogitAmpError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import PromptIds


def reachable(pair: Pair, forced: tuple[int, ...], longest: int) -> tuple[int, ...]:
    """The part of a forced prefix that can be decoded: `longest` tokens, or to an end of turn."""
    forced = forced[:longest]
    ends = (n for n, token in enumerate(forced, 1) if token in pair.end_of_turn)
    return forced[: next(ends, len(forced))]


def check(pair: Pair, prompt: PromptIds, given: tuple[int, ...], room: int = 1) -> None:
    """Check that a prompt and the tokens given after it leave `room` tokens of context.

    Raises ContextError if not; LogitAmpError for an empty prompt or ids not shared by the sides.
    """
    ids = (*prompt.before, *prompt.after, *given)
    if not (prompt.before and prompt.after):
        raise LogitAmpError("The prompt is empty.", "Give at least one token.")
    if not 0 <= min(ids) <= max(ids) < pair.size:
        raise LogitAmpError(
            f"The prompt has token ids that this pair's sides do not share: ids go up to"
            f" {pair.size - 1:,}.",
            "Use a pair whose two sides both know every token of it.",
        )
    used = max(len(prompt.before), len(prompt.after)) + len(given)
    if used + room > pair.context:
        raise ContextError(
            f"The context is used up: the conversation has {used:,} tokens and the"
            f" model holds {pair.context:,}.",
            "Start a new chat, edit an earlier message, or shorten the last one.",
        )
