"""From files and texts to the prompts of a sweep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.search import by_line
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.reading import Chat, PlainText
from logit_amp_chat.core.records import Message, Role
from logit_amp_chat.core.samples import SamplePrompt
from logit_amp_chat.core.text import clean

Said = tuple[tuple[Role, str], ...]


@dataclass(frozen=True)
class Prompts:
    """The prompts of a sweep, each once; `repeated` says which came again."""

    prompts: tuple[SweepPrompt, ...]
    repeated: tuple[str, ...] = ()


def typed(texts: Iterable[str]) -> list[Source]:
    """Texts that were given as they are."""
    return [
        Source(name="", place="", line=1, content=PlainText(text=clean(text))) for text in texts
    ]


def prompts_of(
    sources: Iterable[Source | Refused],
    *,
    system: str | None = None,
    raw: bool = False,
    saved: frozenset[str] = frozenset(),
) -> Prompts:
    """The prompts of sources: every line of a plain text, every chat up to its last question.

    A chat that ends with a message of the assistant has the beginning of the reply there,
    unless its file is one of the `saved` ones, whose last reply is left out. `system` goes
    before chats that have no system prompt. Raises LogitAmpError for what is no prompt.
    """
    found: dict[str, SweepPrompt] = {}
    repeated: list[str] = []
    for source in _separate(sources):
        if isinstance(source, Refused):
            raise source.error
        prompt = _prompt(source, system, raw, source.name in saved, len(found) + 1)
        where = f"{source.name} {source.place}".strip()
        if prompt.key in found:
            repeated.append(where or prompt.messages[-1][1])
        else:
            found[prompt.key] = prompt
    if not found:
        raise UsageError("There is no prompt.", "Give one with --prompt, or a file of them.")
    return Prompts(tuple(found.values()), tuple(repeated))


def sample_prompt(prompt: SweepPrompt) -> SamplePrompt:
    """The prompt as an engine takes it."""
    return SamplePrompt(messages=messages_of(prompt), begin=prompt.begin, raw=prompt.raw)


def messages_of(prompt: SweepPrompt) -> tuple[Message, ...]:
    """The messages of a prompt, one after the other."""
    messages: list[Message] = []
    for number, (role, text) in enumerate(prompt.messages, 1):
        parent = messages[-1].id if messages else None
        messages.append(Message(id=f"m-{number}", parent=parent, role=role, text=text))
    return tuple(messages)


def new_prompt(
    messages: Said,
    *,
    begin: str = "",
    raw: bool = False,
    source: str = "",
    place: str = "",
    number: int = 1,
) -> SweepPrompt:
    """A prompt of this number, from 1, with the key of its content."""
    content = json.dumps([[list(one) for one in messages], begin, raw])
    return SweepPrompt(
        id=f"p{number}",
        key=hashlib.sha256(content.encode()).hexdigest()[:32],
        messages=messages,
        begin=begin,
        raw=raw,
        source=source,
        place=place,
    )


def _separate(sources: Iterable[Source | Refused]) -> Iterator[Source | Refused]:
    """Every line of a file on its own; texts that were typed are as they are."""
    for source in sources:
        yield from by_line([source]) if source.name else [source]


def _prompt(source: Source, system: str | None, raw: bool, saved: bool, number: int) -> SweepPrompt:
    where = f"{source.name} {source.place}".strip()
    match source.content:
        case PlainText(text=text):
            if not text and not raw:  # a raw one may be what the beginning of text begins
                raise UsageError(f"{where or 'The prompt'} is empty.", "Give a text.")
            said: Said = (("user", text),)
        case Chat(messages=messages) if not raw:
            said = tuple((m.role, m.text) for m in messages)
        case Chat():
            raise LogitAmpError(
                f"{where}: a chat cannot be used without a template.", "Leave out --raw."
            )
        case _:
            raise LogitAmpError(f"{where}: recorded tokens are no prompt.")
    begin = ""
    if said and said[-1][0] == "assistant":
        begin, said = "" if saved else said[-1][1], said[:-1]
    if not said or said[-1][0] != "user":
        raise UsageError(
            f"{where or 'The prompt'}: there is no message of a user to answer.",
            "End it with one, or with the beginning of the assistant's reply.",
        )
    if system is not None and not raw and said[0][0] != "system":
        said = (("system", system), *said)
    name, place = clean(source.name), clean(source.place)
    return new_prompt(said, begin=begin, raw=raw, source=name, place=place, number=number)
