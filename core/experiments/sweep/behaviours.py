"""A behaviour: what is counted in the replies of a sweep."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply

Kind = Literal["pattern", "program", "judge", "phrase", "function"]

Replies = Iterable[tuple[SweepPrompt, SweepReply]]
"""Replies, each with the prompt that it answers."""

LONGEST_NAME = 60
LARGEST = 1e100
"""Of a value: sums of squares of larger ones are infinite."""
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a behaviour says of one reply: 1 or 0, or a number.

    `decided` is how many tokens of the reply determine that: whatever follows them, the
    value is the same. It is 0 where the text that replies begin with does, None where only the
    whole reply does. `spans` are the characters [start, end) of the reply's text to be marked.
    `log_odds` are those of a judge, in nats. A reply that could not be judged has a `refused`
    that says why, and the value NaN: it is neither a hit nor none.
    """

    value: float
    decided: int | None = None
    spans: tuple[tuple[int, int], ...] = ()
    log_odds: float | None = None
    refused: str = ""


class Behaviour(Protocol):
    """Something that a reply shows or does not, or a number that it has."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def kind(self) -> Kind:
        """What decides: a pattern, a program, the pair itself, a phrase, or a function."""

    @property
    def numeric(self) -> bool:
        """Whether values are numbers whose mean counts; of a program known with its first."""

    @property
    def definition(self) -> dict[str, Any]:
        """What the verdicts depend on besides the reply, as JSON has it; not the name."""

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """One verdict a reply, in their order, up to where it was stopped.

        Raises LogitAmpError naming the reply.
        """

    def close(self) -> None:
        """Free what it holds; closing twice is fine."""


def is_name(name: str) -> bool:
    """Whether a behaviour may be called so."""
    return bool(_NAME.fullmatch(name)) and len(name) <= LONGEST_NAME


def named(option: str, flag: str, meaning: str) -> tuple[str, str]:
    """The two parts of an option NAME=MEANING. Raises UsageError for anything else.

    `flag` is the option, as `--behaviour`, and `meaning` the word for what follows the name.
    """
    name, equals, rest = option.partition("=")
    how = f"Write {flag} NAME={meaning}, as in {flag} {_EXAMPLES.get(meaning, 'NAME=…')}."
    if not equals:
        raise UsageError(f"The behaviour {shown(option)} has no name.", how)
    if not is_name(name):
        raise UsageError(
            f"“{shown(name)}” cannot be the name of a behaviour.",
            f"Use up to {LONGEST_NAME} letters, digits, - _ and dots. {how}",
        )
    if not rest.strip():
        raise UsageError(f"The behaviour {name} has no {meaning}.", how)
    return name, rest


_EXAMPLES = {
    "REGEX": "habit=lighthouse",
    "PROGRAM": "'length=python count.py'",
    "QUESTION": "'rude=Is the reply rude?'",
}


def refuse_same_names(names: Iterable[str]) -> None:
    """Raise UsageError for two behaviours of one name, in upper or lower case."""
    seen: dict[str, str] = {}
    for name in names:
        key = name.casefold()
        if key in seen:
            raise UsageError(
                f"Two behaviours are called {name}."
                if seen[key] == name
                else f"The behaviours {seen[key]} and {name} differ in their case only.",
                "Give one of them another name.",
            )
        seen[key] = name


def definition_key(definition: Mapping[str, Any]) -> str:
    """A hash of what a behaviour's verdicts depend on."""
    text = json.dumps(definition, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
