"""The prompt of one side, and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 200  # characters of the template's own words in a notice


@dataclass(frozen=True, slots=True)
class SidePrompt:
    """What one side is prompted with; `notices` say, a sentence each, what is not as expected."""

    text: str
    ids: tuple[int, ...]
    notices: tuple[str, ...] = ()


def taken_for_tokens(spelled: Sequence[str]) -> str:
    """The notice of spellings that could not be kept as text."""
    names = ", ".join(dict.fromkeys(spelled))
    return (
        f"What messages say is taken for special tokens ({names}): the chat template rewrites"
        " these messages, or the tokenizer has no plain tokens for it."
    )


def shortened(words: str) -> str:
    """Words for one line of a notice."""
    line = " ".join(words.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
