"""What a search finds, and the file that it goes on from: a line for each prompt."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.record_file import FileKind, RecordFile
from logit_amp_chat.core.reading import Chat, Content, PlainText
from logit_amp_chat.core.records import Candidate, Role, Session

HEADER, RESULT = "search", "search-result"
KIND = FileKind(RESULT, "a search", "results", "Choose another file with --out", HEADER)
VERSION = 1
"""Of the file; one of another version is refused."""

Order = Literal["mean-kl", "max-kl", "log-ratio"]
Given = Literal["answer", "continuation"]
"""What was measured: after's own answer, or the continuation that was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrongestToken:
    """The token with the largest |log-ratio|: log p and KL(after‖before) in nats."""

    index: int
    token: int
    text: str
    before: float
    after: float
    kl: float
    top: tuple[Candidate, ...] = ()

    @property
    def log_ratio(self) -> float:
        """log p under after − log p under before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """How differently the sides go on after one prompt, in nats.

    `key` identifies the prompt by its content. `messages` are those of a chat, as role and
    text; a text that was read itself has none. `text` is the beginning of the prompt, `begins`
    that of the `tokens` tokens that were measured: KL(after‖before), and log p under after − log
    p under before of all of them together.
    """

    key: str
    source: str
    place: str
    line: int
    measured: Given
    messages: tuple[tuple[Role, str], ...]
    text: str
    begins: str
    tokens: int
    mean_kl: float
    max_kl: float
    log_ratio: float
    strongest: StrongestToken

    def value(self, by: Order) -> float:
        """What it is ranked by; of the log-ratio its size."""
        found = {"mean-kl": self.mean_kl, "max-kl": self.max_kl, "log-ratio": abs(self.log_ratio)}
        value = found[by]
        return math.inf if math.isnan(value) else value  # +∞ and −∞ in one text


# JSON has no infinities: they are strings, as in transcripts. (A list takes a configuration.)
_RESULTS: TypeAdapter[list[SearchResult]] = TypeAdapter(
    list[SearchResult], config=ConfigDict(ser_json_inf_nan="strings")
)


def plain_values(result: SearchResult) -> dict[str, Any]:
    """A result as JSON has it."""
    found: list[dict[str, Any]] = json.loads(_RESULTS.dump_json([result]))
    return found[0]


def key_of(content: Content) -> str:
    """A hash of what is read or answered, whatever file it is in."""
    match content:
        case PlainText(text=text):
            what: object = ["text", text]
        case Chat(messages=messages):
            what = ["chat", [[m.role, m.text] for m in messages]]
        case _:
            what = ["tokens", dataclasses.astuple(content)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def identity(session: Session) -> dict[str, Any]:
    """What the numbers of a pair depend on besides the prompt: models, template, systems."""
    sides = {}
    for name in ("before", "after"):
        profile = session.profile.get(name)
        system = profile.get("system") if isinstance(profile, dict) else None
        sides[name] = {**dataclasses.asdict(getattr(session, name)), "system": system}
    return {**sides, "vocabulary": session.vocabulary, "template": session.template_hash}


class SearchFile:
    """The results of one search, a line each: append-only, one writer, saved as they come."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Go on with a file, or begin it.

        `header` has what the results depend on; that of the file has to be the same. Raises
        UsageError where it is not, and where the file has something else in it, TranscriptError
        where it cannot be written.
        """
        self.path = path
        self._invalid = 0
        self._file = RecordFile(path, KIND)
        try:
            found = next(self._file.read(), None)
            self.time = str(header["time"]) if found is None else str(found.get("time"))
            if found is None:
                self._file.append(HEADER, header)
            else:
                _refuse_other(path, found, header)
        except BaseException:
            self._file.abandon()
            raise

    def results(self) -> Iterator[SearchResult]:
        """Those that are in the file, in their order."""
        self._invalid = 0
        for fields in self._file.read():
            if fields["type"] == RESULT:
                try:
                    yield from _RESULTS.validate_python([fields])
                except ValidationError:
                    self._invalid += 1

    @property
    def damaged(self) -> int:
        """Lines that could not be read, as the last one after a kill; their prompts are new."""
        return self._file.damaged + self._invalid

    def add(self, result: SearchResult) -> None:
        """Write a result; it is on the disk when this returns. Raises TranscriptError."""
        self._file.append(RESULT, plain_values(result))

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()


def _refuse_other(path: Path, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    """Raise UsageError where what results depend on is not the same."""
    if found.get("version") != VERSION:
        raise UsageError(
            f"{shown(path)} was written by another version of logit-amp-chat.",
            "Choose another file with --out.",
        )
    for part, what in (("settings", "other settings"), ("pair", "another pair")):
        there, here = _flat(found.get(part)), _flat(json.loads(json.dumps(header[part])))
        for name in sorted(there.keys() | here.keys()):
            if there.get(name) != here.get(name):
                raise UsageError(
                    f"{shown(path)} has the results of a search with {what}:"
                    f" {name} was {shown(there.get(name))}, now it is {shown(here.get(name))}.",
                    "Choose another file with --out, or the same pair and settings.",
                )


def _flat(value: object, name: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {name: value}
    parts = (_flat(part, f"{name}.{key}".strip(".")) for key, part in value.items())
    return {key: part for found in parts for key, part in found.items()}
