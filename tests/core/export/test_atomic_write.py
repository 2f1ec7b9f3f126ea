"""A file is replaced completely or not at all, where its name leads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.export.atomic_write import write_atomically


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "shared" / "page.html", tmp_path / "page.html"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(Path("shared", "page.html"))
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["page.html"]


def test_what_a_link_points_to_is_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "page.html")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "page.html").read_text() == "new"


def test_a_link_to_nowhere_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "none" / "page.html")
    with pytest.raises(TranscriptError, match=r"link: No such file or directory\."):
        write_atomically(tmp_path / "link", "new")


def test_links_in_a_circle_are_an_error_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(TranscriptError, match=r"Cannot write .*a: "):
        write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").is_symlink()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(tmp_path / "pipe", "new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
