"""How a reply ended, in words, for every place that says so.

The screen shows a sentence with a remedy, standard error a phrase; documents
and `verify` say as much for every recorded reason, an ordinary end too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.records import Finish, FinishReason
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

# None for "stop": an ordinary end needs no words, unless a stop string made it.
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
_RECORDED: dict[FinishReason, str] = {
    "stop": "ended after {tokens}",
    "length": "cut at the limit of {tokens}",
    "context": "ended with the context full after {tokens}",
    "cancelled": "cancelled after {tokens}",
    "error": "broken off after {tokens}",
}


def sentence(log: ReplyLog, remedies: Mapping[str, str]) -> str:
    """Why a reply was ended early or by a stop string, as a sentence; "" for an ordinary end.

    `remedies` are what the reader can do about a reason, or about "cut off".
    """
    finish = log.finish
    if finish is None:
        said = f"{cut_off(log).capitalize()}: no more was saved"
        return _with_remedy(said, remedies.get("cut off")) if log.cut_off else ""
    if finish.stop is not None:
        return f"Ended by the stop string {quoted(finish.stop)}."
    if finish.reason not in _SENTENCES:
        return ""
    said = _SENTENCES[finish.reason].format(tokens=count(finish.tokens, "token"))
    if finish.reason == "error" and finish.error:
        return f"{said}: {visible(finish.error, newlines=False)}"
    return _with_remedy(said, remedies.get(finish.reason))


def _with_remedy(said: str, remedy: str | None) -> str:
    return f"{said}; {remedy}." if remedy else f"{said}."


def phrase(finish: Finish) -> str:
    """The same as a phrase, for standard error."""
    if finish.stop is not None:
        return f"ended by the stop string {quoted(finish.stop)}"
    tokens = count(finish.tokens, "token")
    return _PHRASES.get(finish.reason, "").format(tokens=tokens, error=finish.error)


def quoted(stop: str) -> str:
    """A stop string as one types it: `"\nUser:"`."""
    return visible(json.dumps(stop, ensure_ascii=False), newlines=False)


def cut_off(log: ReplyLog) -> str:
    """For a reply whose end was never recorded: `cut off after 3 tokens`."""
    return f"cut off after {count(len(log.steps), 'token')}"


def as_recorded(finish: Finish, *, seconds: bool = False) -> str:
    """The recorded reason and any error: `ended after 64 tokens`, `cancelled after 3 tokens`."""
    time = f", {finish.seconds:.1f} s" if seconds else ""
    error = f" ({visible(finish.error, newlines=False)})" if finish.error else ""
    reason = _RECORDED[finish.reason].format(tokens=count(finish.tokens, "token"))
    if finish.stop is not None:
        reason += f" by the stop string {quoted(finish.stop)}"
    return f"{reason}{time}{error}"
