"""Phrases and text pieces that all exports share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from logit_amp_chat.core.config.template_line import template_line
from logit_amp_chat.core.lanes import lane_heading, lane_title
from logit_amp_chat.core.number_format import setting, signed, which
from logit_amp_chat.core.records import Message, Note, Sampling, Session, SideInfo
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts import reply_endings
from logit_amp_chat.core.transcripts.conversation import Conversation, ReplyLog
from logit_amp_chat.core.transcripts.reply_text import ReplyText

WITH_SPECIAL = "with special tokens"


class Piece(NamedTuple):
    """A part of a reply's text, safe to show; `step` is its index, None for a mark."""

    text: str
    step: int | None


def pieces(log: ReplyLog) -> Iterator[Piece]:
    """A reply's text, step by step, with marks where α or the sampling changed.

    Special tokens are shown by name.
    """
    changes = {change.index: change.sampling for change in log.changes}
    alpha, sampling = log.reply.alpha, log.reply.sampling
    reply_text = ReplyText()
    for index, step in enumerate(log.steps):
        if step.alpha != alpha:
            alpha = step.alpha
            yield Piece(f"‹α {signed(alpha)}›", None)
        if new := changes.pop(step.index, None):
            yield Piece(f"‹{sampling_change(sampling, new)}›", None)
            sampling = new
        if step.special:
            yield Piece(visible(step.text, newlines=False), index)
        else:
            yield Piece(visible(reply_text.add(step)), index)
    if rest := reply_text.finish():
        yield Piece(rest, None)


def marked_text(log: ReplyLog) -> str:
    """A reply's text without special tokens, with marks such as `‹α +2›`; safe to show."""
    return "".join(
        text for text, step in pieces(log) if step is None or not log.steps[step].special
    )


def sampling_change(old: Sampling, new: Sampling) -> str:
    """What was changed: `temperature 0, top p 1`."""
    before, after = old.model_dump(), new.model_dump()
    changed = [f"{_words(k)} {setting(v)}" for k, v in after.items() if v != before[k]]
    return ", ".join(changed) or "sampling unchanged"


def _words(name: str) -> str:
    return name.replace("_", " ")


def lane(log: ReplyLog, *, letter: bool = False) -> str:
    """What a reply's lane is called, with every change of α: `before`, `α +1 → α +2`.

    With its `letter`: `B before`.
    """
    alphas = [log.reply.alpha]
    for step in log.steps:
        if step.alpha != alphas[-1]:
            alphas.append(step.alpha)
    first = lane_heading(alphas[0]) if letter else lane_title(alphas[0])
    return " → ".join([first, *map(lane_title, alphas[1:])])


def sibling(state: Conversation, log: ReplyLog) -> str:
    """Which of its lane's replies to the message this is: `‹ 1/2 ›`; "" for the only one."""
    siblings = state.siblings(log)
    return which(siblings.index(log) + 1, len(siblings))


def place(state: Conversation, log: ReplyLog) -> str:
    """Which reply of the conversation this is: `message 2, α +1 ‹ 1/2 ›`."""
    numbers = {name: i for i, name in enumerate(state.messages, 1)}
    number = numbers.get(log.reply.parent or "", "?")
    return f"message {number}, {lane(log)} {sibling(state, log)}".rstrip()


def continues(state: Conversation, log: ReplyLog) -> str:
    """Marks the one of several replies to a message that the chat goes on from."""
    alone = len(state.replies_to(log.reply.parent)) == 1
    return "" if alone or state.kept(log.reply.parent) is not log else "continues the chat"


def ending(log: ReplyLog) -> str:
    """Why the reply ended, after how many tokens and seconds."""
    if log.finish is None:
        return reply_endings.cut_off(log)
    return reply_endings.as_recorded(log.finish, seconds=True)


def settings(log: ReplyLog) -> str:
    """The sampling of a reply, without the seed, on one line."""
    sampling = log.reply.sampling.model_dump(exclude={"seed"})
    if sampling["ends"] == "mix":
        del sampling["ends"]
    parts = [f"{_words(k)} {setting(v)}" for k, v in sampling.items()]
    if log.reply.raw:
        parts.append("raw prompt")
    if log.reply.template:
        parts.append(f"template {variables(log)}")
    if log.reply.forced:
        parts.append(f"{log.reply.forced} given")
    return " · ".join(parts)


