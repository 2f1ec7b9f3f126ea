"""Options that several commands share, added to their signatures."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

Command = Callable[..., None]


def with_options(options: Mapping[str, Any]) -> Callable[[Command], Command]:
    """Give a command options by name, before its last; it finds their values in its context."""

    def added(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        parameters = list(own.parameters.values())
        parameters[-1:-1] = [
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation
            )
            for name, annotation in options.items()
        ]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            command(**{name: value for name, value in values.items() if name not in options})

        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return added
