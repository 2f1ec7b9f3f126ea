"""A session is recorded with the versions of what computed its numbers."""

from __future__ import annotations

import importlib.metadata

import pytest

from logit_amp_chat.core.engine.session_record import software_versions


def test_a_copy_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where the repository is only on PYTHONPATH."""
    installed = importlib.metadata.version

    def version(name: str) -> str:
        if name == "logit-amp-chat":
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = software_versions()
    assert found["logit-amp-chat"] == "not installed"
    assert found["torch"] == installed("torch")
