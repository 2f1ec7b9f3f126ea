"""What a search found, as records that a chat can be opened with."""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.search import SearchSettings, greedy, reading
from logit_amp_chat.core.experiments.search_results import SearchResult
from logit_amp_chat.core.protocol import Forget
from logit_amp_chat.core.reading import Chat, ReadBlock
from logit_amp_chat.core.records import Finish, Message, Record, Reply, Step, new_id

TOP = 10
"""Candidates of each kind at every token, as in a chat."""


def hit_records(
    engine: Engine, result: SearchResult, settings: SearchSettings, time: str
) -> Iterator[Record]:
    """A transcript of the hit: the session, its messages, and what followed as a reply of after.

    It is decoded again, with all candidates; a continuation that was there is forced. Raises
    UsageError for a text that is no chat, and as `Engine.generate` does.
    """
    if not result.messages:
        raise UsageError(
            "This text has no messages, so no chat can go on from it.",
            "Look at it with logit-amp-chat diff; prompts and chats can be opened.",
        )
    messages = _chain(result)
    forced: tuple[int, ...] = ()
    if result.measured == "continuation":
        forced = _tokens(engine, messages, result.tokens, time)
        messages = messages[:-1]
    yield engine.opened.session
    yield from messages
    engine.apply(Forget())
    request = greedy(messages, settings, time, top=TOP, forced=forced)
    for event in engine.generate(request):
        if isinstance(event, Reply | Step | Finish):
            yield event


def _chain(result: SearchResult) -> tuple[Message, ...]:
    messages: list[Message] = []
    for role, text in result.messages:
        parent = messages[-1].id if messages else None
        messages.append(Message(id=new_id("m"), parent=parent, role=role, text=text))
    return tuple(messages)


def _tokens(
    engine: Engine, messages: tuple[Message, ...], tokens: int, time: str
) -> tuple[int, ...]:
    """The ids of the last message: the last `tokens` of the scored ones."""
    blocks = engine.read(reading(Chat(messages=messages), time))
    steps = [step for event in blocks if isinstance(event, ReadBlock) for step in event.steps]
    return tuple(step.token for step in steps[-tokens:])
