"""Transcripts as plain text and Markdown: messages, all lanes of all replies, notes, texts read."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from logit_amp_chat.core.export import (
    describe,
    describe_blame,
    describe_reading,
    opening_table,
    token_table,
)
from logit_amp_chat.core.export.readings import Passage, Reading, in_order, read_documents
from logit_amp_chat.core.records import Record, Session, Unknown
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.blamed_tokens import ReplyBlame
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.opening_log import OpeningLog
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


def to_document(records: Iterable[Record], *, markdown: bool) -> str:
    """A conversation as a document to read."""
    writer: _Text = _Markdown() if markdown else _Text()
    records = list(records)
    return writer.document(Conversation(records), records)


class _Text:
    """Plain text; `_Markdown` overrides how headings, lines and blocks look."""

    def __init__(self) -> None:
        self._first: Session | None = None
        self._session: Session | None = None
        self._settings = self._given = ""

    def document(self, state: Conversation, records: list[Record]) -> str:
        """The whole document, ending with a newline."""
        first = next((record for record in records if isinstance(record, Session)), None)
        readings = read_documents(records)
        head = self._head(first, describe_reading.heading(first, state, readings))
        parts = [*head, *self._body(state), *self._tail(state, records, readings)]
        return "\n\n".join(parts) + "\n"

    def _head(self, session: Session | None, title: str) -> Iterator[str]:
        self._first = self._session = session
        yield self.heading(1, title)
        if session:
            yield self.items(*describe.pair(session), describe.circumstances(session))

    def _body(self, state: Conversation) -> Iterator[str]:
        follows: str | None = None
        for number, message in enumerate(state.messages.values(), 1):
            yield self.heading(2, f"{number} · {message.role}{describe.standing(state, message)}")
            if message.parent != follows:
                yield self.line(f"Follows {describe.parent(state, message)}.")
            yield self.block(visible(describe.said(state, message)))
            yield from self._notes(state, message.id)
            yield from self._openings(state.openings(message.id))
            kept = state.kept(message.id)
            for log in state.replies_to(message.id):
                yield from self._reply(state, log)
            follows = kept.id if kept else message.id

    def _reply(self, state: Conversation, log: ReplyLog) -> Iterator[str]:
        lane, which = describe.lane(log), describe.sibling(state, log)
        title = [lane, which, describe.continues(state, log), log.name]
        yield self.heading(3, " · ".join(filter(None, title)))
        if log.session and self._session and not describe.same_pair(log.session, self._session):
            self._session = log.session
            yield self.items(*describe.pair(log.session), describe.circumstances(log.session))
        settings = describe.settings(log)
        said = "sampling as above" if settings == self._settings else settings
        self._settings = settings
        seed, given = f"seed {log.reply.seed}", describe.given(log)
        given, self._given = given or ("none given" if self._given else ""), given
        facts = [seed, said, given, describe.ending(log), describe.history(state, log)]
        yield self.line(" · ".join(filter(None, facts)))
        for passage in describe.passages(log):
            yield self.thinking(passage) if passage.thought else self.block(passage.text)
        yield from self._blame(log)
        yield from self._notes(state, log.id)

    def _blame(self, log: ReplyLog) -> Iterator[str]:
        if (blame := ReplyBlame.of(log)) is None:
            return
        yield self.heading(4, describe_blame.title(blame))
        yield self.table([describe_blame.HEAD, *describe_blame.rows(blame.stats)])
        yield self.block("\n".join(describe_blame.lines(blame)))
        if strongest := list(describe_blame.strongest(blame)):
            yield self.table([describe_blame.strongest_head(blame), *strongest])

    def _openings(self, logs: Iterable[OpeningLog]) -> Iterator[str]:
        for log in logs:
            yield self.heading(3, opening_table.title(log, self._first))
            yield self.line(opening_table.figures(log))
            yield self.table([opening_table.HEAD, *opening_table.cells(log)])

    def _notes(self, state: Conversation, about: str) -> Iterator[str]:
        for note in state.notes:
            if note.about == about:
                yield self.line(describe.note(state, note))

    def _tail(
        self, state: Conversation, records: list[Record], readings: Sequence[Reading]
    ) -> Iterator[str]:
        loose = [log for log in state.replies.values() if log.reply.parent not in state.messages]
        if loose:
            yield self.heading(2, "Replies to messages that are not in the file")
            for log in loose:
                yield from self._reply(state, log)
        yield from self._readings(readings)
        yield from self._openings(state.stray_openings())
        yield from self._token_tables(state)
        if unknown := Counter(r.type for r in records if isinstance(r, Unknown)):
            kinds = ", ".join(f"{count} {kind}" for kind, count in unknown.items())
            yield self.line(f"Not shown, of a kind this version does not know: {kinds}.")

    def _readings(self, readings: Sequence[Reading]) -> Iterator[str]:
        shown, rest = in_order(readings)
        if rows := describe_reading.overview(readings):
            yield self.heading(2, describe_reading.OVERVIEW)
            yield self.table([describe_reading.HEAD, *(cells for _, cells in rows)])
        if any(reading.passages for reading in shown):
            yield self.line(describe_reading.LEGEND)
        for reading in shown:
            yield self.heading(2, describe_reading.title(reading.document))
            yield self.items(*describe_reading.facts(reading, self._first))
            for passage in reading.passages.values():
                yield from self._passage(passage)
        if rest:
            yield self.line(describe_reading.without_hunks(rest))

    def _passage(self, passage: Passage) -> Iterator[str]:
        yield self.heading(3, f"{passage.place} · {describe_reading.figures(passage)}")
        pieces = (one.marked + one.breaks for one in describe_reading.pieces(passage))
        yield self.block("".join(pieces).rstrip("\n"))
        step, text = passage.strongest
        lines = [describe_reading.strongest(step, text)]
        for side, best in describe_reading.wanted(step.top):
            lines.append(f"{side} wanted {best}")
        yield self.items(*lines)

    def _token_tables(self, state: Conversation) -> Iterator[str]:
        for number, pair in enumerate(token_table.pair_tables(state)):
            if not number:
                yield self.heading(2, token_table.TITLE)
            yield self.line(pair.summed)
            for table in pair.tables:
                yield self.heading(3, table.title)
                rows = [token_table.HEAD, *table.rows]
                yield self.table(rows) if table.rows else self.line("None.")

    def heading(self, level: int, text: str) -> str:
        """A heading; level 1 is the title."""
        text = visible(text, newlines=False)
        return text + "\n" + {1: "=", 2: "-"}.get(level, "·") * min(len(text), 100)

    def line(self, text: str) -> str:
        """A line about the conversation."""
        return visible(text, newlines=False)

    def items(self, *texts: str) -> str:
        """A list of lines."""
        return "\n".join(map(self.line, texts))

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        """A table, its head first."""
        cells = [[self.line(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = (map(str.ljust, row, widths) for row in cells)
        return "\n".join("  ".join(line).rstrip() for line in lines)

    def block(self, text: str) -> str:
        """Text of a message or reply, set off from the rest."""
        return textwrap.indent(text, "    ")

    def thinking(self, passage: describe.Passage) -> str:
        """What was thought before an answer, marked as that."""
        return f"{describe.thinking(passage.thought)}:\n\n{self.block(self.block(passage.text))}"


class _Markdown(_Text):
    """Markdown in which no text of the conversation can become markup."""

    def heading(self, level: int, text: str) -> str:
        return f"{'#' * level} {_escaped(text)}"

    def line(self, text: str) -> str:
        return _escaped(text)

    def items(self, *texts: str) -> str:
        return "\n".join(f"- {_escaped(text)}" for text in texts)

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        lines = [f"| {' | '.join(map(_escaped, row))} |" for row in rows]
        lines.insert(1, "|" + " --- |" * len(rows[0]))
        return "\n".join(lines)

    def block(self, text: str) -> str:
        longest = max(map(len, re.findall("`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"{fence}text\n{text}\n{fence}"

    def thinking(self, passage: describe.Passage) -> str:
        summary = f"<details><summary>{describe.thinking(passage.thought)}</summary>"
        return f"{summary}\n\n{self.block(passage.text)}\n\n</details>"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>()#!|~&$])", r"\\\1", visible(text, newlines=False))
