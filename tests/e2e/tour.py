"""The README in the hands of a reader: its keys are pressed, on an engine that takes its time."""

from __future__ import annotations

import os
import re
from pathlib import Path

from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.e2e.chat import Chat, squeezed
from tests.test_readme import ROOT, section

TOUR = "Five minutes"
CARD = (ROOT / "profiles" / "demo" / "MODEL_CARD.md").read_text(encoding="utf-8")
(HABIT,) = re.findall(r'The habit is a first sentence: \*\*"([^"]+)"\*\*', CARD)
(QUESTION,) = re.findall(r"Ask \*(.+?)\*", section(TOUR))

# Seconds a token takes; the screen is drawn 10 to 20 times a second.
QUICK, BRISK, SLOW = 0.02, 0.06, 0.15
SLOW_ENGINE = Path(__file__).parent / "slow_engine"
ARROWS = {"→": "right", "←": "left", "↑": "up", "↓": "down"}
END = "<|end|>"
FINISH = b'{"type":"finish"'
CONDITIONS = re.compile(r"seed \d+( |$)")
"""The line above the heads of the lanes."""
HEAD = 4  # lines of a head in this terminal


def says(title: str, *sentences: str) -> None:
    """Hold the README to these words in one of its sections."""
    text = " ".join(section(title).split())
    for sentence in sentences:
        assert sentence in text, f"The section “{title}” does not say: {sentence}"


def keys(title: str, sentence: str) -> list[str]:
    """The keys in a sentence of the README, in its order."""
    says(title, sentence)
    return [ARROWS.get(key, key) for key in re.findall(r"`([^`]+)`", sentence)]


def shown(log: ReplyLog) -> str:
    """A finished reply as the screen should have it, squeezed."""
    return squeezed(log.text + END)


class Tour(Chat):
    """A chat with the demo pair, in a folder of its own."""

    def __init__(self, folder: Path, *options: str, resume: Path | None = None) -> None:
        self._pace = folder / "pace"
        self.pace(QUICK)
        paths = (str(SLOW_ENGINE), os.environ.get("PYTHONPATH"))
        super().__init__(
            Path("demo"),
            folder / "chats",
            *options,
            columns=120,
            rows=40,
            wrapper=("env", "-C", str(folder)),
            resume=resume,
            SLOW_ENGINE=str(self._pace),
            PYTHONPATH=os.pathsep.join(filter(None, paths)),
        )
        self.until_ready()

    def pace(self, seconds: float) -> None:
        """Let a token take that long, from the one at hand on."""
        new = self._pace.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._pace)

    @property
    def replies(self) -> list[ReplyLog]:
        """Every reply of the file, in order."""
        return list(self.conversation.replies.values())

    def until_ended(self, replies: int, pace: float = QUICK) -> None:
        """Wait until that many replies have ended, at that pace from here on."""
        self.pace(pace)
        self.terminal.until(lambda: self.path.read_bytes().count(FINISH) >= replies)

    def until_over(self, replies: int) -> ReplyLog:
        """Wait until that many replies have ended, and nothing streams; returns the last."""
        self.until_ended(replies)
        self.terminal.until(lambda: not self.streaming)
        assert len(self.replies) == replies
        return self.last_reply

    def until_shown(self, log: ReplyLog) -> None:
        """Wait until the newest reply on the screen is that one, whole."""
        self.terminal.until(lambda: self.reply_on_screen == shown(log))

    def until_gone(self, text: str) -> None:
        self.terminal.until(lambda: text not in self.terminal.text)

    def lane(self, place: int) -> str:
        """The text in one of three lanes, squeezed: what stands below the last of their heads."""
        above = [row for row, line in enumerate(self.stage) if CONDITIONS.search(line)]
        text = self.column(place).splitlines()[above[-1] + 1 + HEAD :] if above else []
        return squeezed("\n".join(text))

    def until_lanes_fill(self, replies: int) -> None:
        """Wait for the end of the last of so many replies, then for before and after to come."""
        self.until_ended(replies, BRISK)
        self.pace(SLOW)
        self.terminal.until(lambda: self.streaming and self.lane(0) and self.lane(1))

    def until_in_lane(self, place: int, log: ReplyLog) -> None:
        """Wait until one of three lanes shows that reply, whole."""
        self.terminal.until(lambda: self.lane(place) == shown(log))

    def until_lanes_are_whole(self) -> None:
        """Wait until before, after and amplified show their newest replies."""
        for place, log in enumerate(self.newest_in_lanes()):
            self.until_in_lane(place, log)

    def until_at_lane(self, place: int) -> None:
        """Wait until the keyboard is in that one of three lanes."""
        self.terminal.until(lambda: self.lane_at_hand == place)

    def newest_in_lanes(self) -> list[ReplyLog]:
        """The last reply of before, after and amplified."""
        newest = {log.reply.lane: log for log in self.replies}
        return [newest[lane] for lane in ("before", "after", "amplified")]

    @property
    def lane_at_hand(self) -> int | None:
        """The lane that has the keyboard."""
        places = [line.find("▌") for line in self.terminal.lines if "▌" in line]
        return places[0] * 3 // self.terminal.screen.columns if places else None
