"""Makes untrusted text safe to show, copy or edit, and decodes UTF-8 that comes in pieces."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

# Short names of format and control characters; the rest show their code point.
_NAMES = {
    0x00AD: "SHY",
    0x034F: "CGJ",
    0x061C: "ALM",
    0x180E: "MVS",
    0x200B: "ZWSP",
    0x200C: "ZWNJ",
    0x200D: "ZWJ",
    0x200E: "LRM",
    0x200F: "RLM",
    0x2028: "LSEP",
    0x2029: "PSEP",
    0x202A: "LRE",
    0x202B: "RLE",
    0x202C: "PDF",
    0x202D: "LRO",
    0x202E: "RLO",
    0x2060: "WJ",
    0x2066: "LRI",
    0x2067: "RLI",
    0x2068: "FSI",
    0x2069: "PDI",
    0xFEFF: "BOM",
}

# Categories without a glyph: controls, formats, surrogates, private use,
# unassigned, line and paragraph separators.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

# Letters and marks without a glyph: joiners, fillers, variation selectors.
# U+FE0E and U+FE0F stay: ordinary emoji have them.
_BLANK = {
    0x034F,
    0x115F,
    0x1160,
    0x17B4,
    0x17B5,
    0x180B,
    0x180C,
    0x180D,
    0x180F,
    0x3164,
    0xFFA0,
    *range(0xFE00, 0xFE0E),
    *range(0xE0100, 0xE01F0),
}


def _glyph(code: int) -> str:
    """The character itself if it is visible, else a visible stand-in."""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if code in _BLANK or unicodedata.category(chr(code)) in _UNSEEN:
        return f"‹{_NAMES.get(code, f'U+{code:04X}')}›"
    return chr(code)


class _Glyphs(dict[int, str]):
    """A `str.translate` table that is filled on demand."""

    def __missing__(self, code: int) -> str:
        self[code] = glyph = _glyph(code)
        return glyph


_LINE = _Glyphs()
_BLOCK = _Glyphs({0x0A: "\n", 0x09: "\t"})
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_PLAIN = {code: _glyph(code) for code in _CONTROLS if code not in (0x0A, 0x09)}


def visible(text: str, *, newlines: bool = True) -> str:
    """`text` with every character that has no glyph replaced by a visible stand-in.

    That covers control characters (ESC and C1 too), bidirectional and invisible
    characters, private and unassigned code points and lone surrogates; nothing
    is dropped. Newline and tab stay, or become ␊ and ␉ without `newlines`.
    visible(a) + visible(b) == visible(a + b), so pieces of a stream can be
    converted one by one.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_BLOCK if newlines else _LINE)


def plain(text: str) -> str:
    """`text` to paste or print elsewhere: only control characters become visible.

    Newline, tab, joiners and other format characters stay.
    """
    return clean(text.translate(_PLAIN))


# Invisible, but words and emoji are written with them.
_JOINERS = "\u200c\u200d"


def editable(text: str) -> str:
    """`text` for an input field.

    Newlines, tabs and joiners stay, control characters are dropped, and other
    invisible characters (bidirectional controls too) become visible.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(c for c in text if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f"))
    return "".join(c if c in _JOINERS else visible(c) for c in kept)


def clean(text: str) -> str:
    """`text` as valid Unicode: lone surrogates become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Utf8Stream:
    """Decodes UTF-8 that comes in pieces; a character split between them is joined.

    Bytes that can never become valid turn into U+FFFD as soon as that is known.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The characters that `data` completes."""
        return self._decoder.decode(data)

    @property
    def pending(self) -> bool:
        """Whether a character waits for more bytes."""
        return bool(self._decoder.getstate()[0])

    def finish(self) -> str:
        """An incomplete last character, as U+FFFD."""
        return self._decoder.decode(b"", final=True)


def short_path(path: Path) -> str:
    """A path with the home folder as ~."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


# --- texts in one line of input -------------------------------------------------------

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "|": "|"}
_TYPED = {ord(value): f"\\{name}" for name, value in _ESCAPES.items()}


def unescaped(text: str) -> str:
    """A text that was typed in one line, with its escapes: n, t, r, | and \\ after a \\."""
    return re.sub(r"\\([ntr\\|])", lambda found: _ESCAPES[found[1]], text)


def typed(texts: Iterable[str]) -> str:
    """Texts as one types them in one line, with | between them; `parsed` undoes it."""
    return "|".join(text.translate(_TYPED) for text in texts)


def parsed(line: str) -> tuple[str, ...]:
    """The texts of a line that has | between them; none of an empty one."""
    parts = re.findall(r"(?s)((?:\\.|[^|\\]|\\\Z)*)(?:\||\Z)", line)
    return tuple(unescaped(part) for part in parts if part)
