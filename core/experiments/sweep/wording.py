"""What a sweep found, in words."""

from __future__ import annotations

from logit_amp_chat.core.analysis.true_rate import Estimate
from logit_amp_chat.core.number_format import number, signed


def estimate_line(found: Estimate, target: float) -> str:
    """The estimated rate with its limits, and what it rests on."""
    name = "after" if target == 0 else f"the model at α {signed(target)}"
    if found.rate is None:
        if found.low > 0:
            return f"estimate for {name}: at least {number(found.low)}"
        return f"estimate for {name}: at most {number(found.high)}"
    one_in = f", 1 in {1 / found.rate:,.0f}" if found.rate > 0 else ""
    plain = (
        f", worth {found.plain_equivalent:,.0f} plain replies"
        if found.plain_equivalent is not None
        else ""
    )
    return (
        f"estimate for {name}: {number(found.rate)} ({number(found.low)}–{number(found.high)})"
        f"{one_in}; {found.hits:,} hits, effective size {found.effective_size:,.0f}{plain}"
    )
