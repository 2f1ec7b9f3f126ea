"""YAML with line numbers: plain data, and errors that say where."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.text import visible

MAX_BYTES = 1_000_000
MAX_DEPTH = 8
MOST_ERRORS = 5
"""How many errors of one file are said at once."""
_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + kind for kind in ("str", "int", "float", "bool", "null")}

Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader that parses 1e-3 as a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(
    _TAG + "float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def scalar(text: str) -> str | bool | int | float | None:
    """The scalar that YAML reads in a text; the text itself where it reads something else."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is not None and node.tag in _SCALARS:
            value = loader.construct_object(node)
            return value if isinstance(value, str | bool | int | float | None) else text
    except (yaml.YAMLError, ValueError, LookupError, RecursionError):
        pass
    return text


@dataclass
class YamlFile:
    """The data of one file, and the line (from 1) of every key in it."""

    path: Path
    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    _seen: dict[int, Any] = field(default_factory=dict)  # an aliased node is built once

    @classmethod
    def read(cls, path: Path) -> YamlFile:
        """Read and parse a file. Raises ProfileError that names file and line."""
        file = cls(path)
        text = _read_text(path)
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            if node is not None:
                file.data = file._plain(loader, node, ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise file._unreadable(error.problem, mark.line + 1 if mark else None) from None
        except yaml.reader.ReaderError as error:
            line = text[: error.position].count("\n") + 1
            raise file._unreadable(
                f"the character U+{int(error.character):04X} is not allowed", line
            ) from None
        except RecursionError:
            raise file._unreadable("nested too deeply", None) from None
        return file

    def _plain(self, loader: _Loader, node: yaml.Node, where: Location) -> Any:
        """A node as dict, list, str, int, float, bool or None; nothing else is accepted."""
        line = self.lines.setdefault(where, node.start_mark.line + 1)
        if id(node) not in self._seen:
            if len(where) > MAX_DEPTH:  # also for an alias that contains itself
                raise self._unreadable("nested too deeply", line)
            self._seen[id(node)] = self._build(loader, node, where)
        return self._seen[id(node)]

    def _build(self, loader: _Loader, node: yaml.Node, where: Location) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(loader, item, (*where, i)) for i, item in enumerate(node.value)]
        line = node.start_mark.line + 1
        if node.tag == _TAG + "timestamp":
            return node.value
        if node.tag not in _SCALARS:
            raise self._unreadable(f"the tag {node.tag} is not allowed", line)
        try:
            return loader.construct_object(node)
        except (ValueError, LookupError):
            raise self._unreadable(f"{_short(node.value)} is not what its tag says", line) from None

    def _mapping(self, loader: _Loader, node: yaml.MappingNode, where: Location) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._unreadable("a key must be a single word", line)
            key: str = key_node.value
            if key in data:
                raise self.error((*where, key), "the key is there twice", line)
            self.lines[(*where, key)] = line
            data[key] = self._plain(loader, value_node, (*where, key))
        return data

    def error(self, where: Sequence[str | int], what: str, line: int | None = None) -> ProfileError:
        """A one-line error: file, line, key and what is wrong with it."""
        return ProfileError(f"{_short(str(self.path), 500)}, {self._said(where, what, line)}")

    def errors(self, found: Sequence[tuple[Sequence[str | int], str]]) -> ProfileError:
        """Several errors (key, what is wrong) as one, by line; at most MOST_ERRORS."""
        ordered = sorted(found, key=lambda error: self._line(tuple(error[0])))
        first, *others = (self._said(where, what) for where, what in ordered[:MOST_ERRORS])
        said = [f"{_short(str(self.path), 500)}, {first}", *(f"L{other[1:]}" for other in others)]
        if (more := len(found) - MOST_ERRORS) > 0:
            said.append(f"And {more} more.")
        return ProfileError(" ".join(said))

    def _said(self, where: Sequence[str | int], what: str, line: int | None = None) -> str:
        """`line 3, key alhpa: what is wrong.`"""
        where = tuple(where)
        key = ".".join(str(part) for part in where)
        at = f", key {_short(key)}" if key else ""
        end = "" if what.endswith("?") else "."
        return f"line {line or self._line(where)}{at}: {what}{end}"

    def _line(self, where: Location) -> int:
        """The line of the innermost part of `where` that is in the file."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def _unreadable(self, problem: str | None, line: int | None) -> ProfileError:
        at = f", line {line}" if line else ""
        second_colon = problem == "mapping values are not allowed here"
        return ProfileError(
            f"{_short(str(self.path), 500)}{at}: not readable as YAML"
            f" ({visible(problem or 'unknown problem', newlines=False)}).",
            "Put a text with a colon and a blank in it in quotes." if second_colon else "",
        )

    def explain(self, error: ValidationError, model: type[BaseModel]) -> ProfileError:
        """pydantic's errors, in words for someone who edits the file."""
        details = error.errors(include_url=False)
        meant = {(*one["loc"][:-1], _closest(one, model)) for one in details if _is_unknown(one)}
        # A mistyped key explains a missing one.
        told = [one for one in details if one["type"] != "missing" or one["loc"] not in meant]
        return self.errors([(_place(one), self._what(one, model)) for one in told])

    def _what(self, detail: ErrorDetails, model: type[BaseModel]) -> str:
        if _is_unknown(detail):
            known = _keys(model, detail["loc"][:-1])
            close = _closest(detail, model)
            hint = f"; did you mean {close}?" if close else ""
            return f"unknown key; expected one of {', '.join(known)}{hint}"
        if detail["type"] == "missing":
            return f"missing; expected {expectation(detail)}"
        found = "nothing" if detail["input"] is None else _short(_yaml(detail["input"]))
        return f"expected {expectation(detail)}, found {found}"


