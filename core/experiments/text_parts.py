"""Plain text, cut into parts that a tokenizer can take; never held whole."""

from __future__ import annotations

import codecs
import contextlib
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, TextIO

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import Located, shown
from logit_amp_chat.core.reading import PlainText

PART = 1 << 20
"""The most characters of a part. Parts do not see each other when they are read."""


class NoTextError(UsageError):
    """A file that is no text."""


class Encoding(NamedTuple):
    """How a file's text is encoded: a codec's name, and in words what is not plain UTF-8."""

    codec: str
    words: str = ""


def encoding_of(head: bytes) -> Encoding:
    """The encoding that a file's first bytes show; UTF-8 without a mark.

    A mark is no part of the text, so that offsets count from the character after it.
    """
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", "UTF-8 with a byte order mark, which is left out")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", "UTF-16")
    return Encoding("utf-8")


@contextlib.contextmanager
def as_text(file: BinaryIO) -> Iterator[TextIO]:
    """The file's characters from its beginning, with its line ends as they are.

    `readline` ends lines at newlines alone. The file stays open.
    """
    file.seek(0)
    encoding = encoding_of(file.read(4)).codec
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors="strict", newline="\n")
    try:
        yield text
    finally:
        text.detach()


def read_plain(file: BinaryIO, name: str) -> Iterator[Located]:
    """The parts of a text file. Raises UsageError at the first that is no text."""
    line = 1
    try:
        with as_text(file) as text:
            for number, (part, is_last) in enumerate(text_parts(text.read), 1):
                refuse_nul(part, name, line)
                place = "" if number == 1 and is_last else f"part {number}"
                yield Located(place, line, PlainText(text=part))
                line += part.count("\n")
    except UnicodeDecodeError as error:
        raise undecodable(file, name) from error


def parts_of(text: Located) -> Iterator[Located]:
    """A text out of JSON, in parts where it is long; all of them have its line."""
    if not isinstance(text.content, PlainText) or len(text.content.text) <= PART:
        yield text
        return
    parts = text_parts(io.StringIO(text.content.text, newline="").read)
    for number, (part, _) in enumerate(parts, 1):
        place = ", ".join(filter(None, (text.place, f"part {number}")))
        yield Located(place, text.line, PlainText(text=part))


def text_parts(read: Callable[[int], str], most: int | None = None) -> Iterator[tuple[str, bool]]:
    """Cut a text into parts of at most `most` characters (2 or more; default PART).

    `read(n)` gives the next n characters, fewer at the end of the text only. Joined, the parts
    are the text. With each comes whether it is the last.
    """
    most = PART if most is None else most
    rest = ""
    while True:
        rest += read(most + 1 - len(rest))
        if len(rest) <= most:
            break
        at = _cut(rest, most)
        yield rest[:at], False
        rest = rest[at:]
    if rest:
        yield rest, True


def _cut(text: str, most: int) -> int:
    """Where to cut: after the last line break of the second half, else at `most`."""
    if at := text.rfind("\n", most // 2, most) + 1:
        return at
    return most - 1 if text[most - 1 : most + 1] == "\r\n" else most


def refuse_nul(text: str, name: str, line: int) -> None:
    """Raise UsageError where a text that begins at `line` has a NUL, as binary files do."""
    if (at := text.find("\0")) >= 0:
        raise no_text(name, f"NUL on line {line + text.count(chr(10), 0, at)}")


def undecodable(file: BinaryIO, name: str) -> NoTextError:
    """The refusal of a file with bytes that are no text, by the line of the first of them."""
    file.seek(0)
    encoding = encoding_of(file.read(4)).codec
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    line = 1
    try:
        while piece := file.read(1 << 16):
            line += decoder.decode(piece).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        sound = error.object[: error.start].decode(error.encoding, "replace")
        line += sound.count("\n")
    kind = "UTF-16" if encoding == "utf-16" else "UTF-8"
    return no_text(name, f"invalid {kind} on line {line}")


def no_text(name: str, why: str) -> NoTextError:
    """The refusal of a file that is no text."""
    return NoTextError(
        f"{shown(name)} is no text: {why}.", "Texts are read as UTF-8; convert it or leave it out."
    )
