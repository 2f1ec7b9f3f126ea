"""The variables of a chat template besides the messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def unknown_variables(template: str | None, names: Iterable[str]) -> Iterator[str]:
    """A notice for each of `names` that the template does not mention: it has no effect."""
    for name in names:
        if not re.search(rf"\b{re.escape(name)}\b", template or ""):
            yield f"The chat template has no variable {name}: setting it has no effect."
