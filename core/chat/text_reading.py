"""A text that is read through both models: how far that is, and what was found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from logit_amp_chat.core.analysis.hunks import (
    Hunk,
    HunkFinder,
    Places,
    log_ratio,
    usual_threshold,
)
from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.chat.continuation import Continuation, continuation
from logit_amp_chat.core.chat.live_conversation import ReadEvent
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.experiments.diff import SAMPLE
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.protocol import Failed
from logit_amp_chat.core.reading import Chat, PlainText, ReadBlock, ReadRequest
from logit_amp_chat.core.records import (
    Document,
    Finish,
    PromptIds,
    Reply,
    Sampling,
    new_id,
    now,
)
from logit_amp_chat.core.transcripts.conversation import ReplyLog
from logit_amp_chat.core.transcripts.recorder import Recorder

EVERYWHERE = 100_000
"""Characters up to which every token gets candidates; of longer texts those that stand out."""


class TextReading:
    """Reads `source` at the α of the session as soon as the engine is free.

    What is reported is saved in a file of its own before it is shown here. `time` is the moment
    that a chat template may write, `message` the one of a chat, from 0, that is looked at first.
    """

    def __init__(
        self,
        session: ChatSession,
        source: Source,
        time: str | None = None,
        message: int | None = None,
    ) -> None:
        self.session = session
        self.source = source
        self.alpha = session.alpha
        self.document: Document | None = None
        """The text and its tokens, once they are known."""
        self.places: Places | None = None
        """Where its tokens stand in the source."""
        self.log: ReplyLog | None = None
        """The measured tokens, as a reply that was given whole."""
        self.done = self.total = 0
        """Tokens that were read, and that there are."""
        self.problem = ""
        """Why the text could not be read."""
        self.recorder = Recorder(session.saved.recorder.folder, session.live.report_unsaved)
        self._time = time
        self._message = message
        self._request: ReadRequest | None = None
        self._stats = TextStats(0.0, documents=1)
        self._hunks: list[Hunk] = []
        self._finder: HunkFinder | None = None
        self._looked_at = 0  # steps that the finder has
        self._path: Path | None = None
        self._left = False

    # --- asking -------------------------------------------------------------------

    def follow(self) -> None:
        """Ask, unless that was done, as soon as the engine is free."""
        opened = self.session.live.opened
        if self._request is not None or self.session.state != "ready" or opened is None:
            return
        self.alpha = self.session.alpha
        self._request = request = self._asked()
        self.recorder.append(replace(opened.session, time=now()))
        self.recorder.begin()
        self.session.live.ask_reading(request, self.recorder, self._take)

    def _asked(self) -> ReadRequest:
        source = self.source
        return ReadRequest(
            document=new_id("d"),
            content=source.content,
            source=source.name,
            place=source.place,
            line=source.line,
            alphas=(self.alpha,),
            everywhere=_characters(source) <= EVERYWHERE,
            time=self._time,
            ends=self.session.sampling.ends,
        )

    def stop(self) -> bool:
        """Stop reading. False if it is not being read."""
        if not self.is_running:
            return False
        self.session.live.stop()
        return True

    def leave(self) -> None:
        """End it: the file is closed once everything is in it."""
        self._left = True
        if not self.stop():
            self._close()

    def _close(self) -> None:
        self._path = self.path
        self.recorder.close()

    # --- how far it is ------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the engine reads it now."""
        return self._request is not None and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.problem) or (self.log is not None and self.log.is_over)

    @property
    def path(self) -> Path | None:
        """The file that it is saved in, once there is one."""
        return self.recorder.path or self._path

    @property
    def is_saved(self) -> bool:
        """Whether all that was read is in the file."""
        return self.recorder.saved or self._path is not None

    # --- what the engine reports --------------------------------------------------

    def _take(self, event: ReadEvent) -> None:
        match event:
            case Document() if self._is_own(event.id):
                self.document, self.total = event, event.tokens
                self.places = Places(event)
                opened = self.session.live.opened
                self.log = ReplyLog(_reply(event), opened.session if opened else None)
            case ReadBlock() if self.log is not None and self._is_own(event.document):
                self.done, self.total = event.done, event.total
                self._stats.add(event.steps, ())
                for step in event.steps:
                    self.log.add(step)
            case Finish() if self.log is not None and self._is_own(event.reply):
                self.log.add(event)
            case Failed() if self.is_running:
                self.problem = f"{event.message} {event.remedy}".strip()
        if self._left and self.is_over:
            self._close()

    def _is_own(self, document: str) -> bool:
        return self._request is not None and document == self._request.document

    def continuation(self, step: int) -> Continuation:
        """What stands before a scored token. Raises UsageError where that cannot be given."""
        assert self.document is not None
        assert self.log is not None
        content, session = self.source.content, self.log.session
        return continuation(content, self.document, self.log.steps, step, session)

    @property
    def beginning(self) -> int | None:
        """The scored token to look at first; None while it is not read."""
        if self.document is None or self.log is None:
            return None
        spans = self.document.spans
        start = next((begin for number, _, begin, _ in spans if number == self._message), 0)
        offsets = self.document.offsets
        first = next((n for n, (begin, _) in enumerate(offsets) if begin >= start), 0)
        return first if first < len(self.log.steps) else None

    # --- what was found -----------------------------------------------------------

    @property
    def stats(self) -> TextStats:
        """The figures of the tokens that were read."""
        return self._stats

    @property
    def threshold(self) -> float:
        """The |log-ratio| from which tokens make hunks, in nats: the usual one of the first."""
        steps = self.log.steps[:SAMPLE] if self.log else []
        return usual_threshold([[log_ratio(step) for step in steps]])

    @property
    def hunks(self) -> list[Hunk]:
        """The hunks of the tokens so far; one that may go on is not among them."""
        if self.log is None or self.document is None:
            return []
        steps, new = self.log.steps, len(self.log.steps) - self._looked_at
        if new and self._looked_at < SAMPLE:  # the threshold may be another now
            self._finder = HunkFinder(replace(self.document, threshold=self.threshold))
            self._hunks, self._looked_at = [], 0
        if self._finder is not None:
            self._hunks += self._finder.take(steps[self._looked_at :])
            self._looked_at = len(steps)
            if self.log.is_over:
                self._hunks += self._finder.finish()
                self._finder = None
        return self._hunks


def _characters(source: Source) -> int:
    match source.content:
        case PlainText(text=text):
            return len(text)
        case Chat(messages=messages):
            return sum(len(message.text) for message in messages)
        case recorded:
            return len(recorded.tokens)


def _reply(document: Document) -> Reply:
    """A document's tokens as those of a reply, which is what screens show."""
    return Reply(
        id=document.id,
        parent=None,
        lane="amplified",
        alpha=document.alphas[0],
        seed=0,
        turn=0,
        sampling=Sampling(),
        prompt=PromptIds((), ()),
    )
