"""Keys that come in one bunch: lines of text among them were pasted, not typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from textual import events
from textual.message import Message

ENTER = "\r"
WRITTEN = {"enter": ENTER, "ctrl+j": "\n", "tab": "\t"}
WORD = 2


class Lines(events.Event, bubble=False):
    """Text of several lines as a terminal sends it that does not mark a paste as one."""

    def __init__(self, keys: Sequence[events.Key]) -> None:
        """From the keys that it came as."""
        super().__init__()
        self.keys = tuple(keys)

    @property
    def text(self) -> str:
        """The text."""
        return "".join(map(_character, self.keys)).replace(ENTER, "\n")

    @property
    def has_words(self) -> bool:
        """Whether two lines or more are longer than a key that was pressed."""
        return sum(len(line.strip()) >= WORD for line in self.text.split("\n")) > 1


def joined(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages of one bunch, in which keys that are lines of text are one message.

    Lines have text before an enter, and behind it. Letters and a last enter are keys; so is
    ctrl+j, which makes a new line anyway.
    """
    run: list[events.Key] = []
    for message in messages:
        if isinstance(message, events.Key) and _character(message):
            run.append(message)
        else:
            yield from _taken(run)
            run = []
            yield message
    yield from _taken(run)


def may_go_on(messages: Sequence[Message]) -> bool:
    """Whether a bunch ends in an enter with text before it, as the first half of a paste does."""
    written = (_character(one) if isinstance(one, events.Key) else "" for one in messages)
    text = "".join(one or "\0" for one in written).rpartition("\0")[2]
    return _is_lines(text) or (text.endswith(ENTER) and bool(text.strip()))


def _taken(run: list[events.Key]) -> Iterator[Message]:
    if _is_lines("".join(map(_character, run))):
        yield Lines(run)
    else:
        yield from run


def _is_lines(text: str) -> bool:
    return ENTER in text.strip()


def _character(key: events.Key) -> str:
    """What a key writes; "" for one that does something else."""
    own = key.character if key.is_printable and key.character else ""
    return WRITTEN.get(key.key, own)
