"""From files, folders and standard input to the texts and chats in them, one at a time.

Everything is checked to its end before anything is given out: a file that cannot be read as a
whole is refused before models load, and never half read.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.file_formats import (
    Format,
    format_of,
    kind_in_words,
    read_file,
)
from logit_amp_chat.core.experiments.findings import Findings, Located, shown, some
from logit_amp_chat.core.experiments.source_files import (
    Found,
    InputFile,
    explained,
    find_files,
)
from logit_amp_chat.core.experiments.text_parts import NoTextError
from logit_amp_chat.core.reading import Content, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One text or chat to read.

    `name` is its file as the user named it, "-" for standard input; `place` says which text of
    the file it is, "" for the only one. `line` is the line of the file, from 1, at which a plain
    text begins; 1 for what is inside of JSON.
    """

    name: str
    place: str
    line: int
    content: Content


@dataclass(frozen=True, slots=True)
class Refused:
    """A file, or the text at a place of it, that could not be read, and why."""

    name: str
    place: str
    error: LogitAmpError


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that was checked: its size in bytes, its number of sources, and its kind in words."""

    name: str
    size: int
    sources: int
    kind: str


class Sources:
    """The texts of some files; iterating reads the files again, one text at a time.

    Any number of times, but not twice at once: standard input has one place to read from.
    """

    def __init__(self, found: Found, score: Score, vocabulary: str | None) -> None:
        self.files: list[SourceFile] = []
        """The files that have something to read, in their order."""
        self.notices: list[str] = list(found.notices)
        """What is left out, and why: a sentence each, safe to show."""
        self.position = 0
        """Bytes of the files that the iteration has read so far."""
        self._score: Score = score
        self._vocabulary = vocabulary
        self._plan: list[tuple[InputFile, Format]] = []
        self._empty: list[str] = []
        self._no_text: list[str] = []
        for file in found.files:
            self._check_or_leave_out(file)
        self._tell_left_out()
        self._refuse_nothing()

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def saved(self) -> frozenset[str]:
        """The names of the files that are saved chats."""
        return frozenset(file.name for file, kind in self._plan if kind == "transcript")

    def use_vocabulary(self, vocabulary: str | None) -> list[str]:
        """Choose anew, for the pair that was opened, which replies are read as their tokens.

        Checks transcripts again, with `vocabulary` as in `read_sources`; returns the notices
        that this adds. Raises as `read_sources` does.
        """
        said = list(self.notices)
        self._vocabulary = vocabulary
        checked = list(zip(self._plan, self.files, strict=True))
        self._plan, self.files = [], []
        for (file, kind), source_file in checked:
            if kind == "transcript":
                self._check_or_leave_out(file)
            else:
                self._plan.append((file, kind))
                self.files.append(source_file)
        self._tell_left_out()
        new = [notice for notice in self.notices[len(said) :] if notice not in said]
        self.notices = said + new
        self._refuse_nothing()
        return new

    def __iter__(self) -> Iterator[Source | Refused]:
        """Every text; a Refused for a file that is no longer what it was."""
        done = 0
        for file, kind in self._plan:
            try:
                yield from self._texts(file, kind, done)
            except UsageError as error:
                yield Refused(file.name, "", error)
            done += file.size
            self.position = done

    def readable(self) -> Iterator[Source]:
        """Every text. Raises LogitAmpError for a file that is no longer what it was."""
        for source in self:
            if isinstance(source, Refused):
                raise source.error
            yield source

    def _texts(self, file: InputFile, kind: Format, done: int) -> Iterator[Source]:
        """The texts of a file; `done` are the bytes of those before. Raises UsageError."""
        try:
            with (
                file.open() as binary,
                closing(self._read(file, kind, binary, Findings())) as texts,
            ):
                _check_unchanged(file, binary)
                for place, begin, content in texts:
                    self.position = done + binary.tell()
                    # the lines of a text in JSON are not those of the file
                    line = begin if kind == "plain text" else 1
                    yield Source(name=file.name, place=place, line=line, content=content)
                _check_unchanged(file, binary)
        except OSError as error:
            raise explained(file.name, error) from error

    def _read(
        self, file: InputFile, kind: Format, binary: BinaryIO, findings: Findings
    ) -> Generator[Located]:
        return read_file(file, kind, binary, findings, self._score, self._vocabulary)

    def _tell_left_out(self) -> None:
        """Add the notices of files in which there is nothing."""
        if self._no_text:
            self.notices.append(f"Left out, no text: {some(self._no_text)}.")
        if self._empty:
            self.notices.append(f"Left out, empty: {some(self._empty)}.")
        self._no_text, self._empty = [], []

    def _check_or_leave_out(self, file: InputFile) -> None:
        """Plan to read a file that can be read; one that is not named is left out otherwise."""
        try:
            self._check(file)
        except UsageError as error:
            if file.is_named:
                raise
            if isinstance(error, NoTextError):
                self._no_text.append(file.name)
            else:
                self.notices.append(f"Left out: {error.message}")

    def _check(self, file: InputFile) -> None:
        """Read a file to its end, and plan to read it again if there is anything in it."""
        findings = Findings()
        try:
            kind = format_of(file)
            with file.open() as binary:
                head = binary.read(4)
                sources = sum(1 for _ in self._read(file, kind, binary, findings))
        except OSError as error:
            raise explained(file.name, error) from error
        self.notices += findings.notices
        if findings.unscored:
            self.notices.append(self._unscored(file, findings))
        elif not sources:
            self._empty.append(file.name)
        if sources:
            words = kind_in_words(file, kind, head, findings)
            self._plan.append((file, kind))
            self.files.append(
                SourceFile(name=file.name, size=file.size, sources=sources, kind=words)
            )

    def _unscored(self, file: InputFile, findings: Findings) -> str:
        whose = "" if self._score == "all" else f" of the role {self._score}"
        places = some(filter(None, findings.examples), findings.unscored)
        where = f": {places}" if places else ""
        return f"{shown(file.name)}: nothing{whose} to score, left out{where}."

    def _refuse_nothing(self) -> None:
        if not self._plan:
            raise UsageError(
                " ".join(["There is nothing to read.", *self.notices[:3]]),
                "Name a file or a folder with text in it.",
            )


def _check_unchanged(file: InputFile, binary: BinaryIO) -> None:
    """Raises UsageError where a file was changed since it was checked."""
    if file.changed is not None and os.fstat(binary.fileno()).st_mtime_ns != file.changed:
        raise UsageError(
            f"{shown(file.name)} was changed while it was read.", "Run the command again."
        )


def read_sources(
    paths: Sequence[str | Path],
    score: Score = "assistant",
    vocabulary: str | None = None,
    stdin: BinaryIO | None = None,
) -> Sources:
    """Check everything that `paths` name (files, folders, "-" for `stdin`) for reading.

    Of chats the tokens of `score` count. Replies of saved chats are read as their tokens where
    `vocabulary`, a pair's fingerprint, is that of their session (None: always); where the pair
    is opened later, `Sources.use_vocabulary` says it before anything is read.

    Raises UsageError for a named file that is no text, cannot be read as a whole, or has chats
    that cannot be read as they are, and where nothing is left to read. In folders such files
    are left out, and `notices` name them.
    """
    return Sources(find_files(paths, stdin), score, vocabulary)
