"""Quantized copies: a model is quantized once, and loaded from disk afterwards.

Quantizing runs on one thread and reads all of the full weights; a copy is a quarter of
their size and is read by many threads. It holds the same bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs

from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.system.machine import GB

FOLDER = "LOGIT_AMP_QUANTIZED"  # a folder, or "off"
MADE_BY = ("transformers", "bitsandbytes")
# Files that a copy has its own of; tokenizer and chat template are always the model's.
COPIED = ("config.json", "generation_config.json")
RESERVE = 2e9  # bytes that stay free on the disk
PART = ".part-"
STALE = 3600.0  # seconds


def copies_folder() -> Path | None:
    """Where copies are kept; None if the user turned them off."""
    said = os.environ.get(FOLDER, "")
    if said.lower() in ("off", "0", "no"):
        return None
    if said:
        return Path(said).expanduser()
    return platformdirs.user_cache_path("logit-amp-chat") / "quantized"


def copies_size(folder: Path) -> int:
    """Bytes of all copies in a folder; 0 if there is none."""
    size = 0
    for path in folder.glob("*/*"):
        with contextlib.suppress(OSError):  # another process may just have deleted it
            size += path.stat().st_size
    return size


@dataclass(frozen=True)
class QuantizedCopy:
    """The folder of one model's copy, named after what it was made from and with."""

    folder: Path

    @classmethod
    def of(cls, source: Source, kind: str, settings: Mapping[str, Any]) -> QuantizedCopy | None:
        """The copy of `source` in the precision `kind`; None if copies are off."""
        folder = copies_folder()
        if folder is None:
            return None
        name = re.sub(r"[^\w.-]+", "--", source.name).strip("-")[-60:]
        origin = _digest([source.name, source.subfolder, source.revision])
        versions = [version(name) for name in MADE_BY]
        maker = _digest([dict(settings), versions, _signature(source)])
        return cls(folder / f"{name}-{origin}-{kind}-{maker}")

    @property
    def there(self) -> bool:
        """Whether it exists; it is written atomically."""
        return self.folder.is_dir()

    def discard(self) -> None:
        """Delete it, as far as possible."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, model: Any) -> str | None:
        """Write the copy and delete those from older versions or files.

        Returns a sentence if it could not be written, else None.
        """
        need = int(model.get_memory_footprint())
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder.parent).free
            if need + RESERVE > free:
                return self._refusal(f"it needs {need / GB:.1f} GB and {free / GB:.1f} are free")
            self._write(model)
            self._tidy()
        except Exception as error:  # any error: the model is loaded, and that is what counts
            why = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
            return self._refusal(why or type(error).__name__)
        return None

    def _tidy(self) -> None:
        """Delete older copies of the same kind, and what a killed process left half written."""
        place, stem = self.folder.parent, self.folder.name.rpartition("-")[0]
        others = [path for path in place.glob(f"{stem}-*") if path != self.folder]
        old = time.time() - STALE
        parts = [path for path in place.glob(f"{PART}*") if path.stat().st_mtime < old]
        for path in (*others, *parts):
            shutil.rmtree(path, ignore_errors=True)

    def _write(self, model: Any) -> None:
        part = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=PART))
        try:
            model.save_pretrained(part)
            if not self.there:  # else another process was faster
                part.rename(self.folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _refusal(self, why: str) -> str:
        return (
            f"No quantized copy was kept in {self.folder.parent}: {why}."
            " The next load takes as long as this one."
        )


def _signature(source: Source) -> list[tuple[object, ...]]:
    """What a copy depends on besides its origin's name, to notice changes.

    Small files by their content, a local folder's weights by size and mtime; the Hub's commit
    names its weights.
    """
    index = sorted(path.name for path in source.folder.glob("*.safetensors.index.json"))
    small = [source.folder / name for name in (*COPIED, *index)]
    weights = sorted(source.folder.glob("*.safetensors")) if source.local else []
    stats = [(path.name, path.stat()) for path in weights]
    return [
        *((path.name, path.read_bytes().hex()) for path in small if path.exists()),
        *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats),
    ]


def _digest(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:12]
