"""The Hub's possible answers, and what the user is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import DryRunFileInfo
from huggingface_hub.errors import (
    DryRunError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from logit_amp_chat.core.config.profile import Side
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models import hub as source
from logit_amp_chat.core.models.hub import Source, complete, lacking, model_source
from logit_amp_chat.core.protocol import Loading

ANSWER = httpx.Response(403, request=httpx.Request("GET", "https://hub.example/org/model"))
SIDE = Side(model="org/model", revision="v2")


def nothing(_: Loading) -> None:
    return None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GatedRepoError("403", response=ANSWER), r"org/model is gated\. Accept its licence"),
        (RepositoryNotFoundError("404", response=ANSWER), r"no model org/model on the Hub"),
        (RevisionNotFoundError("404", response=ANSWER), r"org/model has no revision v2"),
        (
            LocalEntryNotFoundError("offline"),
            r"org/model is not completely in .* cache, and the Hub \(http.*\) cannot be reached\."
            r".*demo profile",
        ),
        (HfHubHTTPError("500 Server Error", response=ANSWER), r"could not be downloaded: 500"),
        (OSError(28, "No space left on device"), r"No space left.*free disk space"),
    ],
)
def test_every_refusal_of_the_hub_becomes_one_sentence_and_a_remedy(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(source, "snapshot_download", refuse)
    with pytest.raises(PairError, match=told):
        model_source(SIDE, nothing)


def test_weights_are_fetched_after_the_description_with_progress_and_revision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []
    commit = tmp_path / "snapshots" / "0123abc"
    commit.mkdir(parents=True)

    def download(name: str, **options: Any) -> str:
        asked.append({"name": name, **options})
        if "*.safetensors" in options["allow_patterns"]:
            (commit / "model.safetensors").touch()
        bar = options["tqdm_class"](total=2000, unit="B", unit_scale=True, name="hub")
        bar.update(2000)
        bar.close()
        return str(commit)

    monkeypatch.setattr(source, "snapshot_download", download)
    seen: list[Loading] = []
    described = model_source(SIDE, seen.append)
    assert "*.safetensors" not in asked[0]["allow_patterns"]
    assert not described.local
    whole = complete(described, seen.append)
    assert whole.revision == "0123abc"
    assert [a["revision"] for a in asked] == ["v2", "v2"]
    assert all("original/*" in a["ignore_patterns"] for a in asked)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("download", 2000, 2000)


def test_what_is_to_be_downloaded_is_known_before_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def look(name: str, **options: Any) -> list[DryRunFileInfo]:
        assert options["dry_run"]
        assert (name, options["revision"]) == ("org/model", "v2")
        assert options["allow_patterns"] == ["*.safetensors"]
        bar = options["tqdm_class"](total=2, unit="it", desc="Fetching 2 files")
        bar.close()
        sizes = {"model-1.safetensors": 700, "model-2.safetensors": 90, "model-3.safetensors": 5}
        return [
            DryRunFileInfo(
                commit_hash="0123abc",
                file_size=size,
                filename=file,
                local_path=file,
                is_cached=size == 700,
                will_download=size != 700,
            )
            for file, size in sizes.items()
        ]

    monkeypatch.setattr(source, "snapshot_download", look)
    on_hub = Source("org/model", tmp_path, "0123abc", tmp_path, requested="v2")
    assert lacking(on_hub) == 95
    assert lacking(replace(on_hub, revision=None)) == 0
    assert not capsys.readouterr().err

    def refuse(*_: Any, **__: Any) -> None:
        raise DryRunError("offline")

    monkeypatch.setattr(source, "snapshot_download", refuse)
    assert lacking(on_hub) is None
