"""What `--workers` says: which workers, and how many."""

from __future__ import annotations

import re
from dataclasses import dataclass

from logit_amp_chat.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class AskedWorkers:
    """Workers on Ray: `count` of them; None is one for each GPU, or machine without any."""

    count: int | None = None

    @classmethod
    def parse(cls, text: str) -> AskedWorkers:
        """Of `ray` or `ray:N`. Raises UsageError."""
        found = re.fullmatch(r"ray(?::([1-9]\d{0,4}))?", text)
        if found is None:
            raise UsageError(
                f"workers cannot be {text[:50]!r}.",
                "Write ray (one for each GPU), or ray:N for N of them, as in ray:8.",
            )
        return cls(int(found[1]) if found[1] else None)
