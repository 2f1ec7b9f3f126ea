"""Phrases and text pieces that all exports share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple

from logit_amp_chat.core.config.template_line import template_line
from logit_amp_chat.core.lanes import lane_title, reply_heading, reply_title
from logit_amp_chat.core.number_format import count, setting_said, signed, which
from logit_amp_chat.core.records import Message, Note, Session, SideInfo, told_apart
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts import reply_endings
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.opening_log import measured_with
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.transcripts.reply_parts import Part, is_said, is_thinking

# A folder or file in the title of a pair that was given as BEFORE → AFTER or BEFORE → + ADAPTER.
_LOCAL = r"(?:~|\.{0,2})/"
_FOLDER = re.compile(rf"(^|→ (?:\+ )?)({_LOCAL}.*?)(?= → |$)")

WITH_SPECIAL = "with special tokens"


class Piece(NamedTuple):
    """A part of a reply's text, safe to show; `step` is its index, None for a change.

    `quiet` ones are special tokens and marks; `folded` ones are thinking, with its marks;
    `stop` ones have nothing but the stop string that ended the reply, and what follows it.
    """

    text: str
    step: int | None
    quiet: bool = False
    folded: bool = False
    stop: bool = False


def pieces(log: ReplyLog) -> Iterator[Piece]:
    """A reply's text, one piece a step, with marks where α or the sampling changed.

    Special tokens are shown by name.
    """
    changes = _Changes(log)
    for index in range(len(log.steps)):
        spans = list(log.parts.spans(index))
        kinds = {part.kind for part, _ in spans}
        folded = bool(spans) and all(is_thinking(part) for part, _ in spans)
        for said in changes.before(index):
            yield Piece(f"‹{said}›", None, folded=folded)
        text = "".join(_shown(part, said) for part, said in spans)[0 if index else log.blank :]
        quiet, stop = bool(kinds) and kinds <= {"special", "mark"}, index >= log.parts.said
        yield Piece(text, index, quiet=quiet, folded=folded, stop=stop)


class Fold(NamedTuple):
    """Pieces that are shown together; `thought` is how many tokens, 0 for what is said.

    `last`: nothing follows, so that folded it would leave nothing to read.
    """

    pieces: list[Piece]
    thought: int
    last: bool


def folds(log: ReplyLog) -> Iterator[Fold]:
    """The pieces of a reply, its thinking apart."""
    for folded, group in groupby(pieces(log), key=lambda piece: piece.folded):
        found = [*group]
        tokens = sum(not piece.quiet and piece.step is not None for piece in found)
        yield Fold(found, tokens if folded else 0, found[-1].step == len(log.steps) - 1)


class Passage(NamedTuple):
    """What a reply says in one go, safe to show; `thought` is how many tokens, 0 for an answer."""

    text: str
    thought: int


def passages(log: ReplyLog) -> Iterator[Passage]:
    """A reply without special tokens, thinking apart, with marks such as `‹α +2›`."""
    spoken = (
        (span.thought, step, span.text) for step, spans in enumerate(_spans(log)) for span in spans
    )
    for thought, group in groupby(spoken, key=lambda one: one[0]):
        found = [*group]
        text = "".join(said for _, _, said in found)
        tokens = len({step for _, step, _ in found}) if thought else 0
        if not thought:
            yield Passage(text, 0)
        elif text.strip():
            yield Passage(text.strip("\n"), tokens)
    if not log.parts.answer and not log.parts.thinking.strip():
        yield Passage("", 0)


class _Span(NamedTuple):
    thought: bool
    text: str


def _spans(log: ReplyLog) -> Iterator[list[_Span]]:
    """What each step says, thinking or not."""
    changes = _Changes(log)
    thought = after_thinking = False
    for index in range(len(log.steps)):
        found: list[_Span] = []
        for part, text in log.parts.spans(index):
            if part.kind != "thinking" and not is_said(part):
                after_thinking = after_thinking or part.name == "thinking"
                continue
            thought = part.kind == "thinking"
            if after_thinking and not thought:
                text = text.lstrip("\n")
                after_thinking = not text
            found.append(_Span(thought, visible(text)))
        said = "".join(f"‹{one}›" for one in changes.before(index))
        if not index and found and log.blank:
            found[0] = found[0]._replace(text=found[0].text[log.blank :])
        yield [_Span(found[0].thought if found else thought, said), *found] if said else found


class _Changes:
    """Where α and the sampling of a reply changed."""

    def __init__(self, log: ReplyLog) -> None:
        self._log = log
        self._changes = {change.index: change.sampling for change in log.changes}
        self._alpha, self._sampling = log.reply.alpha, log.reply.sampling

    def before(self, index: int) -> Iterator[str]:
        """What changed before a step, in words; for one step after the other."""
        step = self._log.steps[index]
        if step.alpha != self._alpha:
            self._alpha = step.alpha
            yield f"α {signed(step.alpha)}"
        if new := self._changes.pop(step.index, None):
            yield sampling_change(self._sampling, new)
            self._sampling = new


def _shown(part: Part, text: str) -> str:
    return visible(text, newlines=part.kind != "special")


def thinking(tokens: int) -> str:
    """What stands for folded thinking."""
    return f"thinking, {count(tokens, 'token')}"


def sampling_change(old: Sampling, new: Sampling) -> str:
    """What was changed: `temperature 0, top p 1`."""
    before, after = old.model_dump(), new.model_dump()
    changed = [f"{_words(k)} {setting_said(v)}" for k, v in after.items() if v != before[k]]
    return visible(", ".join(changed), newlines=False) or "sampling unchanged"


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
    first = reply_heading(log.reply) if letter else reply_title(log.reply)
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
    """The sampling of a reply, without the seed and what is off, on one line."""
    sampling = log.reply.sampling.model_dump(exclude={"seed", *_saying_nothing(log.reply.sampling)})
    parts = [visible(f"{_words(k)} {setting_said(v)}", newlines=False) for k, v in sampling.items()]
    if log.reply.raw:
        parts.append("raw prompt")
    if log.reply.edits:
        parts.append("edited")
    if log.reply.template:
        parts.append(f"template {variables(log)}")
    return " · ".join(parts)


def given(log: ReplyLog) -> str:
    """How many tokens were given and not sampled; "" for none."""
    return f"{log.reply.forced} given" if log.reply.forced else ""


def _saying_nothing(sampling: Sampling) -> Iterator[str]:
    """The later fields of a sampling that are off, or say how something is done that is off."""
    usual = Sampling()
    for name in ("ends", "stop", "repetition_penalty"):
        if getattr(sampling, name) == getattr(usual, name):
            yield name
    if not sampling.dry_multiplier:
        yield from (name for name in Sampling.model_fields if name.startswith("dry_"))
    if sampling.repetition_penalty == 1 and not sampling.dry_multiplier:
        yield "penalize"


def variables(log: ReplyLog) -> str:
    """The template variables that a reply was prompted with, on one line; safe to show."""
    return visible(template_line(log.reply.template), newlines=False) or "none"


def own_variables(log: ReplyLog) -> str:
    """The same where they are not those of the profile that it was made with, else ""."""
    usual = log.session.profile.get("template") if log.session else None
    usual = usual if isinstance(usual, dict) else {}  # an untrusted file may have anything there
    alike = told_apart(log.reply.template) == told_apart(usual)
    return "" if log.reply.raw or alike else variables(log)


def note(state: Conversation, note: Note) -> str:
    """A note and the token it is on, counted from 1 as on the screen."""
    if note.step is None:
        return f"Note: {note.text}"
    log = state.replies.get(note.about)
    known = log is not None and 0 <= note.step < len(log.steps)
    token = f" “{log.steps[note.step].text}”" if log is not None and known else ""
    return f"Note on token {note.step + 1}{token}: {note.text}"


def title(session: Session | None) -> str:
    """The title of a document about this session; folders that it names by their last part.

    A pair that was given as two folders is called after them, wherever they are.
    """
    said = str(session.profile.get("title") or "") if session else ""
    return _FOLDER.sub(lambda found: found[1] + PurePosixPath(found[2]).name, said)


def pair(session: Session) -> tuple[str, str]:
    """Both sides: stage, revision, dtype, quantization, and what they alone are prompted with."""
    # What are before and after of a pair is said by their models, wherever they stand.
    names = [
        "" if name in ("before", "after") else name
        for name in session.profile.get("pair") or ("", "")
    ]
    sides = (("before", session.before, names[0]), ("after", session.after, names[1]))
    found = [
        f"{name}: {' · '.join(filter(None, (stage, _side(info), *_own_prompt(session, name))))}"
        for name, info, stage in sides
    ]
    return found[0], found[1]


def _own_prompt(session: Session, name: str) -> Iterator[str]:
    """What one side is prompted with by its profile: its system prompt, its variables."""
    side = session.profile.get(name)
    if not isinstance(side, dict):
        return
    if (system := side.get("system")) is not None:
        yield f"system prompt “{' '.join(str(system).split())}”" if system else "no system prompt"
    if isinstance(variables := side.get("template"), dict) and variables:
        yield template_line(variables)


def same_pair(a: Session, b: Session) -> bool:
    """Whether models, prompts of their own, precision, device and versions are the same."""
    return measured_with(a) == measured_with(b) and (a.device, a.versions) == (b.device, b.versions)


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
    """Name and revision, for whoever the document is passed on to."""
    name = without_way(name)
    return f"{name}@{revision}" if revision else name


def without_way(name: str) -> str:
    """A local path by its last two parts, without what says whose machine it was on."""
    if not re.match(_LOCAL, name):
        return name
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "~", "..")]
    if name.startswith("/") and parts[:1] in (["home"], ["Users"]):
        parts = parts[2:]
    return "/".join(("…", *parts[-2:]))


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
