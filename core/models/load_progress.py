"""Reports as numbers the progress that libraries would print as bars."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from tqdm import tqdm

# (done, total); total is None while unknown.
Watcher = Callable[[float, float | None], None]


def watched_bar(watch: Watcher, unit: str | None = None) -> type[Any]:
    """A tqdm class that calls `watch`, only for bars in `unit` if given, and prints nothing."""

    class WatchedBar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def display(self, *args: Any, **kwargs: Any) -> None:
            if unit is None or self.unit == unit:
                watch(float(self.n), None if not self.total else float(self.total))

    return WatchedBar


@contextlib.contextmanager
def watch_weights(watch: Watcher, sizes: Mapping[str, int]) -> Iterator[None]:
    """Report transformers' loading of tensors to `watch`, in bytes from their `sizes`.

    Any other progress is reported as counted. Nothing is printed.
    """
    from transformers.utils import logging

    def bar(_factory: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        loaded = [0, *itertools.accumulate(_sizes(args, sizes))]

        def weigh(done: float, total: float | None) -> None:
            if loaded[-1]:
                watch(loaded[min(int(done), len(loaded) - 1)], loaded[-1])
            else:
                watch(done, total)

        return watched_bar(weigh)(*args, **kwargs)

    previous = logging.set_tqdm_hook(bar)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_tqdm_hook(previous)
        logging.set_verbosity(verbosity)


def _sizes(args: Sequence[Any], sizes: Mapping[str, int]) -> Iterator[int]:
    """Bytes of each item that a bar counts: (name, …), where transformers counts tensors."""
    for item in args[0] if args and isinstance(args[0], Collection) else ():
        if isinstance(item, tuple) and isinstance(item[0], str):
            yield sizes.get(item[0], 0)
