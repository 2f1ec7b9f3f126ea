"""How much of a profile is already on this machine, from files alone, never the network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError
from huggingface_hub.file_download import repo_folder_name

from logit_amp_chat.core.config.profile import Profile, is_gguf

State = Literal["here", "partly", "missing"]
_INDEX = "model.safetensors.index.json"


def download_state(profile: Profile, cache: Path | None = None) -> State:
    """Whether the weights of both sides, or of all stages, are here or in the Hub's `cache`."""
    cache = cache or Path(constants.HF_HUB_CACHE)
    try:
        states = {_state(folder) for folder in _folders(profile, cache)}
    except HFValidationError:  # a name that the Hub cannot have; opening the pair says so
        return "missing"
    if states == {"here"}:
        return "here"
    return "missing" if states == {"missing"} else "partly"


def _folders(profile: Profile, cache: Path) -> Iterator[Path]:
    """Where the weights of each model and adapter are, or would be."""
    for side in profile.stages or (profile.before, profile.after):
        name, gguf = side.located()
        yield _folder(name, side.revision, cache) / (gguf or side.subfolder or "")
        if side.adapter:
            yield _folder(side.adapter, None, cache)


def _folder(name: str, revision: str | None, cache: Path) -> Path:
    if Path(name).is_dir():
        return Path(name)
    repository = cache / repo_folder_name(repo_id=name, repo_type="model")
    reference = repository / "refs" / (revision or constants.DEFAULT_REVISION)
    try:
        commit = reference.read_text().strip()
    except OSError:
        commit = revision or "none"
    return repository / "snapshots" / commit


def _state(folder: Path) -> State:
    if is_gguf(folder.name):
        return "here" if folder.is_file() else "missing"
    try:
        names = {path.name for path in folder.iterdir() if path.exists()}
    except OSError:
        return "missing"
    if _INDEX in names:
        try:
            shards = json.loads((folder / _INDEX).read_text())["weight_map"].values()
        except (OSError, ValueError, LookupError, AttributeError, TypeError):
            return "partly"
        return "here" if set(shards) <= names else "partly"
    if names & {"model.safetensors", "adapter_model.safetensors"} or any(map(is_gguf, names)):
        return "here"
    return "partly" if names else "missing"
