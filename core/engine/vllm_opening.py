"""How far vLLM is with opening a pair, from the file to which its processes write that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from logit_amp_chat.core.protocol import Loading

Report = Callable[[Loading], None]


class OpeningProgress:
    """Reports what is being done, with bytes of weights or, for all else, with seconds."""

    def __init__(self, path: Path, sizes: Mapping[str, int], report: Report) -> None:
        """`sizes`: the bytes of each side's weights."""
        self._path, self._sizes, self._report = path, sizes, report
        self._began = time.monotonic()
        self._stage = "start"
        self._told: Loading | None = None
        path.touch()

    def tell(self) -> None:
        """Report what was written last, unless that was reported."""
        lines = self._path.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        stage, detail, done = json.loads(whole[-1]) if whole else ("start", "vLLM", 0)
        if stage != self._stage:
            self._stage, self._began = stage, time.monotonic()
        total = self._sizes.get(detail) if stage == "weights" else None
        unit = "bytes" if stage == "weights" else "s"
        if unit == "s":
            done = int(time.monotonic() - self._began)
        told = Loading(stage=stage, detail=detail, done=done, total=total, unit=unit)
        if told != self._told:
            self._told = told
            self._report(told)
