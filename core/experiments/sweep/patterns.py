"""Behaviours that a regular expression finds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

import regex

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.behaviours import Kind, Replies, Verdict, named
from logit_amp_chat.core.experiments.sweep.growth import stays_matched
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply

FLAG = "--behaviour"
SECONDS = 2.0
"""A search in one reply that takes longer is given up."""

MOST_SPANS = 1000
"""Matches that are marked in one reply."""

T = TypeVar("T")


class Pattern:
    """A behaviour: the pattern is found in the reply. Capitals count, unless it has (?i).

    It is searched in the complete characters of a reply, the text that replies begin with
    among them.
    """

    kind: Kind = "pattern"
    numeric = False

    def __init__(self, name: str, pattern: str) -> None:
        """Compile a pattern of package `regex`. Raises UsageError for what is none."""
        self.name = name
        self.pattern = pattern
        try:
            self._compiled = regex.compile(pattern)
        except RecursionError as error:
            raise self._invalid("it is nested too deep") from error
        except regex.error as error:
            place = "" if error.pos is None else f" at character {error.pos + 1}"
            raise self._invalid(f"{error.msg}{place}") from error
        except (ValueError, OverflowError) as error:
            raise self._invalid(str(error)) from error
        self.stays_matched = stays_matched(pattern)
        """Whether a reply that has it keeps it, however it goes on."""

    @classmethod
    def parse(cls, option: str) -> Pattern:
        """The behaviour of an option NAME=REGEX. Raises UsageError."""
        return cls(*named(option, FLAG, "REGEX"))

    @property
    def definition(self) -> dict[str, Any]:
        """The pattern."""
        return {"kind": self.kind, "pattern": self.pattern}

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """Whether each reply has it, and since when. Raises UsageError if that takes too long."""
        for prompt, reply in replies:
            yield self._verdict(prompt, reply)

    def close(self) -> None:
        """There is nothing to free."""

    def _verdict(self, prompt: SweepPrompt, reply: SweepReply) -> Verdict:
        text = complete_text(reply)
        if not self._in_time(reply, lambda: self._is_in(text)):
            return Verdict(0.0)
        spans = self._in_time(reply, lambda: self._spans(text))
        if not self.stays_matched:
            return Verdict(1.0, None, spans)
        return Verdict(1.0, decided_after(prompt, reply, lambda t: self._found(reply, t)), spans)

    def _found(self, reply: SweepReply, text: str) -> bool:
        return self._in_time(reply, lambda: self._is_in(text))

    def _is_in(self, text: str) -> bool:
        return self._compiled.search(text, timeout=SECONDS) is not None

    def _spans(self, text: str) -> tuple[tuple[int, int], ...]:
        found = (match.span() for match in self._compiled.finditer(text, timeout=SECONDS))
        return tuple(sorted(islice((span for span in found if span[0] < span[1]), MOST_SPANS)))

    def _in_time(self, reply: SweepReply, search: Callable[[], T]) -> T:
        try:
            return search()
        except TimeoutError as error:
            raise UsageError(
                f"The pattern of {self.name}, {shown(self.pattern)}, takes more than"
                f" {SECONDS:g} seconds in reply {shown(reply.id)}.",
                "Nested repeats do that, as in (a+)+: write it without them.",
            ) from error

    def _invalid(self, why: str) -> UsageError:
        return UsageError(
            f"The pattern of {self.name}, {shown(self.pattern)}, is no regular expression: {why}.",
            "Put a backslash before characters that are meant literally, as in \\( or \\?.",
        )


def complete_text(reply: SweepReply) -> str:
    """The complete characters of a reply; what was imported without tokens is complete."""
    return reply.text[: reply.lengths[-1]] if reply.lengths else reply.text


def decided_after(prompt: SweepPrompt, reply: SweepReply, has: Callable[[str], bool]) -> int | None:
    """After how many tokens the reply has what its whole text has, and what stays once there.

    0 is after the text that replies begin with; None where there are no tokens to count.
    """
    if not reply.lengths:
        return None
    text = reply.text
    if prompt.begin and text.startswith(prompt.begin):
        begins = len(prompt.begin)
        if has(text[:begins]):
            return 0
    elif not prompt.begin and has(""):
        return 0
    ends = range(len(reply.lengths))
    return 1 + bisect_left(ends, True, key=lambda t: has(text[: reply.lengths[t]]))
