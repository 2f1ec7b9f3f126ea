"""What the checks of a pair's caches found, in words."""

from __future__ import annotations

from collections.abc import Mapping

from logit_amp_chat.core.records import CacheCheck

COSTS = {
    "turns": "",
    "chunks": "every request reads the whole conversation again",
    "lanes": "every request reads the whole conversation again, in one piece",
    "one_lane": "every request reads the whole conversation again, and lanes are decoded one after"
    " the other",
    "none": "every token reads the whole conversation again, lane after lane",
}
"""What it costs to use caches for this and no more."""

APART = "the two sides are computed one after the other"
EAGER = "decoding steps are not captured as CUDA graphs"


def notices(checks: Mapping[str, CacheCheck]) -> list[str]:
    """What a user should know: what is left out and why, and what could not be checked."""
    causes: dict[tuple[str, str], list[str]] = {}
    for name, check in checks.items():
        if check.failed:
            why = next(iter(check.failed.values()))
            causes.setdefault((why, _cost(name, check)), []).append(name)
    said = [
        f"With all caches in use, {_subject(names)} would not give the numbers of whole forward"
        f" passes ({why}): {cost}."
        for (why, cost), names in causes.items()
    ]
    lengths = sorted({length for check in checks.values() for length in check.unchecked})
    if lengths:
        beyond = " and ".join(f"{length:,}" for length in lengths)
        said.append(
            f"Replies beyond {beyond} tokens, where positions or masks change, were not compared"
            " with whole forward passes: that would take too long here."
        )
    return said


def finding(name: str, check: CacheCheck) -> str:
    """One check as a line: what the caches are used for, and the figures."""
    use = _cost(name, check) if check.failed else "caches in full use"
    figures = (
        f"mean KL to whole forward passes {check.kl:.1e} nats (limit {check.limit:.0e}),"
        f" log-probabilities at most {check.largest:.1e} apart"
    )
    beyond = "".join(f"; unchecked beyond {length:,} tokens" for length in check.unchecked)
    return f"{use}; {figures}{beyond}"


def _cost(name: str, check: CacheCheck) -> str:
    instead = {"together": APART, "captured": EAGER}
    return instead.get(name, COSTS["none"]) if check.use == "none" else COSTS[check.use]


def _subject(names: list[str]) -> str:
    words = {"together": "both sides in one pass", "captured": "captured steps"}
    return " and ".join(words.get(name, name) for name in names)
