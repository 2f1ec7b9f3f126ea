"""Text as a stranger would choose it."""

from __future__ import annotations

import unicodedata

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

SEQUENCES = [
    "\x1b[2J\x1b[H",
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x9b31m",
    "\x90q\x9c",
    "\r\n",
    "\x08\x7f\x00",
    "\u202etxt.exe\u202c",
    "\u2066\u2069\u200b\u200d\ufeff",
    "\u2028\u2029\x85\x0b\x0c",
    "\udcff\ud800",
    "[/red][b]",
    "```\n<script>alert(1)</script>",
    "\U000e0041\U0010ffff",
]
anything = st.characters(exclude_categories=())


def joined(parts: list[str]) -> str:
    """One text, in which two surrogates that make a character are that character, as in JSON."""
    return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


hostile = st.lists(st.text(anything, max_size=6) | st.sampled_from(SEQUENCES), max_size=3).map(
    joined
)


def raw_controls(text: str, allowed: str = "\n\t") -> list[str]:
    """Characters of `text` that a terminal obeys or that cannot be seen."""
    return [
        character
        for character in text
        if character not in allowed
        and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]


def hostile_texts(count: int) -> list[str]:
    """`count` cases, which hypothesis chooses."""
    found: list[str] = []

    @given(hostile)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found
