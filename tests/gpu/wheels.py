"""The packages that the command needs beside torch and what torch brings."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOTS = ("logit-amp-chat", "pytest", "pytest-asyncio", "hypothesis")
THERE = ("torch", "numpy", "setuptools")
"""What a machine with PyTorch has."""


def needed() -> list[str]:
    """`name==version` of each, as installed here, for pip's --no-deps."""
    names = closure(ROOTS) - closure(THERE) - {"logit-amp-chat"}
    return [f"{name}=={importlib.metadata.version(name)}" for name in sorted(names)]


def closure(roots: Iterable[str]) -> set[str]:
    """The packages and all that they require, by their normalized names."""
    seen: set[tuple[str, str]] = set()
    left = [(canonicalize_name(root), "") for root in roots]
    while left:
        name, extra = left.pop()
        if (name, extra) in seen:
            continue
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        seen.add((name, extra))
        for required in map(Requirement, lines):
            if required.marker is None or required.marker.evaluate({"extra": extra}):
                also = canonicalize_name(required.name)
                left += [(also, wanted) for wanted in ("", *required.extras)]
    return {name for name, _ in seen}
