"""The CUDA streams that work is put on beside the current one."""

from __future__ import annotations

import functools
from typing import Literal

import torch


@functools.cache
def stream_for(work: Literal["capture", "after"], device: torch.device) -> torch.cuda.Stream:
    """The one stream of a device for such work, whichever pair does it.

    Libraries keep a workspace (32 MiB on an H100) for every stream that they ever ran on, so
    streams of each pair's own would take more memory with every pair that is opened.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
