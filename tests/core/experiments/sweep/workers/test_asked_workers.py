"""What `--workers` takes."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.workers.asked_workers import AskedWorkers


@pytest.mark.parametrize(("text", "count"), [("ray", None), ("ray:1", 1), ("ray:16", 16)])
def test_workers_are_on_ray_as_many_as_are_said(text: str, count: int | None) -> None:
    assert AskedWorkers.parse(text) == AskedWorkers(count)


@pytest.mark.parametrize("text", ["", "4", "ray:", "ray:0", "ray:-1", "ray:two", "ray:2 ", "dask"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match="ray:8"):
        AskedWorkers.parse(text)
