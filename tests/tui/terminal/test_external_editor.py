"""The user's own editor, where the system has no room for it."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.tui.terminal.external_editor import edit


def test_without_a_temporary_folder_the_variable_that_names_one_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/nonexistent"])
    monkeypatch.setenv("EDITOR", "true")
    with pytest.raises(UsageError, match="Set TMPDIR"):
        edit("text")
