"""A reply that was read under every stage of a chain, as a transcript has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from logit_amp_chat.core.json_types import NullAs

LogProb = Annotated[float, NullAs(-math.inf)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blamed:
    """The tokens of a reply under every stage of `chain`, one row a token.

    `log_probs` are those of the token under each stage, `likeliest` what each stage finds
    likeliest there, as [id, log-probability], `divergences` KL(later‖earlier) of neighbouring
    stages, null where they were not in memory together; all in nats.
    """

    type: Literal["blamed"] = "blamed"
    reply: str
    chain: tuple[str, ...]
    log_probs: tuple[tuple[LogProb, ...], ...]
    likeliest: tuple[tuple[tuple[int, LogProb], ...], ...]
    divergences: tuple[tuple[float | None, ...], ...]

    @property
    def is_whole(self) -> bool:
        """Whether every token has a number for every stage: damaged files may lack some."""
        count = len(self.chain)
        rows = (self.log_probs, self.likeliest, self.divergences)
        widths = (count, count, count - 1)
        return count > 1 and all(
            len(one) == len(self.log_probs) and all(len(row) == width for row in one)
            for one, width in zip(rows, widths, strict=True)
        )
