"""Prompts of the fake engine: a template in the manner of ChatML, words for tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from logit_amp_chat.core.prompts import PromptRequest, PromptToken, PromptTokens
from logit_amp_chat.core.protocol import Request
from logit_amp_chat.core.records import Message, Reply, Session
from tests.tui.fake_reading import token_id

SPECIAL = ("<|start|>", "<|end|>")
_PIECE = re.compile(r"<\|\w+\|>|\n| ?[^\s<]+|.")


def rendered(request: PromptRequest, systems: tuple[str, str] = ("", "")) -> PromptTokens:
    """The prompt of each side, whose own system prompt may be one of `systems`."""
    if request.recorded is not None:
        before, after = (
            tuple(PromptToken(id, f" w{id}", special=False) for id in ids)
            for ids in (request.recorded.before, request.recorded.after)
        )
    else:
        before, after = (tuple(_side(request.messages, system)) for system in systems)
    added = (len(before), len(after)) if request.recorded is None else (None, None)
    return PromptTokens(before=before, after=after, notices=_notices(request.messages), added=added)


def prompted(reply: Reply, request: Request) -> Reply:
    """The reply with what its prompt was rendered with, as an engine records it."""
    return replace(reply, template=dict(request.template or {}), time=request.time)


def beside(request: Request, session: Session) -> Iterator[Session]:
    """The sessions of lanes of other stages than the pair's, as an engine reports them."""
    for stages in dict.fromkeys(lane.stages for lane in request.lanes):
        if stages is not None:
            profile = {**session.profile, "pair": [*stages]}
            sides = [replace(session.before, model=f"fake/{name}") for name in stages]
            yield replace(
                session,
                id=f"s-{'-'.join(stages)}",
                beside=session.id,
                profile=profile,
                before=sides[0],
                after=sides[1],
            )


def _side(messages: Sequence[Message], system: str) -> list[PromptToken]:
    said = [(m.role, m.text, m.special) for m in messages if m.text]
    if system:
        said.insert(0, ("system", system, False))
    tokens: list[PromptToken] = []
    for role, text, special in said:
        tokens += _cut(f"<|start|>{role}\n", special=True)
        tokens += _cut(text, special=special)
        tokens += _cut("<|end|>\n", special=True)
    return [*tokens, *_cut("<|start|>assistant\n", special=True)]


def _cut(text: str, *, special: bool) -> list[PromptToken]:
    return [
        PromptToken(token_id(piece), piece, special and piece in SPECIAL)
        for piece in _PIECE.findall(text)
    ]


def _notices(messages: Sequence[Message]) -> tuple[str, ...]:
    removed = any(m.role == "system" and not m.text for m in messages)
    return ("The template's own system prompt is left out.",) if removed else ()
