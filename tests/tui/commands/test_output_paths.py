"""Where results may be written is known before the work begins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer

from logit_amp_chat.tui.commands.output_paths import check_output


def refused(path: Path, *inputs: str) -> str:
    with pytest.raises(typer.BadParameter) as caught:
        check_output(path, "--html", (".html",), inputs)
    assert caught.value.param_hint == "--html"
    return str(caught.value)


def test_a_new_file_and_one_to_replace_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.HTML"
    check_output(path, "--html", (".html",), ("b.txt",))
    path.write_text("old")
    check_output(path, "--html", (".html",), ("-", str(tmp_path / "none")))


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    assert "ends in .html, found" in refused(tmp_path / "a.png")
    assert "there is no folder" in refused(tmp_path / "none" / "a.html")
    (tmp_path / "b.html").mkdir()
    assert "is a folder" in refused(tmp_path / "b.html")
    assert "a␛[31m.png" in refused(tmp_path / "a\x1b[31m.png")


def test_a_file_that_is_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("read me")
    (tmp_path / "link.html").symlink_to(path)
    assert "is a file that is read" in refused(tmp_path / "link.html", "other", str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_locked_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written" in refused(tmp_path / "a.html")
