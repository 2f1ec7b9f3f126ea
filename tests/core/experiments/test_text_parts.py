"""Long texts are cut into parts that are, joined, the text; files are never held whole."""

from __future__ import annotations

import io
import itertools
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments import text_parts as module
from logit_amp_chat.core.experiments.findings import Located
from logit_amp_chat.core.experiments.text_parts import parts_of, read_plain, text_parts
from logit_amp_chat.core.reading import PlainText

LINES = st.text(alphabet=st.sampled_from("ab\n\r é\u2028水🦦"), max_size=200)


def parts(text: str, most: int) -> list[str]:
    return [part for part, _ in text_parts(io.StringIO(text, newline="").read, most)]


def found(data: bytes) -> list[tuple[str, int, str]]:
    return [(place, line, text_of(c)) for place, line, c in read_plain(io.BytesIO(data), "a.txt")]


def text_of(content: object) -> str:
    assert isinstance(content, PlainText)
    return content.text


@given(LINES, st.integers(2, 50))
@example("a" * 100, 2)
@example("\r\n" * 50, 3)
def test_parts_are_short_and_joined_the_text(text: str, most: int) -> None:
    cut = parts(text, most)
    assert "".join(cut) == text
    assert all(0 < len(part) <= most for part in cut)
    pairs = itertools.pairwise(cut)
    assert not any(a.endswith("\r") and b.startswith("\n") for a, b in pairs)


@given(LINES, st.integers(2, 50))
def test_exactly_the_last_part_is_marked(text: str, most: int) -> None:
    marks = [is_last for _, is_last in text_parts(io.StringIO(text, newline="").read, most)]
    assert marks == [False] * (len(marks) - 1) + [True] * bool(marks)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345678\n0", ["12345678\n0"]),
        ("123456\n8901", ["123456\n", "8901"]),
        ("12345\n789\n12", ["12345\n789\n", "12"]),
        ("1\n345678901", ["1\n34567890", "1"]),  # the break is not near
        ("123456789\r\n2", ["123456789", "\r\n2"]),
    ],
)
def test_it_is_cut_after_a_line_break_that_is_near(text: str, expected: list[str]) -> None:
    assert parts(text, 10) == expected


@given(LINES.filter(lambda text: not text.startswith("\ufeff")), st.integers(2, 50))
def test_a_file_comes_back_exactly_with_the_line_of_every_part(text: str, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART", most)
        pieces = found(text.encode())
    assert "".join(piece for _, _, piece in pieces) == text
    before = ""
    for _, line, piece in pieces:
        assert line == len(before.split("\n"))
        before += piece


def test_parts_are_numbered_unless_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(b"one\n") == [("", 1, "one\n")]
    monkeypatch.setattr(module, "PART", 4)
    assert found(b"one\ntwo\n") == [("part 1", 1, "one\n"), ("part 2", 2, "two\n")]
    assert found(b"") == []


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", pytest.param("utf-16-be", id="big endian")]
)
def test_a_byte_order_mark_says_the_encoding_and_is_no_text(encoding: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    text = "Fischotter 🦦\r\nvon\rEulen\n"
    assert found(mark + text.encode(encoding)) == [("", 1, text)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"one\ntwo\n\xff", "invalid UTF-8 on line 3"),
        (b"caf\xe9", "invalid UTF-8 on line 1"),
        (b"cut \xf0\x9f\xa6", "invalid UTF-8 on line 1"),
        (b"\xed\xa0\x80", "invalid UTF-8 on line 1"),
        pytest.param(b"\n" * 70_000 + b"\xff", "invalid UTF-8 on line 70001", id="a later piece"),
        (b"\xef\xbb\xbfone\n\xff", "invalid UTF-8 on line 2"),
        (b"one\n\0", "NUL on line 2"),
        ("\ufeffone\n".encode("utf-16-le") + b"\n", "invalid UTF-16 on line 2"),
        ("\ufeffone".encode("utf-32-le"), "NUL on line 1"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=r"^a\.txt is no text: ") as raised:
        found(data)
    assert said in raised.value.message


def test_a_long_text_out_of_json_is_cut_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 4)
    cut = list(parts_of(Located("line 7", 7, PlainText(text="one\ntwo\nx"))))
    assert [(place, line, text_of(content)) for place, line, content in cut] == [
        ("line 7, part 1", 7, "one\n"),
        ("line 7, part 2", 7, "two\n"),
        ("line 7, part 3", 7, "x"),
    ]
    short = Located("", 1, PlainText(text="one"))
    assert list(parts_of(short)) == [short]


def test_a_large_file_is_never_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 1 << 14)
    path = tmp_path / "large.txt"
    path.write_bytes(b"an otter\n" * (1 << 20))
    with path.open("rb") as file:
        tracemalloc.start()
        read = sum(len(text_of(content)) for _, _, content in read_plain(file, "large.txt"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert read == path.stat().st_size
    assert peak < 1 << 18
