"""Which regular expressions stay matched, however a text goes on."""

from __future__ import annotations

import contextlib
from typing import Any

from regex import _regex_core as parser

# Nodes that take characters or look back at them, never ahead, and nodes made of such.
_LEAVES = (
    "Any",
    "AnyAll",
    "Character",
    "Property",
    "Range",
    "RefGroup",
    "SetDiff",
    "SetInter",
    "SetSymDiff",
    "SetUnion",
    "StartOfLine",
    "StartOfString",
    "String",
)
_WITH_ONE_PART = ("GreedyRepeat", "Group", "LazyRepeat")

# Modes in which a match may depend on what follows, or is not merely any match.
_REFUSED = ("BESTMATCH", "ENHANCEMATCH", "FULLCASE", "LOCALE", "POSIX", "REVERSE", "WORD")


def stays_matched(pattern: str) -> bool:
    """Whether a text that the pattern is found in has it still, whatever is written behind.

    That is so if a match depends on nothing behind it, and if every way to match is tried:
    without end anchors, boundaries, lookaround, atomic groups, possessive quantifiers,
    conditionals, recursion, fuzzy matching and the like. It is read from the tree that `regex`
    itself parses; what is not known to be safe there is not.
    """
    try:
        tree, flags = _parsed(pattern)
    except Exception:  # the parser is internal: another version of it may do anything
        return False
    refused = sum(int(getattr(parser, name)) for name in _REFUSED)
    return not flags & refused and _is_safe(tree)


def _parsed(pattern: str) -> tuple[Any, int]:
    """The tree of a pattern, and its flags; flags inside it may take a second pass."""
    flags = 0
    while True:
        source = parser.Source(pattern)
        info = parser.Info(flags, source.char_type, {})
        info.guess_encoding = parser.UNICODE
        with contextlib.suppress(parser._UnscopedFlagSet):
            tree = parser._parse_pattern(source, info)
            return tree, int(info.flags) | int(info.global_flags)
        if info.global_flags == flags:
            raise ValueError("flags that never settle")
        flags = info.global_flags


def _is_safe(node: Any) -> bool:
    kind = type(node).__name__
    if kind in _LEAVES:
        folds = getattr(node, "case_flags", 0) & parser.FULLCASE
        return (not folds and not getattr(node, "zerowidth", False)) or kind.startswith("StartOf")
    if kind in _WITH_ONE_PART:
        return _is_safe(node.subpattern)
    if kind == "Branch":
        return all(map(_is_safe, node.branches))
    return kind == "Sequence" and all(map(_is_safe, node.items))
