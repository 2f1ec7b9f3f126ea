"""The tokens of a reply under every stage of its chain, from what its transcript has of them."""

from __future__ import annotations

from logit_amp_chat.core.analysis.stage_blame import BlamedToken
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