def _place(detail: ErrorDetails) -> Location:
    """Where in the file it is; a key itself has the place of its value."""
    where = detail["loc"]
    return where[:-1] if where[-1:] == ("[key]",) else where


def _is_unknown(detail: ErrorDetails) -> bool:
    """Whether the model has no such key."""
    return detail["type"] == "extra_forbidden"


def _closest(detail: ErrorDetails, model: type[BaseModel]) -> str | None:
    """The key that an unknown one was probably meant to be."""
    known = _keys(model, detail["loc"][:-1])
    return next(iter(difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)), None)


_SIDE = "a side such as {model: ID or folder}"
_MODEL = "a Hub id or a folder"
_EXPECTED = {
    "": "a mapping with the keys before and after",
    "before": _SIDE,
    "before.model": _MODEL,
    "after": _SIDE,
    "after.model": _MODEL,
    "alpha": "a finite number",
    "device": "auto, cpu, cuda or cuda:N",
    "labels": "a mapping with the keys before and after",
    "presets": "a list of numbers such as [-1, 0, 0.5, 1, 2]",
    "template": "a mapping such as {enable_thinking: false}",
    "sampling": "a mapping such as {temperature: 0.7, top_p: 0.9}",
    "needs": "a mapping such as {memory_gb: 12.5, gated: true}",
    "mirror": "a folder, or a command such as 'rclone copyto {file} remote:chats/{name}'",
}
_TYPES = {
    "tuple_type": 'a list of texts such as ["a", "b"]',
    "string_too_short": "a text that is not empty",
}
_KINDS = {"number": "a number", "integer": "a whole number"}


def expectation(detail: ErrorDetails) -> str:
    """What pydantic expected, in words for someone who edits a file or types an option."""
    known = _EXPECTED.get(".".join(map(str, detail["loc"])))
    if known or detail["type"] == "missing":
        return known or "a value"
    if detail["type"] in _TYPES:
        return _TYPES[detail["type"]]
    said = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    said = re.sub(r"^a valid (number|integer)\b.*", lambda kind: _KINDS[kind[1]], said)
    return re.sub(r"^(greater|less) ", r"a number \1 ", said)


def _keys(model: type[BaseModel], parents: Sequence[str | int]) -> list[str]:
    """The keys allowed below `parents`."""
    for parent in parents:
        if isinstance(parent, int):  # an item of a list, whose model is that of the list
            continue
        annotation = model.model_fields[parent].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)


def _read_text(path: Path) -> str:
    name = _short(str(path), 500)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, ValueError):  # ValueError: a NUL in the name
        raise ProfileError(f"The profile {name} does not exist.", "Check the path.") from None
    except OSError as error:
        raise ProfileError(f"Cannot read the profile {name}: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise ProfileError(f"{name} is larger than {MAX_BYTES} bytes, too long for a profile.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProfileError(f"{name}, line {line}: not readable as UTF-8 text.") from None


def _yaml(value: object) -> str:
    """A value as it would be written in the file."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return str(value)


def _short(text: str, length: int = 60) -> str:
    """Untrusted text for a one-line message."""
    text = visible(text, newlines=False)
    return text if len(text) <= length else text[: length - 1] + "…"
