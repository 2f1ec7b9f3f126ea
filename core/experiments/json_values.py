"""The values of JSON and JSON Lines files, one after the other, each with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.chat_shapes import is_messages
from logit_amp_chat.core.experiments.findings import shown

MOST = 1 << 26
"""The most characters of a JSON file or a JSON line: one value has to be held whole."""

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


class JsonValue(NamedTuple):
    """A value, its number in the file (0 for the only one), and the line on which it begins."""

    number: int
    line: int
    value: object


def json_lines(text: TextIO, name: str) -> Iterator[JsonValue]:
    """The value of every line that is not blank. Raises UsageError with file and line."""
    number = 0
    while line := text.readline(MOST + 1):
        number += 1
        if len(line) > MOST:
            raise UsageError(
                f"{shown(name)}:{number}: longer than {MOST >> 20} MB.",
                "Cut the text into several lines.",
            )
        if line := line.rstrip():
            try:
                yield JsonValue(number, number, json.loads(line))
            except (ValueError, RecursionError) as error:
                raise invalid_json(name, number, error) from error


def json_file(text: str, name: str) -> Iterator[JsonValue]:
    """The items of a file that is a list, else its one value; a list of messages is one value.

    Raises UsageError with file and line where the text is no JSON.
    """
    try:
        yield from _values(text)
    except (ValueError, RecursionError) as error:
        raise invalid_json(name, 1, error) from error


def _values(text: str) -> Iterator[JsonValue]:
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        value, end = _DECODER.raw_decode(text, at)
        _expect_end(text, end)
        yield JsonValue(0, 1 + text.count("\n", 0, at), value)
        return
    line, counted = 1, 0
    at, number = _skip(text, at + 1), 0
    while text[at : at + 1] != "]" or number:  # after a comma a bracket is an error
        value, end = _DECODER.raw_decode(text, at)
        line, counted = line + text.count("\n", counted, at), at
        number += 1
        if number == 1 and is_messages([value]):
            yield JsonValue(0, line, json.loads(text))
            return
        yield JsonValue(number, line, value)
        at = _skip(text, end)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        at = _skip(text, at + 1)
    _expect_end(text, at + 1)


def _skip(text: str, at: int) -> int:
    """The place of the first character from `at` on that is no white space."""
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _expect_end(text: str, end: int) -> None:
    if (at := _skip(text, end)) < len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def invalid_json(name: str, line: int, error: Exception) -> UsageError:
    """The refusal of what is no JSON; `line` is that of the text's first line."""
    why = "nested too deep" if isinstance(error, RecursionError) else str(error)
    if isinstance(error, json.JSONDecodeError):
        line += error.lineno - 1
        why = f"{error.msg}, column {error.colno}"
    return UsageError(
        f"{shown(name)}:{line}: no valid JSON: {why}.",
        "Was it cut off? Repair it, or leave it out.",
    )
