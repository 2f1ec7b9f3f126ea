"""A file that an experiment goes on from: a header, then a record for each result."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.record_file import FileKind, RecordFile
from logit_amp_chat.core.records import Session

VERSION = 1
"""Of the file; one of another version is refused."""


class ResultFile:
    """The results of one experiment: a RecordFile whose header says what they depend on.

    The header has their `version`, `settings` and `pair`, and the `time` of the beginning.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], kind: FileKind) -> None:
        """Go on with a file, or begin it.

        Raises UsageError where the header of the file is not the same, and where the file has
        something else in it, TranscriptError where it cannot be written.
        """
        self.path = path
        self._kind = kind
        self._file = RecordFile(path, kind)
        try:
            found = next(self._file.read(), None)
            self.header: Mapping[str, Any] = found or header
            if found is None:
                assert kind.header is not None, "a file of results has a header"
                self._file.append(kind.header, header)
            else:
                self._refuse_other(found, header)
        except BaseException:
            self._file.abandon()
            raise

    @property
    def damaged(self) -> int:
        """Lines that could not be read, as the last one after a kill; what they had is new."""
        return self._file.damaged

    def append(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Write a record; it is on the disk when this returns. Raises TranscriptError."""
        self._file.append(kind, fields)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The records after the header, with their `type`, in their order."""
        records = self._file.read()
        next(records, None)
        yield from records

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()

    def _refuse_other(self, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        """Raise UsageError where what results depend on is not the same."""
        kind = self._kind
        if found.get("version") != VERSION:
            raise UsageError(
                f"{shown(self.path)} was written by another version of logit-amp-chat.",
                f"{kind.remedy}.",
            )
        for part, what in (("settings", "other settings"), ("pair", "another pair")):
            there, here = _flat(found.get(part)), _flat(json.loads(json.dumps(header[part])))
            for name in sorted(there.keys() | here.keys()):
                if there.get(name) != here.get(name):
                    raise UsageError(
                        f"{shown(self.path)} has the {kind.what} of {kind.experiment} with {what}:"
                        f" {name} was {shown(there.get(name))}, now it is {shown(here.get(name))}.",
                        f"{kind.remedy}, or the same pair and settings.",
                    )


def pair_identity(session: Session) -> dict[str, Any]:
    """What the numbers of a pair depend on besides the prompt: models, template, systems, date."""
    sides = {}
    for name in ("before", "after"):
        profile = session.profile.get(name)
        system = profile.get("system") if isinstance(profile, dict) else None
        side = getattr(session, name)
        decides = (field.name for field in dataclasses.fields(side) if field.compare)
        sides[name] = {**{field: getattr(side, field) for field in decides}, "system": system}
    variables = session.profile.get("template")
    return {
        **sides,
        "vocabulary": session.vocabulary,
        "template": session.template_hash,
        "variables": variables if isinstance(variables, dict) else {},
        "date": session.profile.get("date"),
    }


def _flat(value: object, name: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {name: value}
    parts = (_flat(part, f"{name}.{key}".strip(".")) for key, part in value.items())
    return {key: part for found in parts for key, part in found.items()}
