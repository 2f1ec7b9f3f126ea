"""The progress that libraries would print as bars, as numbers instead."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm

# (done, total) where total is None while it is not known.
Watcher = Callable[[float, float | None], None]


def watched_bar(watch: Watcher, unit: str | None = None) -> type[Any]:
    """A tqdm class that tells `watch` and writes nothing; only bars counting `unit` do."""

    class WatchedBar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def display(self, *args: Any, **kwargs: Any) -> None:
            if unit is None or self.unit == unit:
                watch(float(self.n), None if not self.total else float(self.total))

    return WatchedBar


@contextlib.contextmanager
def watch_loading(watch: Watcher) -> Iterator[None]:
    """Report transformers' weight loading to `watch`, and keep it silent otherwise."""
    from transformers.utils import logging

    bar = watched_bar(watch)
    previous = logging.set_tqdm_hook(lambda _factory, args, kwargs: bar(*args, **kwargs))
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_tqdm_hook(previous)
        logging.set_verbosity(verbosity)
