"""Replies that are given what they begin with: branches, replies that go on, edited ones."""

from __future__ import annotations

from logit_amp_chat.core.chat.prefix import EditedReply, Prefix, longer
from logit_amp_chat.core.chat.same_pair import models, own_stages, same_chain
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.lanes import LaneAt
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


def can_branch(session: ChatSession, log: ReplyLog) -> bool:
    """Whether this pair's token ids mean what they meant when the reply was made.

    A reply of stages is branched by these stages: the chain must be the same, not the pair.
    """
    opened = session.live.opened
    if log.reply.parent is None or opened is None:
        return False
    if own_stages(log) is not None:
        return same_chain(log.session, opened.session)
    return models(log.main) == models(opened.session)


def branch(session: ChatSession, log: ReplyLog, place: int, token: int) -> bool:
    """Force another token at one step of a reply and decode on from it: a sibling.

    The seed stays and with it the noise, so that what follows differs by
    the token and by α alone. A comparison branches in every lane.
    """
    given = (*(step.token for step in log.steps[:place]), token)
    return _decode_from(session, log, Prefix(given), session.sampling, log.reply.seed)


def can_go_on(log: ReplyLog) -> bool:
    """Whether a reply has ended before its own end, with something to continue."""
    ended = "cut off" if log.finish is None else log.finish.reason
    return log.is_over and bool(log.steps) and ended not in ("stop", "context")


def go_on(session: ChatSession, log: ReplyLog) -> bool:
    """Continue a reply that ended early: a sibling that is given all tokens it has."""
    given = tuple(step.token for step in log.steps)
    sampling = longer(session.sampling, len(given))
    return can_go_on(log) and _decode_from(session, log, Prefix(given), sampling, log.reply.seed)


def edit(session: ChatSession, log: ReplyLog, text: str) -> bool:
    """Decode on from the edited text of a reply: a sibling, under the reply's own noise.

    What is unchanged keeps its tokens. A text that was only cut has a new seed, without which
    it would be said again. A comparison goes on from the text in every lane.
    """
    edited = EditedReply(log)
    prefix = edited.prefix(text)
    cut = not prefix.text and text != edited.text
    seed = log.reply.seed
    if cut:
        seed = session.conversation.unused_seed(log.reply.parent, seed)
    return _decode_from(session, log, prefix, longer(session.sampling, len(prefix.ids)), seed)


def answer_with(session: ChatSession, message: str, prefix: Prefix) -> bool:
    """Answer a message with a reply that begins as given, at the live α.

    A comparison answers in every lane. False where nothing can be asked.
    """
    previous = session.conversation.previous(message)
    own = {"amplified": LaneAt(session.alpha)}
    return session.answer_from(message, prefix, session.sampling, own, previous)


def _decode_from(
    session: ChatSession, log: ReplyLog, prefix: Prefix, sampling: Sampling, seed: int
) -> bool:
    """A sibling of a reply, in its lane, that begins as given."""
    parent, lane = log.reply.parent, log.reply.lane
    if parent is None or not can_branch(session, log):
        return False
    alpha = session.alpha if lane == "amplified" else log.reply.alpha
    own = {lane: LaneAt(alpha, own_stages(log))}
    sampling = sampling.model_copy(update={"seed": seed})
    previous = session.conversation.previous(log.id)
    return session.answer_from(
        parent,
        prefix,
        sampling,
        own,
        previous,
        template=log.reply.template,
        prompt=session.prompt_of(log),
    )
