"""A tiny random pair that can talk for a long time, in plain letters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import yaml

from tests.e2e.chat import Chat
from tests.e2e.tmux import Tmux

CONTEXT = 30_000


class StartChat(Protocol):
    def __call__(self, *options: str, **more: object) -> Chat: ...


@pytest.fixture(scope="session")
def endless_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile whose replies end only at their limit and hold printable ASCII alone.

    Every other token has logits of 0 on both sides, which top-k never reaches.
    """
    from safetensors.torch import load_file, save_file

    from tests.models import save_pair, tiny_tokenizer

    folder = tmp_path_factory.mktemp("endless")
    tokenizer = tiny_tokenizer()
    unspoken = [
        token
        for token in range(len(tokenizer))
        if not (text := tokenizer.decode([token])).isascii()
        or not text.isprintable()
        or token in tokenizer.all_special_ids
    ]
    for side in save_pair(folder):
        weights = load_file(side / "model.safetensors")
        weights["lm_head.weight"][unspoken] = 0
        save_file(weights, side / "model.safetensors", {"format": "pt"})
        config = json.loads((side / "config.json").read_text())
        config["max_position_embeddings"] = CONTEXT
        (side / "config.json").write_text(json.dumps(config))
    profile = folder / "endless.yaml"
    profile.write_text(
        yaml.safe_dump(
            {
                "title": "tiny llama",
                "before": {"model": "before"},
                "after": {"model": "after"},
                "dtype": "float32",
                "device": "cpu",
                "alpha": 1.0,
                "sampling": {
                    "temperature": 1.0,
                    "top_p": 1.0,
                    "top_k": 40,
                    "max_new_tokens": CONTEXT,
                },
            }
        )
    )
    return profile


@pytest.fixture
def start(endless_pair: Path, tmp_path: Path) -> Iterator[Callable[..., Chat]]:
    """Start chats; whatever is left of them at the end of the test is killed."""
    chats: list[Chat] = []

    def start_chat(*options: str, **more: object) -> Chat:
        chats.append(Chat(endless_pair, tmp_path / "chats", *options, **more))  # type: ignore[arg-type]
        return chats[-1]

    yield start_chat
    for chat in chats:
        chat.terminal.close()


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed (Debian, Ubuntu: apt-get install tmux)")
    server = Tmux(tmp_path / "tmux.conf", f"logit-amp-{tmp_path.parent.name}-{tmp_path.name}")
    yield server
    server.ask("kill-server")
