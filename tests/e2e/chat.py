"""The real command in a terminal of our own, with its real engine process."""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.e2e.terminal import Process, Terminal

COMMAND = str(Path(sys.executable).with_name("logit-amp-chat"))
STREAMING = "tok/s"
BELOW = re.compile(r" α .*┼| token \d+ of| [✗•] | +(Loading |Reading the prompt)")
FINISHED = re.compile(r"  (Stopped by you|Cut at the limit|Broken off|The context is full)")
REPLY_HEADS = ("  α ", "  A after ", "  B before ")
MARK = re.compile(r"‹α [^›]*›")
UNWANTED = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TEXTUAL", "TMUX", "COLUMNS", "LINES")


def environment(term: str = "xterm-256color", **more: str) -> dict[str, str]:
    """This process's environment, less what would change how a terminal is drawn."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    return kept | {"TERM": term, "LC_ALL": "C.UTF-8"} | more


class Chat:
    """The chat with one pair, and the folder its transcripts go to."""

    def __init__(
        self,
        profile: Path,
        folder: Path,
        *options: str,
        columns: int = 100,
        rows: int = 80,
        wrapper: Sequence[str] = (),
        resume: Path | None = None,
        connect: str | None = None,
        **variables: str,
    ) -> None:
        """`connect` is the address of a server that has the pair, in place of the profile."""
        self.folder = folder
        what = (
            ["--resume", str(resume)] if resume else [] if connect else ["--profile", str(profile)]
        )
        what += ["--connect", connect] if connect else []
        self.terminal = Terminal(
            [*wrapper, COMMAND, *what, "--transcripts", str(folder), *options],
            environment(**variables),
            columns=columns,
            rows=rows,
        )
        self._path = resume

    # --- what is there ----------------------------------------------------------

    @property
    def path(self) -> Path:
        """The file of this conversation."""
        if self._path is None:
            (self._path,) = self.folder.glob("*.jsonl")
        return self._path

    @property
    def records(self) -> list[Record]:
        return read_records(self.path)

    @property
    def conversation(self) -> Conversation:
        return Conversation(self.records)

    @property
    def last_reply(self) -> ReplyLog:
        return list(self.conversation.replies.values())[-1]

    def engine(self) -> Process:
        """The process that holds the models."""
        (found,) = self.terminal.process.children()
        return found

    @property
    def streaming(self) -> bool:
        return STREAMING in self.terminal.text

    @property
    def stage(self) -> list[str]:
        """The lines between the status and whatever stands below the transcript."""
        lines = [line.replace("▌", " ", 1) for line in self.terminal.lines[1:]]
        end = next((i for i, line in enumerate(lines) if BELOW.match(line)), len(lines))
        return lines[:end]

    @property
    def reply_on_screen(self) -> str:
        """The newest reply, squeezed; empty while a message has none."""
        lines = self.stage
        heads = [i for i, line in enumerate(lines) if line.startswith(("  you", *REPLY_HEADS))]
        if not heads or lines[heads[-1]].startswith("  you"):
            return ""
        said = itertools.takewhile(lambda line: not FINISHED.match(line), lines[heads[-1] + 1 :])
        return squeezed("\n".join(said))

    def column(self, place: int) -> str:
        """What one of the three columns of the comparison shows."""
        width = self.terminal.screen.columns / 3
        left, right = round(place * width), round((place + 1) * width)
        return "\n".join(line[left:right].strip(" │") for line in self.stage)

    def user_texts(self) -> list[str]:
        """What was said, as it is in the file; nothing while there is none."""
        if not any(self.folder.glob("*.jsonl")):
            return []
        return [m.text for m in self.conversation.messages.values() if m.role == "user"]

    # --- what a user does -------------------------------------------------------

    def until_ready(self) -> None:
        self.terminal.until(
            lambda: "cpu (" in self.terminal.text and "Loading" not in self.terminal.text
        )

    def say(self, text: str) -> None:
        self.terminal.write(text)
        self.terminal.press("enter")

    def say_and_stream(self, text: str) -> None:
        """Say something and wait until the reply comes."""
        self.say(text)
        self.terminal.until(lambda: self.streaming)


def squeezed(text: str) -> str:
    """Without white space and α marks."""
    return "".join(MARK.sub("", text).split())
