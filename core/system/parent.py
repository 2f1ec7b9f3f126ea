"""Ends a process with the one that started it."""

from __future__ import annotations

import os
import select
import threading
from multiprocessing.connection import Connection


def end_with_parent(pipe: Connection) -> None:
    """Exit once the other end of `pipe` is gone, even in the middle of loading or decoding."""

    def watch() -> None:
        hangup = select.poll()
        hangup.register(pipe.fileno(), getattr(select, "POLLRDHUP", select.POLLHUP))
        hangup.poll()
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
