"""Checks what another machine answers against what it was asked.

Every field has its type by then (see `wire`). What is left: an event that nobody asked for, of
another reply or another lane, out of order, twice, or with a number that is none.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest, PromptTokens
from logit_amp_chat.core.protocol import (
    AnyRequest,
    Event,
    Failed,
    Heartbeat,
    Idle,
    Lane,
    Noticed,
    Prefill,
    Request,
    ScoreRequest,
)
from logit_amp_chat.core.reading import (
    Names,
    NamesRequest,
    ReadBlock,
    ReadRequest,
    StageBlock,
    StageReadRequest,
    TokenSums,
)
from logit_amp_chat.core.records import Change, Document, Finish, Opening, Reply, Session, Step
from logit_amp_chat.core.samples import (
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SampleProgress,
    SampleRequest,
)

_ALWAYS = (Heartbeat, Idle, Failed, Noticed, Prefill)
_REPLIES = (Session, Reply, Step, Change, Finish)
_KINDS: dict[type, tuple[type, ...]] = {
    Request: _REPLIES,
    ScoreRequest: _REPLIES,
    OpeningsRequest: (Opening,),
    PromptRequest: (PromptTokens,),
    ReadRequest: (Document, ReadBlock, Finish),
    StageReadRequest: (Document, StageBlock, Finish),
    NamesRequest: (Names,),
    SampleRequest: (PromptRead, SampledReply, SampleProgress),
    RescoreRequest: (Rescored,),
}


class AnswerCheck:
    """Follows the answer to one request."""

    def __init__(self, request: AnyRequest) -> None:
        self._kinds = (*_ALWAYS, *_KINDS[type(request)])
        if isinstance(request, ReadRequest) and request.sums:
            self._kinds += (TokenSums,)
        self._lanes: dict[str, Lane] = {}
        self._ids: Collection[str] = ()  # of what is read or sampled
        match request:
            case Request() | ScoreRequest():
                self._lanes = {lane.reply: lane for lane in request.lanes}
            case ReadRequest() | StageReadRequest():
                self._ids = {request.document}
            case SampleRequest():
                self._ids = {draw.reply for draw in request.draws}
            case RescoreRequest():
                self._ids = {given.reply for given in request.replies}
        self._steps: dict[str, int] = {}
        self._ended: set[str] = set()

    def check(self, event: Event) -> None:
        """Raises EngineError for an event that is no part of the answer."""
        if not isinstance(event, self._kinds):
            raise _wrong(f"a {type(event).__name__} that nobody asked for")
        match event:
            case Reply():
                self._begin(event)
            case Step():
                self._step(event)
            case Change(reply=name):
                self._known(name, self._steps)
            case Finish(reply=name) | SampledReply(reply=name) | Rescored(reply=name):
                self._end(name)
            case Document(id=name):
                self._known(name, self._ids)
            case ReadBlock(document=name) | StageBlock(document=name) | TokenSums(document=name):
                self._known(name, self._ids)
        for step in getattr(event, "steps", ()):
            _check_numbers(step)

    def _begin(self, reply: Reply) -> None:
        self._known(reply.id, self._lanes)
        lane = self._lanes[reply.id]
        if reply.id in self._steps or (reply.alpha, reply.lane) != (lane.alpha, lane.name):
            raise _wrong("a reply twice, or at another α")
        self._steps[reply.id] = 0

    def _step(self, step: Step) -> None:
        self._known(step.reply, self._steps)
        if step.index != self._steps[step.reply] or step.reply in self._ended:
            raise _wrong("tokens out of order")
        self._steps[step.reply] += 1
        _check_numbers(step)

    def _end(self, name: str) -> None:
        self._known(name, self._steps or self._ids)
        if name in self._ended:
            raise _wrong("the end of a reply twice")
        self._ended.add(name)

    @staticmethod
    def _known(name: str, names: Collection[str]) -> None:
        if name not in names:
            raise _wrong("a reply or a text that nobody asked for")


def _check_numbers(step: Any) -> None:
    if not isinstance(step, Step):
        return
    logs = (step.logp.before, step.logp.after, step.logp.amplified)
    several = (*logs, step.kl, step.kl_amplified, step.entropy, step.alpha)
    tops = (number for one in step.top for number in one[2:])
    if any(map(math.isnan, (*several, *tops))):
        raise _wrong("numbers that are none")


def _wrong(what: str) -> EngineError:
    return EngineError(
        f"The server sent {what}: it cannot be trusted.", "What was shown before is saved."
    )
