"""Requests, commands and events as lines of JSON, for an engine on another machine.

A line is a list: the name of the class, then its fields. What comes from another machine is
checked against the class that it names, field by field.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, cast, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Adjustment, AnyRequest, Event
from logit_amp_chat.core.reading import TokenSums

VERSION = 1
"""Of these lines; both ends have the same."""

_NAME = re.compile(rb'\s*\[\s*"([A-Za-z]{1,40})"')
_REQUESTS = {kind.__name__: kind for kind in get_args(AnyRequest)}
_ADJUSTMENTS = {kind.__name__: kind for kind in get_args(Adjustment)}
_EVENTS = {kind.__name__: kind for kind in get_args(Event)}
_INFINITE = ("ReadRequest",)
"""Requests with a number that may be infinite: the threshold that no token reaches."""
_KINDS: dict[str, Any] = {**_REQUESTS, **_ADJUSTMENTS, **_EVENTS}


class WireError(LogitAmpError):
    """A line that is none of what it should be."""


def to_line(sent: AnyRequest | Adjustment | Event) -> bytes:
    """One line of JSON, without the newline. Raises WireError for text that is no Unicode."""
    if isinstance(sent, TokenSums):
        raise WireError("Sums over a vocabulary are not sent to another machine.")
    name = type(sent).__name__
    try:
        return _adapter(name).dump_json((name, sent))
    except PydanticSerializationError as error:  # a lone surrogate
        raise WireError(f"{name}: it holds text that is no Unicode.") from error


def request_of(line: bytes) -> AnyRequest:
    """The request of a line. Raises WireError."""
    return cast(AnyRequest, _parsed(line, _REQUESTS, "request"))


def adjustment_of(line: bytes) -> Adjustment:
    """The command of a line. Raises WireError."""
    return cast(Adjustment, _parsed(line, _ADJUSTMENTS, "command"))


def event_of(line: bytes) -> Event:
    """The event of a line. Raises WireError."""
    return cast(Event, _parsed(line, _EVENTS, "event"))


def _parsed(line: bytes, kinds: dict[str, Any], what: str) -> object:
    found = _NAME.match(line)
    kind = kinds.get(found[1].decode()) if found else None
    if kind is None or kind is TokenSums:
        raise WireError(f"This is no {what}: {line[:60]!r}")
    try:
        return _adapter(kind.__name__).validate_json(line)[1]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise WireError(f"{kind.__name__}: {where}: {first['msg']}"[:300]) from error


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    pair: Any = tuple
    infinite = name in _EVENTS or name in _INFINITE
    config = ConfigDict(ser_json_inf_nan="strings", allow_inf_nan=infinite)
    return TypeAdapter(pair[str, _KINDS[name]], config=config)
