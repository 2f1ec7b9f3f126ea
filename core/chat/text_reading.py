"""A text that is read through both models now, and the file that it is saved in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from logit_amp_chat.core.chat.continuation import Continuation, continuation
from logit_amp_chat.core.chat.read_text import ReadText, Wait
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.protocol import Event, Failed
from logit_amp_chat.core.reading import Chat, PlainText, ReadBlock, ReadRequest
from logit_amp_chat.core.records import Document, Finish, new_id, now
from logit_amp_chat.core.transcripts.recorder import Recorder

EVERYWHERE = 100_000
"""Characters up to which every token gets candidates; of longer texts those that stand out."""


class TextReading(ReadText):
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
        folder = session.saved.recorder.folder
        super().__init__(source.name, source.place, session.alpha, folder)
        self.session = session
        self.source = source
        self.recorder = Recorder(folder, session.live.report_unsaved)
        self._time = time
        self._message = message
        self._request: ReadRequest | None = None
        self._left = False
        self._closed: tuple[Path | None, bool] | None = None  # the file, and whether it is whole

    # --- asking -------------------------------------------------------------------

    def follow(self) -> None:
        """Ask, unless that was done, as soon as the engine is free."""
        opened = self.session.live.opened
        if self._request is not None or self.session.state != "ready" or opened is None:
            return
        self.alpha = self.session.alpha
        moment = self._time or now()
        self._request = request = self._asked(moment)
        self.recorder.append(replace(opened.session, time=moment))
        self.session.live.ask_apart(request, self.recorder, self._take)

    def _asked(self, time: str) -> ReadRequest:
        source = self.source
        return ReadRequest(
            document=new_id("d"),
            content=source.content,
            source=source.name,
            place=source.place,
            line=source.line,
            alphas=(self.alpha,),
            threshold=None,
            everywhere=_characters(source) <= EVERYWHERE,
            time=time,
            template=self.session.live.template,
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
        """Close the file, if all that was read is in it."""
        if self._closed is None and self.recorder.save():
            self._closed = self.recorder.path, True
            self.recorder.close()

    # --- how far it is ------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the engine reads it now."""
        return self._request is not None and not self.is_over

    @property
    def wait(self) -> Wait:
        """Why nothing was read yet."""
        if self.is_over:
            return ""
        if self.is_running:
            return "reading"
        match self.session.state:
            case "loading":
                return "loading"
            case "busy" | "sampling" | "ready":
                return "engine busy"
            case _:
                return "not loaded"

    @property
    def path(self) -> Path | None:
        """The file that it is saved in, once there is one."""
        return self.recorder.path if self._closed is None else self._closed[0]

    @property
    def is_saved(self) -> bool:
        """Whether all that was read is in the file."""
        if self._closed is not None:
            return self._closed[1]
        return self.recorder.saved or not self.recorder.asked

    def save(self) -> bool:
        """Try again to write what is missing. Whether the file is complete now."""
        if self._closed is None and self.recorder.save() and self._left and self.is_over:
            self._close()
        return self.is_saved

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

    # --- what the engine reports --------------------------------------------------

    def _take(self, event: Event) -> None:
        match event:
            case Document() if self._is_own(event.id):
                opened = self.session.live.opened
                self.begin(event, opened.session if opened else None)
            case ReadBlock() if self._is_own(event.document):
                self.done, self.total = event.done, event.total
                self.add(event.steps)
            case Finish() if self.log is not None and self._is_own(event.reply):
                self.log.add(event)
            case Failed() if self.is_running:
                self.problem = f"{event.message} {event.remedy}".strip()
            case _:
                pass
        if self._left and self.is_over:
            self._close()

    def _is_own(self, document: str) -> bool:
        return self._request is not None and document == self._request.document

    # --- going on -----------------------------------------------------------------

    def continuation(self, step: int) -> Continuation:
        """What stands before a scored token. Raises UsageError where that cannot be given."""
        assert self.document is not None
        assert self.log is not None
        content, session = self.source.content, self.log.session
        return continuation(content, self.document, self.log.steps, step, session)


def _characters(source: Source) -> int:
    match source.content:
        case PlainText(text=text):
            return len(text)
        case Chat(messages=messages):
            return sum(len(message.text) for message in messages)
        case recorded:
            return len(recorded.tokens)
