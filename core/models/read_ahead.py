"""Reads the files of models that are wanted next, so that they are in the system's file cache."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from logit_amp_chat.core.models.memory_estimate import weight_files

PART = 8 << 20
"""Bytes that are read at once; between them reading can be stopped."""


class ReadAhead:
    """A thread that reads files. The cache gives way wherever memory is needed for anything.

    `done` is how many bytes it has read.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Begin with the weights in the first of `folders`, which may be GGUF files."""
        self.done = 0
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(folders,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End it: whoever loads the models reads the rest."""
        self._stopped.set()
        self.thread.join()

    def _read(self, folders: Sequence[Path]) -> None:
        buffer = memoryview(bytearray(PART))
        for folder in folders:
            for path in [folder] if folder.is_file() else weight_files(folder):
                try:
                    with path.open("rb", buffering=0) as file:
                        while not self._stopped.is_set() and (count := file.readinto(buffer)):
                            self.done += count
                except OSError:
                    return  # whoever loads it says so
