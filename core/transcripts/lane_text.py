"""The text of a lane as it comes, thinking apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logit_amp_chat.core.records import Reply, Step
from logit_amp_chat.core.transcripts.reply_parts import ReplyParts, is_said, is_thinking
from logit_amp_chat.core.transcripts.reply_text import step_bytes
from logit_amp_chat.core.transcripts.stop_strings import HeldText


class LaneText:
    """What a reply adds to the output.

    What may still become a mark or a stop string is held back.
    """

    def __init__(self, reply: Reply, stops: Sequence[str] = ()) -> None:
        """`stops` are the stop strings of the session, `reply` has its own."""
        self.finished = False
        self._parts = ReplyParts(reply.thinks)
        self._raw = reply.raw
        self._held = HeldText((*reply.sampling.stop, *stops))
        self._done = 0  # characters
        self._thought = False  # whether the last ones were thinking
        self._after_thinking = False

    def add(self, step: Step) -> None:
        """Add a token."""
        self._parts.add(step)
        self._held.add(step_bytes(step))
        if len(self._parts.starts) == 1 and not self._raw:
            self._done = self._parts.blank

    def finish(self, stop: str | None = None) -> None:
        """Nothing more will come; `stop` is the stop string that ended it."""
        self._parts.finish()
        if stop is not None:
            self._parts.stop(stop)
        self.finished = True

    def new(self) -> Iterator[tuple[str, bool]]:
        """What has been added, and whether it is thinking; a thought ends with a newline."""
        end = self._parts.length
        if not self.finished:
            end = min(self._parts.settled, end - self._held.size)
        for part in self._parts.parts:
            text = self._parts.text(max(part.start, self._done), min(part.end, end))
            if not text:
                continue
            self._done = min(part.end, end)
            self._after_thinking = self._after_thinking or is_thinking(part)
            if part.kind == "thinking":
                text = text if self._thought else text.lstrip("\n")
                self._thought = self._thought or bool(text)
                yield text, True
                continue
            if self._thought:
                self._thought = False
                yield "\n", True
            if is_said(part):
                text = text.lstrip("\n") if self._after_thinking else text
                self._after_thinking = self._after_thinking and not text
                yield text, False
        if self.finished and self._thought:
            self._thought = False
            yield "\n", True
