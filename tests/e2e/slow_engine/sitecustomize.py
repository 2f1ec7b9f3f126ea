"""Makes the engine process slow: what Python runs first where this folder is on PYTHONPATH.

The file that SLOW_ENGINE names holds the seconds a token takes. It is read all the while,
so that a test can hold a reply in the middle, and let it go.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

SLOWED = "logit_amp_chat.core.engine.local"
GLANCE = 0.01


class Slowing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the engine's module as usual, then puts a wait before each of its batches."""

    def __init__(self, pace: Path) -> None:
        self._pace = pace
        self._usual: importlib.abc.Loader | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != SLOWED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            self._usual, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        assert self._usual is not None
        self._usual.exec_module(module)
        engine = module.LocalEngine
        batches = engine.batches

        def slow(*arguments: Any) -> Iterator[Any]:
            for batch in batches(*arguments):
                yield batch
                self._wait()

        engine.batches = slow

    def _wait(self) -> None:
        began = time.monotonic()
        while time.monotonic() < began + float(self._pace.read_text() or 0):
            time.sleep(GLANCE)  # the pace of a slow model, which the test may change meanwhile


if "SLOW_ENGINE" in os.environ:
    sys.meta_path.insert(0, Slowing(Path(os.environ["SLOW_ENGINE"])))