def variables(log: ReplyLog) -> str:
    """The template variables that a reply was prompted with, on one line; safe to show."""
    return visible(template_line(log.reply.template), newlines=False) or "none"


def own_variables(log: ReplyLog) -> str:
    """The same where they are not those of the profile that it was made with, else ""."""
    usual = log.session.profile.get("template") if log.session else None
    return "" if log.reply.raw or log.reply.template == (usual or {}) else variables(log)


def note(state: Conversation, note: Note) -> str:
    """A note and the token it is on, counted from 1 as on the screen."""
    if note.step is None:
        return f"Note: {note.text}"
    log = state.replies.get(note.about)
    known = log is not None and 0 <= note.step < len(log.steps)
    token = f" “{log.steps[note.step].text}”" if log is not None and known else ""
    return f"Note on token {note.step + 1}{token}: {note.text}"


def title(session: Session | None) -> str:
    """The title of a document about this session."""
    return str(session.profile.get("title") or "") if session else ""


def pair(session: Session) -> tuple[str, str]:
    """Both sides with revision, dtype and quantization."""
    return f"before: {_side(session.before)}", f"after: {_side(session.after)}"


def same_pair(a: Session, b: Session) -> bool:
    """Whether models, precision, device and versions are the same."""
    return (a.before, a.after, a.device, a.versions) == (b.before, b.after, b.device, b.versions)


def circumstances(session: Session) -> str:
    """Time, device and software versions."""
    versions = ", ".join(f"{name} {number}" for name, number in session.versions.items())
    return f"{session.time} · {session.device} · {versions}"


def _side(side: SideInfo) -> str:
    model = _model(side.model, side.revision)
    if side.adapter:
        model += f" + {_model(side.adapter, side.adapter_revision)}"
    return f"{model} · {side.dtype} · {side.quantization}"


def _model(name: str, revision: str | None) -> str:
    """Name and revision; of a local path only the last two parts, for privacy."""
    folder = PurePosixPath(name)
    if folder.is_absolute():
        name = "/".join(("…", *folder.parts[-2:]))
    return f"{name}@{revision}" if revision else name


def parent(state: Conversation, message: Message) -> str:
    """What a message follows: a reply, a message, or nothing."""
    numbers = {name: i for i, name in enumerate(state.messages, 1)}
    id = message.parent
    if id is None:
        return "nothing: a new beginning"
    if log := state.replies.get(id):
        number = numbers.get(log.reply.parent or "", "?")
        return f"the {lane(log)} reply to message {number}"
    return f"message {numbers[id]}" if id in numbers else "what is not in the file"


def standing(state: Conversation, message: Message) -> str:
    """Which version of an edited message this is, and how it was sent: " · version 1 of 2"."""
    versions = state.versions(message)
    number = versions.index(message) + 1
    version = f" · version {number} of {len(versions)}" if len(versions) > 1 else ""
    return f"{version} · {WITH_SPECIAL}" if message.special else version


def said(state: Conversation, message: Message) -> str:
    """The text of a message; of an empty system prompt what it does."""
    if message.role == "system" and not message.text:
        return no_system(state, message)
    return message.text


def no_system(state: Conversation, message: Message) -> str:
    """What an empty system prompt does (see `core.prompts.system_prompt`)."""
    if state.system(message.id) is None:
        return "(taken back: from here on the chat template's own, where it has one)"
    return "(none, and the chat template's own is removed where it allows that)"


def history(state: Conversation, log: ReplyLog) -> str:
    """Whose history the reply goes on from, where that is its lane's own."""
    followed = state.replies.get(log.reply.follows or "")
    if followed is None:
        return ""
    numbers = {name: i for i, name in enumerate(state.messages, 1)}
    number = numbers.get(followed.reply.parent or "", "?")
    return f"own history: continues the {lane(followed)} reply to message {number}"
