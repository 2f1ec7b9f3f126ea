"""The tokens of a reply under every stage of its chain, from what its transcript has of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from logit_amp_chat.core.analysis.hunks import SAMPLE, usual_threshold
from logit_amp_chat.core.analysis.stage_blame import BlamedToken, StageStats
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


def blamed_token(log: ReplyLog, place: int) -> BlamedToken | None:
    """Token `place` of a reply under every stage; None where it was not read under them."""
    found = log.blamed
    if found is None or place >= len(found.log_probs):
        return None
    return BlamedToken(
        index=place,
        token=log.steps[place].token,
        logp=found.log_probs[place],
        best=found.likeliest[place],
        kl=found.divergences[place],
    )


def blamed_tokens(log: ReplyLog) -> list[BlamedToken]:
    """All tokens of a reply under every stage; none before it was read under them."""
    places = range(len(log.steps))
    return [one for place in places if (one := blamed_token(log, place)) is not None]


@dataclass(frozen=True)
class ReplyBlame:
    """A reply under every stage of its chain; a token stands out from `threshold` nats on."""

    log: ReplyLog
    stages: Sequence[str]
    tokens: Sequence[BlamedToken]
    threshold: float

    @classmethod
    def of(cls, log: ReplyLog) -> ReplyBlame | None:
        """What its transcript has; None where it was not read under the stages."""
        if log.blamed is None:
            return None
        tokens = blamed_tokens(log)
        threshold = usual_threshold([[one.size for one in tokens[:SAMPLE]]])
        stages = [visible(name, newlines=False) for name in log.blamed.chain]  # a file's own words
        return cls(log, stages, tokens, threshold)

    @property
    def stats(self) -> StageStats:
        """How much each stage did to the whole reply."""
        stats = StageStats(tuple(self.stages), self.threshold)
        stats.add(self.tokens)
        return stats

    def text(self, one: BlamedToken) -> str:
        """What the reply has at a token; any text."""
        return self.log.steps[one.index].text

    def strongest(self, most: int) -> list[BlamedToken]:
        """The tokens that stand out, those that were moved furthest first, at most so many."""
        found = (one for one in self.tokens if one.size >= self.threshold)
        return sorted(found, key=lambda one: -one.size)[:most]

    def names(self) -> Mapping[int, str]:
        """How the ids are written that stand in the reply's steps, candidates among them."""
        steps = self.log.steps
        written = {one.id: one.text for step in steps for one in step.top}
        return written | {step.token: step.text for step in steps}
