"""A pattern that is said to stay matched does, for every text and whatever follows it."""

from __future__ import annotations

import pytest
import regex
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from logit_amp_chat.core.experiments.sweep.growth import stays_matched


@pytest.mark.parametrize(
    "pattern",
    [
        "lighthouse",
        "(?i)lighthouse",
        "^By the way",
        "(?m)^- ",
        "(?s)a.*b",
        "a.*?b",
        "[^a-z]+x",
        r"\d{3}\s\w",
        "colou?r|gr[ae]y",
        "(?:ab){2,4}c",
        "(?P<x>a|b)c(?P=x)",
        r"(a+)\1",
        r"\{\"a\"",
        r"\p{Lu}\p{Ll}",
        r"\x41\u00e9",
        "[[:alpha:]]",
        "(?x) a b # a comment",
        "(?#a comment)a",
        "",
    ],
)
def test_stays(pattern: str) -> None:
    regex.compile(pattern)
    assert stays_matched(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "a$",
        r"a\Z",
        r"a\z",
        "(?m)a$",
        r"a\b",
        r"\Ba",
        r"\ma\M",
        "a(?=b)",
        "a(?!b)",
        "(?<=a)b",
        "(?<!a)b",
        "(?>a+)b",
        "a++b",
        "a*+b",
        "(a)?(?(1)b|c)",
        "(?(?=a)ab|c)",
        r"(a|b(?R)?)",
        r"(a)(?1)",
        "(?r)ab",
        "(?:ab){e<=1}",
        "(?e)(?:ab){e<=1}",
        "(?b)(?:ab){e<=1}",
        r"a\Kb",
        r"\Xa",
        r"\Ga",
        r"a(*SKIP)(*FAIL)|b",
        r"a(*PRUNE)b",
        "(?p)a|ab",
        "(?w)^a",
        "(?fi)ss",
        "(?V1)a",
        "(?L)a",
        "ab(c",
        r"\R",
    ],
)
def test_may_not_stay(pattern: str) -> None:
    assert not stays_matched(pattern)


# --- over random patterns -------------------------------------------------------

ATOMS = st.sampled_from(
    [
        r"a",
        r"b",
        r"ab",
        r"ss",
        r"ß",
        r".",
        r"[ab]",
        r"[^a]",
        r"\w",
        r"\s",
        r"\n",
        r"^",
        r"(?m:^)",
        r"(?i:A)",
        r"(?s:.)",
        r"$",
        r"\b",
        r"\B",
        r"\Z",
        r"(?=b)",
        r"(?!b)",
        r"(?<=a)",
        r"(?<!a)",
        r"\X",
        r"\R",
        r"\1",
        r"\K",
        r"\m",
        r"\M",
        r"\G",
        r"(?1)",
        r"()",
        r"\p{L}",
        r"[[:alpha:]]",
        r"{",
        r"e\u0301",
    ]
)
REPEATS = st.sampled_from(
    ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{1,2}?", "++", "*+", "?+", "{e<=1}"]
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map("(?:{})".format),
        inner.map("({})".format),
        inner.map("(?>{})".format),
        inner.map("(?i:{})".format),
        st.tuples(inner, REPEATS).map(lambda parts: f"(?:{parts[0]}){parts[1]}"),
        st.tuples(inner, REPEATS).map(lambda parts: f"({parts[0]}){parts[1]}"),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]})?(?(1){parts[1]}|b)"),
    )


FLAGS = st.sampled_from(["", "", "", "(?i)", "(?m)", "(?s)", "(?r)", "(?w)", "(?fi)", "(?V1)"])
PATTERNS = st.tuples(FLAGS, st.recursive(ATOMS, _grown, max_leaves=8)).map("".join)
TEXTS = st.text("ab\nABsSß e\u0301{", max_size=10)


@settings(max_examples=400)
@given(pattern=PATTERNS, text=TEXTS, more=TEXTS)
def test_what_stays_matched_is_found_however_the_text_goes_on(
    pattern: str, text: str, more: str
) -> None:
    assume(stays_matched(pattern))
    try:
        compiled = regex.compile(pattern)
    except regex.error:
        assume(False)
    has = [compiled.search(text + more[:end], timeout=5) for end in range(len(more) + 1)]
    found = [one is not None for one in has]
    assert found == sorted(found)
