"""What a reply consists of: thinking, answer, tool calls, named channels, and the marks between.

The marks of every family are in one table, `BLOCKS`, besides the headers of Harmony (gpt-oss).
Nothing is lost: the parts of a reply, one after the other, are all of its text.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from logit_amp_chat.core.transcripts.reply_text import ReplyText, TokenText

Kind = Literal["answer", "thinking", "tool call", "channel", "mark", "special"]


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two marks; without `end` it goes on to the end of the reply."""

    kind: Kind
    begin: str
    end: str | None


BLOCKS = (
    Block("thinking", "<think>", "</think>"),
    Block("thinking", "[THINK]", "[/THINK]"),
    Block("thinking", "<seed:think>", "</seed:think>"),
    Block("tool call", "<tool_call>", "</tool_call>"),
    Block("tool call", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    Block("tool call", "[TOOL_CALLS]", None),
    Block("tool call", "<|python_tag|>", None),
)
THINKING = tuple(block for block in BLOCKS if block.kind == "thinking")
LONGEST_MARK = max(len(mark) for block in BLOCKS for mark in (block.begin, block.end or ""))
LONGEST_HEADER = 200
"""In characters. What goes on for longer is no header, and is shown as an answer."""

CHANNEL, MESSAGE = "<|channel|>", "<|message|>"
_IN_HEADERS = ("<|start|>", CHANNEL, "<|constrain|>")
_IN_HEADER = re.compile("|".join(map(re.escape, _IN_HEADERS)))
_NAME = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_RECIPIENT_FIRST = re.compile(r"\s*to=[^\s<]+\s*")


class DescribedToken(NamedTuple):
    """A token as a vocabulary describes it: text, hex bytes, whether it is special."""

    text: str
    bytes: str | None
    special: bool


@dataclass(slots=True)
class Part:
    """The characters [start, end) of a reply's whole text, special tokens included.

    `name` is that of a channel or a tool; of a mark it is the kind of what it begins or ends.
    """

    kind: Kind
    start: int
    end: int
    name: str = ""


class Thought(NamedTuple):
    """Thinking with its marks, characters [start, end), and how many tokens were thought."""

    start: int
    end: int
    tokens: int


def opens_thinking(text: str) -> bool:
    """Whether a prompt's text ends in a thinking block that has just begun."""
    return text.rstrip().endswith(tuple(block.begin for block in THINKING))


class ReplyParts:
    """The parts of one reply, from its steps in their order.

    A token costs the same however many came before. A mark may be one token, special or not, or
    spelled by several; then characters that were taken for text become part of it, and
    `revision` changes, as it does with every mark and with a last character that is incomplete.
    """

    def __init__(self, thinks: bool = False) -> None:
        """`thinks`: whether the prompt left a thinking block open."""
        self.parts: list[Part] = []
        self.starts: list[int] = []
        """By step: how many characters were complete before it."""
        self.length = 0
        self.revision = 0
        self._pieces: list[str] = []
        self._stream = ReplyText()
        self._kind: Kind = "thinking" if thinks else "answer"
        self._name = ""
        self._end: tuple[str, ...] = tuple(b.end for b in THINKING if b.end) if thinks else ()
        self._header: int | None = None  # where one that is not complete began
        self._channels = False
        self._marked = thinks
        self._stop: int | None = None  # where the stop string that ended it begins

    def add(self, step: TokenText) -> str:
        """Add the next step; returns what it adds to `marked`."""
        piece = step.text if step.special else self._stream.add(step)
        start, self.length = self.length, self.length + len(piece)
        self.starts.append(start)
        self._pieces.append(piece)
        if step.special:
            return piece if self._add_special(piece, start) else ""
        if self._header is not None:
            self._add_to_header(piece, start)
            return piece
        last = self.parts[-1] if self.parts else None
        if last is not None and last.kind == self._kind and last.name == self._name:
            last.end = self.length  # most tokens
        else:
            self._put(self._kind, start, self._name)
        if (">" in piece or "]" in piece) and not self._channels:
            self._find_marks(start)
        return piece

    def finish(self) -> str:
        """End the text; returns an incomplete last character, as U+FFFD."""
        rest = self._stream.finish()
        if rest and self._pieces:
            self._pieces[-1] += rest
            self.revision += 1
            start, self.length = self.length, self.length + len(rest)
            self._put(self._kind, start, self._name)
        return rest

    def stop(self, stop: str) -> None:
        """The last step completes this stop string: from where it begins, all is special."""
        begin = max(0, (self.starts or [0])[-1] - len(stop) + 1)
        at = self.text(begin, self.length).find(stop)
        if at >= 0:
            self._stop = begin + at
            self._cut(self._stop)
            self._put("special", self._stop, "stop")
            self.revision += 1

    @property
    def before_stop(self) -> int | None:
        """How many steps come before a stop string; None where it begins inside one."""
        return self.said if self._stop in (None, *self.starts[self.said :][:1]) else None

    @property
    def said(self) -> int:
        """How many steps have more than the stop string that ended the reply; all without one."""
        return len(self.starts) if self._stop is None else bisect_left(self.starts, self._stop)

    # --- what is there ----------------------------------------------------------

    def text(self, start: int, end: int) -> str:
        """The characters [start, end)."""
        if start >= end:
            return ""
        first = max(0, bisect_right(self.starts, start) - 1)
        last = bisect_right(self.starts, end - 1)
        joined = "".join(self._pieces[first:last])
        return joined[start - self.starts[first] : end - self.starts[first]]

    def spans(self, index: int) -> Iterator[tuple[Part, str]]:
        """The text of one step, by the parts that it is in."""
        start, piece = self.starts[index], self._pieces[index]
        if not piece:
            return
        place = max(0, bisect_right(self.parts, start, key=lambda part: part.start) - 1)
        for part in self.parts[place:]:
            if part.start >= start + len(piece):
                return
            if shown := piece[max(0, part.start - start) : part.end - start]:
                yield part, shown

    def steps_of(self, part: Part) -> range:
        """The steps that have characters of a part, which is not empty."""
        first = bisect_right(self.starts, part.start) - 1
        return range(first, bisect_right(self.starts, part.end - 1))

    @property
    def blank(self) -> int:
        """1 if it begins with the space that its first word has as a token, else 0.

        Sentencepiece and prompts such as `Assistant:` put this space between prompt and reply.
        """
        first = self._pieces[0] if self._pieces else ""
        return int(first[:1] == " " and bool(first[1:2].strip()))

    @property
    def thinks(self) -> bool:
        """Whether it is thinking: the last part is not over."""
        return self._kind == "thinking" and self._header is None

    @property
    def settled(self) -> int:
        """How many characters are what they are for good: the last ones may begin a mark."""
        if self._channels or not self.parts:  # what follows a header's begin may be no header
            return self.length if self._header is None else self._header
        start = max(self.parts[-1].start, self.length - LONGEST_MARK)
        tail = self.text(start, self.length)
        for begin in range(len(tail)):
            mark = any(m.startswith(tail[begin:]) for block in BLOCKS for m in self._awaited(block))
            if mark and (self._end or self._begins_line(start + begin)):
                return start + begin
        return self.length

    @property
    def answer(self) -> str:
        """What is said to the user: no thinking, no special token; tool calls as they are marked.

        Newlines between thinking and answer belong to neither.
        """
        said, after_thinking = list[str](), False
        for part in self.parts:
            if is_said(part):
                text = self.text(part.start, part.end)
                said.append(text.lstrip("\n") if after_thinking else text)
            after_thinking = is_thinking(part)
        return "".join(said)

    @property
    def thinking(self) -> str:
        """All that was thought."""
        thoughts = [self.text(p.start, p.end) for p in self.parts if p.kind == "thinking"]
        return "\n".join(filter(None, (thought.strip("\n") for thought in thoughts)))

    def thoughts(self) -> list[Thought]:
        """All thinking that is over, in order."""
        found: list[Thought] = []
        for thought, group in groupby(self.parts, key=is_thinking):
            run = [*group]
            if thought and (run[-1] is not self.parts[-1] or self._kind != "thinking"):
                steps = [self.steps_of(part) for part in run if part.kind == "thinking"]
                tokens = len({step for own in steps for step in own})
                found.append(Thought(run[0].start, run[-1].end, tokens))
        return found

    @property
    def marked(self) -> str:
        """Everything but special tokens that are no marks."""
        kept = (part for part in self.parts if part.kind != "special")
        return "".join(self.text(part.start, part.end) for part in kept)

    # --- reading ----------------------------------------------------------------

    def _put(self, kind: Kind, start: int, name: str = "") -> None:
        """All from `start` on is of this kind."""
        if start == self.length:
            return
        last = self.parts[-1] if self.parts else None
        if last and (last.kind, last.name, last.end) == (kind, name, start):
            last.end = self.length
        else:
            self.parts.append(Part(kind, start, self.length, name))

    def _cut(self, at: int) -> None:
        """Forget what the characters from `at` on are."""
        while self.parts and self.parts[-1].start >= at:
            self.parts.pop()
        if self.parts:
            self.parts[-1].end = min(self.parts[-1].end, at)

    def _goes_on(self, kind: Kind, name: str = "", end: tuple[str, ...] = ()) -> None:
        self._kind, self._name, self._end = kind, name, end
        self.revision += 1

    def _add_special(self, piece: str, start: int) -> bool:
        """Add a special token; whether it is a mark."""
        if piece == CHANNEL and not self._channels:
            self._channels = True
            if len(self.parts) == 1 and _RECIPIENT_FIRST.fullmatch(self.text(0, start)):
                self._cut(0)
                self.parts.append(Part("mark", 0, start))
                self._header = 0
        if self._channels and piece in _IN_HEADERS:
            self._header = start if self._header is None else self._header
            self._put("mark", start)
        elif piece == MESSAGE and (self._channels or self._header is not None):
            self._put("mark", start)
            self._begin_body()
        elif piece == "<|end|>" and self._channels:
            self._put("mark", start, self._kind)
            self._header = None
            self._goes_on("answer")
        elif not self._channels and (mark := self._mark_of(piece)):
            self._put("mark", start, mark.kind)
            self._pass(mark, begins=piece == mark.begin)
        else:
            self._header = None
            self._put("special", start)
            return False
        return True

    def _begin_body(self) -> None:
        """The header is complete: the channel's text begins."""
        header = "" if self._header is None else self.text(self._header, self.length)
        if self._header is not None:
            self._cut(self._header)
        channel, recipient = _NAME.search(header), _RECIPIENT.search(header)
        name = channel[1] if channel else ""
        kind: Kind = "channel" if name and name != "final" else "answer"
        if recipient:
            kind, name = "tool call", recipient[1]
        elif name == "analysis":
            kind = "thinking"
        if self._header is not None:
            self._put("mark", self._header, kind)
        self._header = None
        self._goes_on(kind, "" if kind in ("answer", "thinking") else name)

    def _add_to_header(self, piece: str, start: int) -> None:
        assert self._header is not None
        if "\n" not in piece and self.length - self._header <= LONGEST_HEADER:
            self._put("mark", start)
            return
        header = self.text(self._header, start)
        text = self._header + max(mark.end() for mark in _IN_HEADER.finditer(header))
        self._header = None
        self._cut(text)
        self._goes_on("answer")
        self._put("answer", text)

    def _mark_of(self, piece: str) -> Block | None:
        """The block that a token begins here, or ends."""
        if self._kind == "answer":
            return next((b for b in BLOCKS if piece == b.begin), None)
        return next((b for b in BLOCKS if piece == b.end and piece in self._end), None)

    def _pass(self, mark: Block, *, begins: bool) -> None:
        """Go on behind a mark."""
        self._marked = True
        if begins:
            self._goes_on(mark.kind, "", (mark.end,) if mark.end else ())
        else:
            self._goes_on("answer")

    def _find_marks(self, start: int) -> None:
        """Find marks that end in the characters from `start` on."""
        begin = max(self.parts[-1].start, start - LONGEST_MARK)
        while found := self._next_mark(begin, start):
            mark, spelled, at = found
            begin = start = at + len(spelled)
            is_end = spelled == mark.end
            self._cut(at)
            if is_end and self._kind == "answer":  # an older record does not say that it thinks
                self.parts = [Part("thinking", 0, at)] if at else []
            self.parts.append(Part("mark", at, begin, mark.kind))
            self._pass(mark, begins=not is_end)
            self._put(self._kind, begin, self._name)

    def _next_mark(self, begin: int, start: int) -> tuple[Block, str, int] | None:
        """The first mark between `begin` and the end that ends behind `start`."""
        text = self.text(begin, self.length)
        found: list[tuple[int, Block, str]] = []
        for block in BLOCKS:
            for mark in self._awaited(block):
                at = text.find(mark, max(0, start - begin - len(mark) + 1))
                if at >= 0 and (mark in self._end or self._begins_line(begin + at)):
                    found.append((at, block, mark))
        if not found:
            return None
        at, block, mark = min(found, key=lambda one: one[0])
        return block, mark, begin + at

    def _awaited(self, block: Block) -> Iterator[str]:
        """The marks of a block that mean something here."""
        if self._kind != "answer":
            if block.end in self._end and block.end:
                yield block.end
            return
        yield block.begin
        if block.kind == "thinking" and block.end and not self._marked:
            yield block.end

    def _begins_line(self, at: int) -> bool:
        """Whether nothing but blanks is between a line's beginning and a character."""
        last = self.parts[-1].start if self.parts else 0
        before = self.text(max(last, at - LONGEST_HEADER), at)
        return not before.rpartition("\n")[2].strip()


def is_thinking(part: Part) -> bool:
    """Whether a part is thinking, or a mark of it."""
    return part.kind == "thinking" or (part.kind == "mark" and part.name == "thinking")


def is_said(part: Part) -> bool:
    """Whether a part is said to the user; tool calls and named channels are, with their marks."""
    if part.kind == "mark":
        return part.name in ("tool call", "channel")
    return part.kind in ("answer", "tool call", "channel")
