"""Job control: whether a shell would take over if the chat stopped."""

from __future__ import annotations

import os


def is_shell_job() -> bool:
    """Whether a shell started this process as a job of its own, so that `fg` can continue it.

    A process that stops under `tmux new-window`, `ssh host command` or a script
    leaves nobody who could go on with it. The shell is the parent then or not
    of this session, or this process is not the first of its group.
    """
    parent = os.getppid()
    try:
        same_session = os.getsid(parent) == os.getsid(0)
        return os.getpgrp() == os.getpid() and same_session and os.getpgid(parent) != os.getpgrp()
    except OSError:  # the parent is gone
        return False
