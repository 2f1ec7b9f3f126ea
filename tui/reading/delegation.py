"""Actions of a screen that its parts have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

S = TypeVar("S")
A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


def delegate(
    part: Callable[[S], A], method: Callable[Concatenate[A, P], R]
) -> Callable[Concatenate[S, P], R]:
    """A method of the screen that calls the method of one of its parts.

    Textual looks up the action `screen.branch` as `action_branch` of the screen.
    """

    @wraps(method)
    def action(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(part(self), *args, **kwargs)

    return action
