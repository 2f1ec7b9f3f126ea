"""What is on the machine is told from its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, Side, Stage
from logit_amp_chat.core.system.hub_cache import download_state

BOTH = Profile(name="x", before=Side(model="lab/a"), after=Side(model="lab/b", revision="v1"))
LORA = Profile(
    name="y", before=Side(model="lab/a"), after=Side(model="lab/a", adapter="lab/adapter")
)


def cached(cache: Path, name: str, *files: str, revision: str = "main") -> Path:
    """A repository in the Hub's cache with these files in one snapshot."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True, exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / revision).write_text("c0ffee")
    for file in files:
        (snapshot / file).write_text("")
    return snapshot


def test_nothing_of_it_is_there(tmp_path: Path) -> None:
    assert download_state(BOTH, tmp_path) == "missing"


def test_one_side_is_there(tmp_path: Path) -> None:
    cached(tmp_path, "lab/a", "model.safetensors")
    assert download_state(BOTH, tmp_path) == "partly"


def test_both_sides_are_there_at_their_revisions(tmp_path: Path) -> None:
    cached(tmp_path, "lab/a", "model.safetensors")
    cached(tmp_path, "lab/b", "model.safetensors")
    assert download_state(BOTH, tmp_path) == "partly"
    cached(tmp_path, "lab/b", revision="v1")
    assert download_state(BOTH, tmp_path) == "here"


def test_every_shard_counts(tmp_path: Path) -> None:
    cached(tmp_path, "lab/b", "model.safetensors", revision="v1")
    snapshot = cached(tmp_path, "lab/a", "1.safetensors")
    index = {"weight_map": {"x": "1.safetensors", "y": "2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert download_state(BOTH, tmp_path) == "partly"
    (snapshot / "2.safetensors").write_text("")
    assert download_state(BOTH, tmp_path) == "here"
    (snapshot / "model.safetensors.index.json").write_text("[")
    assert download_state(BOTH, tmp_path) == "partly"


def test_a_configuration_alone_is_a_part(tmp_path: Path) -> None:
    cached(tmp_path, "lab/a", "config.json")
    cached(tmp_path, "lab/adapter", "adapter_model.safetensors")
    assert download_state(LORA, tmp_path) == "partly"
    cached(tmp_path, "lab/a", "model.safetensors")
    assert download_state(LORA, tmp_path) == "here"


def test_a_folder_needs_no_download(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("")
    side = Side(model=str(tmp_path))
    assert download_state(Profile(name="z", before=side, after=side), tmp_path) == "here"


@pytest.mark.parametrize("name", ["org/model/more", "org//model", "-model", "a" * 200])
def test_a_name_that_no_hub_model_can_have_is_missing(tmp_path: Path, name: str) -> None:
    side = Side(model=name)
    assert download_state(Profile(name="z", before=side, after=side), tmp_path) == "missing"


def test_every_stage_of_a_chain_counts(tmp_path: Path) -> None:
    stages = tuple(Stage(name=name, model=f"lab/{name}") for name in ("a", "b", "c"))
    chain = Profile(name="z", stages=stages, before=stages[0].side, after=stages[2].side)
    cached(tmp_path, "lab/a", "model.safetensors")
    cached(tmp_path, "lab/c", "model.safetensors")
    assert download_state(chain, tmp_path) == "partly"
    cached(tmp_path, "lab/b", "model.safetensors")
    assert download_state(chain, tmp_path) == "here"
