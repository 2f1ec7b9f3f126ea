"""The numbers of a text under some stages, kept until the other stages have read it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.reading import StageBlock


class StageColumns:
    """What stages that were held together found at the scored tokens: 8 bytes a number."""

    def __init__(self, stages: int) -> None:
        self.tokens = array("q")
        self.logp = [array("d") for _ in range(stages)]
        self.best = [array("q") for _ in range(stages)]
        self.best_logp = [array("d") for _ in range(stages)]
        self.kl = [array("d") for _ in range(stages - 1)]

    def add(self, block: StageBlock) -> None:
        """Append the tokens of a block."""
        self.tokens.extend(block.tokens)
        for n, (logp, best, values) in enumerate(
            zip(self.logp, self.best, self.best_logp, strict=True)
        ):
            logp.extend(row[n] for row in block.logp)
            best.extend(row[n][0] for row in block.best)
            values.extend(row[n][1] for row in block.best)
        for n, kl in enumerate(self.kl):
            kl.extend(row[n] for row in block.kl)

    def __len__(self) -> int:
        return len(self.tokens)


def joined(groups: Sequence[StageColumns]) -> Iterator[BlamedToken]:
    """The tokens with the numbers of all stages; between groups KL is unknown.

    Of a reading that was stopped, those that every group has.
    """
    for index in range(min(map(len, groups))):
        kl: list[float | None] = []
        for n, group in enumerate(groups):
            kl += [None] * (n > 0)
            kl += (column[index] for column in group.kl)
        yield BlamedToken(
            index=index,
            token=groups[0].tokens[index],
            logp=tuple(column[index] for group in groups for column in group.logp),
            best=tuple(
                (best[index], logp[index])
                for group in groups
                for best, logp in zip(group.best, group.best_logp, strict=True)
            ),
            kl=tuple(kl),
        )
