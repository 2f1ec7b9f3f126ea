"""A text that was read through both models: its tokens, figures and hunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from logit_amp_chat.core.analysis.hunks import Hunk, HunkFinder, Places
from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.chat.continuation import Continuation
from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.records import Document, Finish, PromptIds, Reply, Session, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

Wait = Literal["", "reading", "loading", "engine busy", "not loaded"]


class ReadText:
    """What is known of a text: nothing before `begin`, then more with every `add`.

    `name` is the file it is from, `place` which text of that file, `folder` where what is
    copied is kept.
    """

    def __init__(self, name: str, place: str, alpha: float, folder: Path) -> None:
        self.name = name
        self.place = place
        self.alpha = alpha
        """The α of the amplified figures."""
        self.folder = folder
        self.document: Document | None = None
        """The text and its tokens, once they are known."""
        self.places: Places | None = None
        """Where its tokens stand in the source."""
        self.log: ReplyLog | None = None
        """The measured tokens, as a reply that was given whole."""
        self.stats = TextStats(0.0, documents=1)
        """The figures of the tokens that were read."""
        self.done = self.total = 0
        """Tokens that were read, and that there are."""
        self.problem = ""
        """Why the text could not be read."""
        self._hunks: list[Hunk] = []
        self._finder: HunkFinder | None = None
        self._looked_at = 0  # steps that the finder has

    # --- what comes of it -----------------------------------------------------------

    def begin(self, document: Document, session: Session | None) -> None:
        """The text is known, and the pair that reads it."""
        self.document, self.total = document, document.tokens
        self._finder = HunkFinder(document)
        self.stats = TextStats(document.threshold, documents=1)
        self.places = Places(document)
        self.log = ReplyLog(_reply(document, self.alpha), session)

    def add(self, steps: Sequence[Step]) -> None:
        """The next tokens."""
        assert self.log is not None
        self.stats.add(steps, ())
        for step in steps:
            self.log.add(step)

    # --- how far it is --------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the engine reads it now."""
        return False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.problem) or (self.log is not None and self.log.is_over)

    @property
    def wait(self) -> Wait:
        """Why nothing was read yet."""
        return ""

    @property
    def path(self) -> Path | None:
        """The file that it is saved in, once there is one."""
        return None

    @property
    def is_saved(self) -> bool:
        """Whether all that was read is in the file."""
        return True

    def save(self) -> bool:
        """Try again to write what is missing. Whether the file is complete now."""
        return True

    @property
    def beginning(self) -> int | None:
        """The scored token to look at first; None while it is not read."""
        return 0 if self.log is not None and self.log.steps else None

    # --- what was found -------------------------------------------------------------

    @property
    def hunks(self) -> list[Hunk]:
        """The hunks of the tokens so far; one that may go on is not among them."""
        if self.log is None:
            return []
        steps = self.log.steps
        if self._finder is not None:
            self._hunks += self._finder.take(steps[self._looked_at :])
            self._looked_at = len(steps)
            if self.log.is_over:
                self._hunks += self._finder.finish()
                self._finder = None
        return self._hunks

    # --- what can be done -----------------------------------------------------------

    def follow(self) -> None:
        """Ask for what is missing, if that can be done."""

    def stop(self) -> bool:
        """Stop reading. False if it is not being read."""
        return False

    def leave(self) -> None:
        """Nobody looks at it any more."""

    def continuation(self, step: int) -> Continuation:
        """What stands before a scored token. Raises UsageError where that cannot be given."""
        raise UsageError(
            "A text from a file of readings can be looked at only.",
            "Read it again (f) to go on from it.",
        )


class SavedText(ReadText):
    """A text as a file has it."""

    def __init__(self, path: Path) -> None:
        """Raises TranscriptError for a file that cannot be read, or that has no text."""
        super().__init__("", "", 0.0, path.parent)
        self._path = path
        session: Session | None = None
        finish: Finish | None = None
        for record in read_records(path):
            match record:
                case Session() if self.document is None:
                    session = record
                case Document() if self.document is None:
                    self.name, self.place = record.source or path.name, record.place
                    self.alpha = next(iter(record.alphas), 0.0)
                    self.begin(record, session)
                case Step() if self._fits(record):
                    self.add([record])
                case Finish() if self.log is not None and record.reply == self.log.id:
                    finish = record
                case _:
                    pass
        if self.log is None or self.document is None:
            raise TranscriptError(f"{path} has no text that was read.", "Choose another file.")
        self._end(self.log, self.document, finish)

    def _end(self, log: ReplyLog, document: Document, finish: Finish | None) -> None:
        """How far it was read: whole, or of the scored tokens, as nothing else is known."""
        done, scored = len(log.steps), len(document.offsets)
        self.done, self.total = (document.tokens,) * 2 if done == scored else (done, scored)
        if finish is not None and (done == scored or finish.reason in ("cancelled", "error")):
            log.add(finish)
        log.cut_off = log.finish is None

    def _fits(self, step: Step) -> bool:
        """Whether this is the text's next token: files are damaged and changed."""
        log, document = self.log, self.document
        if log is None or document is None or step.reply != document.id:
            return False
        return step.index == len(log.steps) < len(document.offsets)

    @property
    def path(self) -> Path | None:
        """The file that it is saved in."""
        return self._path


def _reply(document: Document, alpha: float) -> Reply:
    """A document's tokens as those of a reply, which is what screens show."""
    return Reply(
        id=document.id,
        parent=None,
        lane="amplified",
        alpha=alpha,
        seed=0,
        turn=0,
        sampling=Sampling(ends=document.ends, plausibility=0.0),
        prompt=PromptIds((), ()),
    )
