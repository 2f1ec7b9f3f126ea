"""Token bytes to text, and the one place where untrusted text is made safe to show."""

from __future__ import annotations

import codecs
import unicodedata

# Format and control characters people have names for; the rest show their code point.
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

# Letters and marks that draw nothing: joiners, fillers, Mongolian and other
# variation selectors. U+FE0E and U+FE0F stay: they belong to ordinary emoji.
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
    """What stands for one character on the screen: itself, where it can be seen."""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if code in _BLANK or unicodedata.category(chr(code)) in _UNSEEN:
        return f"‹{_NAMES.get(code, f'U+{code:04X}')}›"
    return chr(code)


class _Glyphs(dict[int, str]):
    """A `str.translate` table that fills itself, one character at a time."""

    def __missing__(self, code: int) -> str:
        self[code] = glyph = _glyph(code)
        return glyph


_LINE = _Glyphs()
_BLOCK = _Glyphs({0x0A: "\n", 0x09: "\t"})
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_PLAIN = {code: _glyph(code) for code in _CONTROLS if code not in (0x0A, 0x09)}


def visible(text: str, *, newlines: bool = True) -> str:
    """`text` with every character that has no glyph of its own replaced by one.

    Control characters (ESC and C1 included), bidirectional and invisible
    characters, private and unassigned code points and lone surrogates become
    visible; nothing is dropped. Newline and tab stay when `newlines` is true
    and become ␊ and ␉ otherwise. Works character by character, so that the
    pieces of a stream join up: visible(a) + visible(b) == visible(a + b).
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_BLOCK if newlines else _LINE)


def plain(text: str) -> str:
    """`text` to be taken elsewhere: as it was said, less the control characters.

    Those (all but newline and tab) become visible, so that nothing happens
    where it is pasted or printed; joiners and other formats stay what they are.
    """
    return clean(text.translate(_PLAIN))


# Invisible, and part of how words and emoji are written: they stay in what is edited.
_JOINERS = "\u200c\u200d"


def editable(text: str) -> str:
    """`text` as it can stand in a field that is typed into.

    Newlines, tabs and joiners stay, control characters are left out, and what
    else could not be seen (bidirectional controls among them) becomes visible.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(c for c in text if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f"))
    return "".join(c if c in _JOINERS else visible(c) for c in kept)


def clean(text: str) -> str:
    """`text` as valid Unicode: a lone surrogate, which cannot be encoded, becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Utf8Stream:
    """UTF-8 that arrives in pieces: a character split between tokens is joined.

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
        """What is left of a character that was never completed, as U+FFFD."""
        return self._decoder.decode(b"", final=True)
