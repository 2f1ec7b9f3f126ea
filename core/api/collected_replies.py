"""The replies of one request, put together from its events."""

from __future__ import annotations

import time

from logit_amp_chat.core.api.replies import PairReply, Replies
from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.protocol import Event, Noticed, Request
from logit_amp_chat.core.records import Change, Finish, Record, Reply, Session, Step
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


class CollectedReplies:
    """Collects the events of one request into replies."""

    def __init__(
        self, session: Session, request: Request, beside: dict[tuple[str, ...], Session]
    ) -> None:
        """`beside` are the sessions of other stages by these: an engine tells each once."""
        messages = dict.fromkeys(m for lane in request.lanes for m in request.messages_of(lane))
        self.records: list[Record] = [session, *messages]
        self.logs: dict[str, ReplyLog] = {}
        self.notices: list[str] = []
        self._session = session
        self._beside = beside
        self._request = request
        self._began = time.monotonic()

    def take(self, event: Event) -> None:
        """Add an event, if it is a record of a reply."""
        if isinstance(event, Session):
            self._beside[tuple(event.profile["pair"])] = event
        elif isinstance(event, Reply):
            aside = self._beside.get(event.stages) if event.stages else None
            if aside is not None and aside not in self.records:
                self.records.append(aside)
            log = ReplyLog(event, aside or self._session, self._session if aside else None)
            self.logs[event.id] = log
            self.records.append(event)
        elif isinstance(event, Noticed):
            self.notices.append(event.sentence)
        elif isinstance(event, Step | Change | Finish):
            self.logs[event.reply].add(event)
            self.records.append(event)

    def break_off(self, error: Exception) -> None:
        """End the unfinished replies with the error that ended the engine."""
        seconds = round(time.monotonic() - self._began, 3)
        for log in self.logs.values():
            if log.finish is None:
                tokens, why = len(log.steps), str(error)
                self.take(
                    Finish(reply=log.id, reason="error", tokens=tokens, seconds=seconds, error=why)
                )

    @property
    def missing(self) -> list[str]:
        """What the lanes are called that were asked for and have no reply."""
        lanes = self._request.lanes
        return [reply_title(lane) for lane in lanes if lane.reply not in self.logs]

    def replies(self) -> Replies:
        """The replies, in the order of the lanes."""
        lanes = self._request.lanes
        found = [PairReply(self.logs[lane.reply]) for lane in lanes if lane.reply in self.logs]
        return Replies(found, self.records)
