"""DRY by its definition, for tests: every suffix at every earlier place."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from logit_amp_chat.core.sampling import Sampling


def enumerated(
    ids: Sequence[int], breakers: Collection[int], sampling: Sampling
) -> dict[int, float]:
    """What each token loses: that of the longest suffix which stood before it."""
    lost: dict[int, float] = {}
    for token in {*ids} - {*breakers}:
        longest = 0
        for place in range(1, len(ids)):
            if ids[place] != token:
                continue
            for length in range(1, min(place, 50) + 1):
                suffix = list(ids[len(ids) - length :])
                if list(ids[place - length : place]) == suffix and not {*breakers} & {*suffix}:
                    longest = max(longest, length)
        if longest >= sampling.dry_allowed_length:
            exponent = longest - sampling.dry_allowed_length
            lost[token] = sampling.dry_multiplier * sampling.dry_base**exponent
    return lost
