"""Transcripts as documents: Markdown, plain text, and one JSON document that loses nothing."""

from __future__ import annotations

import os
import re
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

from core.conversation import Conversation, ReplyLog, step_bytes
from core.errors import TranscriptError
from core.records import Message, Record, Sampling, Session, SideInfo, Unknown
from core.text import Utf8Stream, visible
from core.transcript import read_lines, read_records

Format = Literal["md", "txt", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)


def export(path: Path, to: Format) -> str:
    """The transcript at `path` as one document. Raises TranscriptError."""
    if to == "json":
        return to_json(read_lines(path))
    return to_document(read_records(path), markdown=to == "md")


def to_json(lines: Iterable[str]) -> str:
    """The lines of a transcript in one JSON object, each as it is in the file."""
    records = ",\n".join(lines)
    return f'{{"format": "logit-amp-chat", "version": 1, "records": [\n{records}\n]}}\n'


def to_document(records: Iterable[Record], *, markdown: bool) -> str:
    """A conversation to be read: every message, every lane of every reply, and what was noted."""
    writer: _Text = _Markdown() if markdown else _Text()
    records = list(records)
    return writer.document(Conversation(records), records)


def write_atomically(path: Path, text: str) -> None:
    """Write a file at once or not at all, readable by its owner; into a device or pipe, directly.

    Raises TranscriptError.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8", errors="replace")
        else:
            _replace(path, text)
    except OSError as error:
        raise TranscriptError(
            f"Cannot write {path}: {error.strerror}.", "Choose another place with --out."
        ) from error


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# --- what a document says -------------------------------------------------------


def signed(alpha: float) -> str:
    """An α with its sign: +1.5, −1, 0."""
    return "0" if alpha == 0 else f"{alpha:+.6g}".replace("-", "−")


def marked_text(log: ReplyLog) -> str:
    """A reply's text with a mark where α or the sampling changed: `‹α +2›`.

    Safe to show; special tokens are left out.
    """
    changes = {change.index: change.sampling for change in log.changes}
    alpha, sampling = log.reply.alpha, log.reply.sampling
    stream, pieces = Utf8Stream(), []
    for step in log.steps:
        if step.alpha != alpha:
            alpha = step.alpha
            pieces.append(f"‹α {signed(alpha)}›")
        if new := changes.pop(step.index, None):
            pieces.append(f"‹{_difference(sampling, new)}›")
            sampling = new
        if not step.special:
            pieces.append(visible(stream.feed(step_bytes(step))))
    return "".join(pieces) + stream.finish()


def _difference(old: Sampling, new: Sampling) -> str:
    before, after = old.model_dump(), new.model_dump()
    changed = [f"{_words(k)} {v}" for k, v in after.items() if v != before[k]]
    return ", ".join(changed) or "sampling unchanged"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _alphas(log: ReplyLog) -> str:
    """Every α the reply ran at, in order: `+1 → +2`."""
    values = [log.reply.alpha]
    for step in log.steps:
        if step.alpha != values[-1]:
            values.append(step.alpha)
    return " → ".join(map(signed, values))


def _ending(log: ReplyLog) -> str:
    finish = log.finish
    if finish is None:
        return f"cut off after {len(log.steps)} tokens"
    said = f"{finish.reason} after {finish.tokens} tokens, {finish.seconds:.1f} s"
    return f"{said} ({finish.error})" if finish.error else said


def _settings(log: ReplyLog) -> str:
    """Seed, sampling and ending of a reply on one line."""
    sampling = log.reply.sampling.model_dump(exclude={"seed"})
    parts = [f"seed {log.reply.seed}", *(f"{_words(k)} {v}" for k, v in sampling.items())]
    if log.reply.raw:
        parts.append("raw prompt")
    if log.reply.forced:
        parts.append(f"first {log.reply.forced} tokens forced")
    return " · ".join([*parts, _ending(log)])


def _side(side: SideInfo) -> str:
    model = f"{side.model}@{side.revision}" if side.revision else side.model
    if side.adapter:
        revision = f"@{side.adapter_revision}" if side.adapter_revision else ""
        model += f" + {side.adapter}{revision}"
    return f"{model} · {side.dtype} · {side.quantization}"


class _Text:
    """Plain text; `_Markdown` differs in how a heading, a line and a block look."""

    def document(self, state: Conversation, records: list[Record]) -> str:
        """The whole document, ending with a newline."""
        parts = [*self._head(state.session), *self._body(state), *self._tail(state, records)]
        return "\n\n".join(parts) + "\n"

    def _head(self, session: Session | None) -> Iterator[str]:
        title = str(session.profile.get("title") or "") if session else ""
        yield self.heading(1, title or "Conversation")
        if session:
            versions = ", ".join(f"{name} {number}" for name, number in session.versions.items())
            yield self.items(
                f"before: {_side(session.before)}",
                f"after: {_side(session.after)}",
                f"{session.time} · {session.device} · {versions}",
            )

    def _body(self, state: Conversation) -> Iterator[str]:
        numbers = {name: i for i, name in enumerate(state.messages, 1)}
        follows: str | None = None
        for number, message in enumerate(state.messages.values(), 1):
            yield self.heading(2, f"{number} · {message.role}")
            if message.parent != follows:
                yield self.line(f"Follows {_place(state, numbers, message)}.")
            yield self.block(visible(message.text))
            yield from self._notes(state, message.id)
            kept = state.kept(message.id)
            for log in state.replies_to(message.id):
                yield from self._reply(state, log, log is kept)
            follows = kept.id if kept else message.id

    def _reply(self, state: Conversation, log: ReplyLog, kept: bool) -> Iterator[str]:
        siblings = len(state.replies_to(log.reply.parent)) > 1
        mark = " · kept" if kept and siblings else ""
        yield self.heading(3, f"{log.reply.lane} · α {_alphas(log)}{mark}")
        yield self.line(_settings(log))
        yield self.block(marked_text(log))
        yield from self._notes(state, log.id)

    def _notes(self, state: Conversation, about: str) -> Iterator[str]:
        for note in state.notes:
            if note.about == about:
                where = f" on token {note.step}" if note.step is not None else ""
                yield self.line(f"Note{where}: {note.text}")

    def _tail(self, state: Conversation, records: list[Record]) -> Iterator[str]:
        loose = [log for log in state.replies.values() if log.reply.parent not in state.messages]
        if loose:
            yield self.heading(2, "Replies to messages that are not in the file")
            for log in loose:
                yield from self._reply(state, log, kept=False)
        if unknown := Counter(r.type for r in records if isinstance(r, Unknown)):
            kinds = ", ".join(f"{count} {kind}" for kind, count in unknown.items())
            yield self.line(f"Not shown, of a kind this version does not know: {kinds}.")

    def heading(self, level: int, text: str) -> str:
        """A heading; level 1 is the title."""
        text = visible(text, newlines=False)
        return text + "\n" + {1: "=", 2: "-", 3: "·"}[level] * min(len(text), 100)

    def line(self, text: str) -> str:
        """A line about what was said."""
        return visible(text, newlines=False)

    def items(self, *texts: str) -> str:
        """Lines that belong together."""
        return "\n".join(map(self.line, texts))

    def block(self, text: str) -> str:
        """What was said, set off from what is said about it."""
        return textwrap.indent(text, "    ")


class _Markdown(_Text):
    """Markdown in which nothing that was said can become markup."""

    def heading(self, level: int, text: str) -> str:
        return f"{'#' * level} {_escaped(text)}"

    def line(self, text: str) -> str:
        return _escaped(text)

    def items(self, *texts: str) -> str:
        return "\n".join(f"- {_escaped(text)}" for text in texts)

    def block(self, text: str) -> str:
        longest = max(map(len, re.findall("`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"{fence}text\n{text}\n{fence}"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>()#!|~&$])", r"\\\1", visible(text, newlines=False))


def _place(state: Conversation, numbers: dict[str, int], message: Message) -> str:
    """What a message follows, in words."""
    parent = message.parent
    if parent is None:
        return "nothing: a new beginning"
    if log := state.replies.get(parent):
        number = numbers.get(log.reply.parent or "", "?")
        return f"the {log.reply.lane} reply at α {_alphas(log)} to message {number}"
    return f"message {numbers[parent]}" if parent in numbers else "what is not in the file"
