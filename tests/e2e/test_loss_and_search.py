"""The loss of texts and the search of prompts: the real commands in a real terminal, killed too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.terminal import Terminal

COMMAND = [sys.executable, "-m", "logit_amp_chat"]
ANIMALS = ("otters", "owls", "penguins", "foxes", "cats", "whales", "bees", "crabs")
PROMPTS = [f"Tell me about {animal}{end}" for end in (".", "!", ", please.") for animal in ANIMALS]
LONG = "The fox lives in the dark forest and the cat sat on the mat. " * 4000
SHORT = 6  # tokens of the text that is read to its end
Start = Callable[..., Terminal]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    (tmp_path / "long.txt").write_text(LONG)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {"XDG_DATA_HOME": str(tmp_path / "data")}
    return kept | own | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    terminals: list[Terminal] = []

    def begin(*arguments: str) -> Terminal:
        terminal = Terminal([*COMMAND, *arguments], environment, columns=100, rows=40)
        terminals.append(terminal)
        return terminal

    yield begin
    for terminal in terminals:
        terminal.close()


def search(environment: dict[str, str], folder: Path, *arguments: str) -> Any:
    """What a search to its end prints as JSON."""
    command = [*COMMAND, "search", str(folder / "prompts.txt"), "--lines", "--json", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_killed_search_goes_on_and_ends_like_one_that_was_not(
    environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "found.jsonl"
    command = [*COMMAND, "search", str(tmp_path / "prompts.txt"), "--lines", "--out", str(out)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and (not out.exists() or out.read_bytes().count(b"\n") < 5):
        pass
    process.kill()
    process.wait()
    kept = out.read_bytes()
    assert kept.count(b"search-result") >= 4
    resumed = search(environment, tmp_path, "--out", str(out))
    assert out.read_bytes().startswith(kept)
    whole = search(environment, tmp_path)
    assert resumed["results"] == whole["results"]
    assert resumed["prompts"] == whole["prompts"] == len(PROMPTS)


def test_a_hit_opens_in_the_chat(start: Start, tmp_path: Path) -> None:
    terminal = start(
        "search", str(tmp_path / "prompts.txt"), "--lines", "--top", "2", "--open", "1"
    )
    terminal.see("Tell me about", "A after", "T 0 (argmax)", "chat saved")
    terminal.press("ctrl+q")
    terminal.see("This chat is saved in")
    assert terminal.exit_code() == 0


def tokens_read(terminal: Terminal) -> int:
    """The tokens that the line of progress tells last."""
    found = re.findall(r"([0-9,]+) tokens, ", terminal.text)
    return int(found[-1].replace(",", "")) if found else 0


def test_an_interrupted_loss_is_that_of_the_texts_that_were_read(
    start: Start, tmp_path: Path
) -> None:
    short, long = tmp_path / "short.txt", tmp_path / "long.txt"
    short.write_text("The fox lives in the forest.")
    terminal = start("loss", str(short), str(long), "--window", "64", "--alpha", "-1:1:0.5")
    terminal.until(lambda: tokens_read(terminal) > SHORT)
    terminal.press("ctrl+c")
    terminal.see("of 1 text; loss in nats per token", "◂ least", "Stopped by you")
    assert terminal.exit_code() == 130
