"""How a reply ended, in words: the one place that knows them.

Documents and `verify` name the recorded reason, a screen says a sentence with
what to do about it, a pipe a phrase.
"""

from __future__ import annotations

from collections.abc import Mapping

from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.records import Finish, FinishReason
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.conversation import ReplyLog

# A reply that ended by itself needs neither: "stop" is in none of them.
_SENTENCES: dict[FinishReason, str] = {
    "length": "Cut at the limit of {tokens}",
    "context": "The context is full after {tokens}",
    "cancelled": "Stopped by you after {tokens}",
    "error": "Broken off after {tokens}",
}
_PHRASES: dict[FinishReason, str] = {
    "length": "stopped at the limit of {tokens}",
    "context": "stopped because the context is used up",
    "cancelled": "cancelled after {tokens}",
    "error": "ended by an error: {error}",
}


def sentence(log: ReplyLog, remedies: Mapping[FinishReason, str]) -> str:
    """Why a reply ended before its end, as a sentence; "" for one that did not.

    `remedies` say what can be done about a reason where the sentence is read.
    """
    finish = log.finish
    if finish is None:
        return f"{cut_off(log).capitalize()}: no more was saved." if log.cut_off else ""
    if finish.reason not in _SENTENCES:
        return ""
    said = _SENTENCES[finish.reason].format(tokens=count(finish.tokens, "token"))
    if finish.reason == "error" and finish.error:
        return f"{said}: {visible(finish.error, newlines=False)}"
    remedy = remedies.get(finish.reason)
    return f"{said}; {remedy}." if remedy else f"{said}."


def phrase(finish: Finish) -> str:
    """The same as part of a sentence, for standard error; "" for a reply that ended by itself."""
    tokens = count(finish.tokens, "token")
    return _PHRASES.get(finish.reason, "").format(tokens=tokens, error=finish.error)


def cut_off(log: ReplyLog) -> str:
    """How a reply ends whose record does not: `cut off after 3 tokens`."""
    return f"cut off after {count(len(log.steps), 'token')}"


def as_recorded(finish: Finish, *, seconds: bool = False) -> str:
    """The recorded reason: `length after 64 tokens`; on request with the time, and any error."""
    time = f", {finish.seconds:.1f} s" if seconds else ""
    error = f" ({visible(finish.error, newlines=False)})" if finish.error else ""
    return f"{finish.reason} after {count(finish.tokens, 'token')}{time}{error}"
