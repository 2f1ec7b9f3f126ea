"""A file that an experiment goes on from: a header, then a line for each result."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.records import Session, Unknown
from logit_amp_chat.core.transcripts.jsonl import from_line, is_unreadable
from logit_amp_chat.core.transcripts.writer import Transcript

LINE_BYTES = 1 << 26
VERSION = 1
"""Of the file; one of another version is refused."""


class ResultFile:
    """Lines of one experiment: append-only, one writer, on the disk as they come.

    The header is the first line, of the type `kind`; it has what the results depend on: its
    `settings`, its `pair` and the `time` of its beginning.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], *, kind: str, elsewhere: str) -> None:
        """Go on with a file, or begin it; `elsewhere` says how to choose another.

        Raises UsageError where the header of the file is not the same, and where the file has
        something else in it, TranscriptError where it cannot be written.
        """
        self.path = path
        self.damaged = 0
        """Lines that could not be read, as the last one after a kill; what they had is new."""
        self._kind = kind
        self._elsewhere = elsewhere
        self._writer = self._open()
        try:
            found = next(self._lines(), None)
            self.header: Mapping[str, Any] = found or header
            if found is None:
                self.append(kind, header)
            else:
                self._refuse_other(found, header)
        except BaseException:
            self._writer.abandon()
            raise

    def append(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Write a line; it is on the disk when this returns. Raises TranscriptError."""
        try:
            self._writer.append(Unknown(type=kind, fields=dict(fields)))
        except TranscriptError as error:
            raise TranscriptError(error.message, self._elsewhere) from error

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines after the header that can be read, with their `type`, in their order."""
        self.damaged = 0
        lines = self._lines()
        next(lines, None)
        yield from lines

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._writer.close()

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in read_lines(self.path, kind=self._kind, elsewhere=self._elsewhere):
            if line is None:
                self.damaged += 1
            else:
                yield line

    def _open(self) -> Transcript:
        try:
            if not self.path.exists():
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
            return Transcript.reopen(self.path)
        except OSError as error:
            raise UsageError(
                f"Cannot write {shown(self.path)}: {error.strerror}.", self._elsewhere
            ) from error
        except TranscriptError as error:
            raise UsageError(
                f"Cannot go on with the results in {shown(self.path)}: it is no file, or another"
                f" {self._kind} writes it.",
                self._elsewhere,
            ) from error

    def _refuse_other(self, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        """Raise UsageError where what results depend on is not the same."""
        if found.get("version") != VERSION:
            raise UsageError(
                f"{shown(self.path)} was written by another version of logit-amp-chat.",
                self._elsewhere,
            )
        for part, what in (("settings", "other settings"), ("pair", "another pair")):
            there, here = _flat(found.get(part)), _flat(json.loads(json.dumps(header[part])))
            for name in sorted(there.keys() | here.keys()):
                if there.get(name) != here.get(name):
                    raise UsageError(
                        f"{shown(self.path)} has the results of a {self._kind} with {what}:"
                        f" {name} was {shown(there.get(name))}, now it is {shown(here.get(name))}.",
                        f"{self._elsewhere} Or use the same pair and settings.",
                    )


def read_lines(path: Path, *, kind: str, elsewhere: str) -> Iterator[dict[str, Any] | None]:
    """The header, of the type `kind`, and the lines after it; None for one that is damaged.

    Raises UsageError for a file with something else in it, OSError for one that cannot be read.
    """
    begun = False
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES):
            record = from_line(line)
            known = isinstance(record, Unknown) and not is_unreadable(record)
            if isinstance(record, Unknown) and known and (begun or record.type == kind):
                begun = True
                yield {"type": record.type, **record.fields}
            elif begun or (is_unreadable(record) and _is_torn_header(line, kind)):
                if line.strip():
                    yield None
            elif line.strip():
                raise UsageError(
                    f"{shown(path)} has something else in it than the results of a {kind}.",
                    f"{elsewhere} Nothing was changed in this one.",
                )


def _is_torn_header(line: bytes, kind: str) -> bool:
    begins = json.dumps({"type": kind}).encode()[:-1]
    return line.rstrip(b"\n")[: len(begins)] == begins[: len(line.rstrip(b"\n"))]


def pair_identity(session: Session) -> dict[str, Any]:
    """What the numbers of a pair depend on besides the prompt: models, template, systems."""
    sides = {}
    for name in ("before", "after"):
        profile = session.profile.get(name)
        system = profile.get("system") if isinstance(profile, dict) else None
        sides[name] = {**dataclasses.asdict(getattr(session, name)), "system": system}
    return {**sides, "vocabulary": session.vocabulary, "template": session.template_hash}


def _flat(value: object, name: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {name: value}
    parts = (_flat(part, f"{name}.{key}".strip(".")) for key, part in value.items())
    return {key: part for found in parts for key, part in found.items()}
