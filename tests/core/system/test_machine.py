"""What fits into a machine's memory: two sides, or at least one stage of a chain."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.config.profile import Needs, Profile, Stage
from logit_amp_chat.core.system.machine import Machine

STAGES = tuple(Stage(name=name, model=f"lab/{name}") for name in ("base", "sft", "dpo"))


def chain(memory: float | None, one: float | None, device: str = "auto") -> Profile:
    return Profile(
        name="chain",
        stages=STAGES,
        before=STAGES[0].side,
        after=STAGES[-1].side,
        device=device,
        needs=Needs(memory_gb=memory, stage_memory_gb=one),
    )


@pytest.mark.parametrize(
    ("memory", "one", "device", "two_fit", "one_fits", "only_one"),
    [
        (14.0, 7.5, "auto", True, True, False),
        (30.0, 16.0, "auto", False, True, True),
        (60.0, 31.0, "auto", False, False, False),
        (14.0, 7.5, "cpu", False, True, True),
        (30.0, None, "auto", False, None, False),
        (None, 7.5, "auto", None, True, False),
    ],
)
def test_a_chain_fits_where_two_of_its_stages_do_or_one_alone(
    memory: float | None,
    one: float | None,
    device: str,
    two_fit: bool | None,
    one_fits: bool | None,
    only_one: bool,
) -> None:
    machine = Machine(("RTX 4090",), gpu_memory=24 * 10**9, ram=8 * 10**9)
    profile = chain(memory, one, device)
    assert machine.fits(profile) is two_fit
    assert machine.fits_one(profile) is one_fits
    assert machine.fits_only_one(profile) is only_one


def test_nothing_fits_on_a_gpu_that_is_not_there() -> None:
    machine = Machine((), gpu_memory=None, ram=8 * 10**9)
    profile = chain(2.0, 1.0, "cuda")
    assert machine.fits(profile) is False
    assert machine.fits_only_one(profile) is False
