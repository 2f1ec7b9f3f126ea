"""What arrives late is dropped, and waiting for it ends."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from logit_amp_chat.tui.terminal.draining_driver import drain


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_everything_that_is_there_is_dropped(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"\x1b[<35;40;12M" * 1000)
    drain(reader, quiet=0.01)
    assert not select.select([reader], [], [], 0)[0]


def test_it_ends_where_the_input_does_not(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"x" * 60_000)
    drain(reader, quiet=10, most=0)
    assert select.select([reader], [], [], 0)[0], "no time, nothing read"


def test_a_terminal_that_is_gone_is_no_trouble() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    drain(reader)
    os.close(reader)
    drain(reader)
