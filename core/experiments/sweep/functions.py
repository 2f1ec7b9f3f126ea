"""Behaviours that a function in Python decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.behaviours import LARGEST, Kind, Replies, Verdict
from logit_amp_chat.core.experiments.sweep.patterns import complete_text

HOW = "Return True or False for every reply, or a float; None where it cannot be said."


class Function:
    """A behaviour: what a function says of a reply's text.

    True and False (1 and 0) are counted, floats are averaged; a reply of which it says None
    could not be judged.
    """

    kind: Kind = "function"

    def __init__(self, name: str, function: Callable[[str], object]) -> None:
        self.name = name
        self.numeric = False
        self._function = function
        self._kinds: set[bool] = set()

    @property
    def definition(self) -> dict[str, Any]:
        """The function's name: what it does is not known."""
        name = getattr(self._function, "__qualname__", None) or repr(self._function)
        return {"kind": self.kind, "function": name}

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """What the function says of each reply. Raises LogitAmpError where it fails."""
        for _, reply in replies:
            yield self._verdict(reply.id, complete_text(reply))

    def close(self) -> None:
        """There is nothing to free."""

    def _verdict(self, reply: str, text: str) -> Verdict:
        try:
            found = self._function(text)
        except Exception as error:
            raise LogitAmpError(
                f"The function of {shown(self.name)} failed in reply {shown(reply)}:"
                f" {type(error).__name__}: {shown(error)}"
            ) from error
        found = found.item() if hasattr(found, "item") else found
        if found is None:
            return Verdict(math.nan, refused="the function said None")
        if not isinstance(found, Real) or (isinstance(found, float) and not abs(found) <= LARGEST):
            raise self._refused(reply, found)
        self.numeric = isinstance(found, float)
        self._kinds.add(self.numeric)
        if len(self._kinds) > 1 or (not self.numeric and found not in (0, 1)):
            raise self._refused(reply, found)
        return Verdict(float(found))

    def _refused(self, reply: str, found: object) -> UsageError:
        also = ", and True, False or an int before" if len(self._kinds) > 1 else ""
        return UsageError(
            f"The function of {shown(self.name)} says {shown(repr(found))[:80]} of reply"
            f" {shown(reply)}{also}.",
            HOW,
        )
