"""Requests, commands and events as lines of JSON, for an engine on another machine.

A line is a list: the name of the class, then its fields. What comes from another machine is
checked against the class that it names, field by field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, cast, get_args

import numpy
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

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
_FLOATS = numpy.dtype("<f8")


class WireError(LogitAmpError):
    """A line that is none of what it should be."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """TokenSums on the wire: the numbers as little-endian float64, in base64."""

    document: str
    positions: int
    before: bytes
    after: bytes

    @classmethod
    def of(cls, sums: TokenSums) -> _Sums:
        before, after = (side.astype(_FLOATS).tobytes() for side in (sums.before, sums.after))
        return cls(sums.document, sums.positions, before, after)

    @property
    def sums(self) -> TokenSums:
        """Raises WireError for numbers that cannot be sums of probabilities."""
        if len(self.before) != len(self.after) or len(self.before) % _FLOATS.itemsize:
            raise WireError("TokenSums: the sides differ in size.")
        before, after = (numpy.frombuffer(side, _FLOATS) for side in (self.before, self.after))
        for side in (before, after):
            if not bool(((side >= 0) & (side <= self.positions + 1e-3)).all()):
                raise WireError("TokenSums: these are no sums of probabilities.")
        return TokenSums(
            document=self.document, positions=self.positions, before=before, after=after
        )


_KINDS: dict[str, Any] = {**_REQUESTS, **_ADJUSTMENTS, **_EVENTS, "TokenSums": _Sums}


def to_line(sent: AnyRequest | Adjustment | Event) -> bytes:
    """One line of JSON, without the newline. Raises WireError for text that is no Unicode."""
    name = type(sent).__name__
    plain = _Sums.of(sent) if isinstance(sent, TokenSums) else sent
    try:
        return _adapter(name).dump_json((name, plain))
    except PydanticSerializationError as error:  # a lone surrogate
        raise WireError(f"{name}: it holds text that is no Unicode.") from error


def request_of(line: bytes) -> AnyRequest:
    """The request of a line. Raises WireError."""
    found = cast(AnyRequest, _parsed(line, _REQUESTS, "request"))
    if not _fits(from_json(line)):
        raise WireError(f"{type(found).__name__}: it has a whole number of more than 64 bits.")
    return found


def adjustment_of(line: bytes) -> Adjustment:
    """The command of a line. Raises WireError."""
    return cast(Adjustment, _parsed(line, _ADJUSTMENTS, "command"))


def event_of(line: bytes) -> Event:
    """The event of a line. Raises WireError."""
    return cast(Event, _parsed(line, _EVENTS, "event"))


def _parsed(line: bytes, kinds: dict[str, Any], what: str) -> object:
    found = _NAME.match(line)
    kind = kinds.get(found[1].decode()) if found else None
    if kind is None:
        raise WireError(f"This is no {what}: {line[:60]!r}")
    try:
        parsed: object = _adapter(kind.__name__).validate_json(line)[1]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise WireError(f"{kind.__name__}: {where}: {first['msg']}"[:300]) from error
    return parsed.sums if isinstance(parsed, _Sums) else parsed


def _fits(value: object) -> bool:
    """Whether all whole numbers in it are ones that tensors can hold."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        return all(map(_fits, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    pair: Any = tuple
    infinite = name in _EVENTS or name in _INFINITE
    config = ConfigDict(
        ser_json_inf_nan="strings",
        allow_inf_nan=infinite,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )
    return TypeAdapter(pair[str, _KINDS[name]], config=config)
