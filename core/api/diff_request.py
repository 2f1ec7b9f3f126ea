"""Builds a diff from a caller's arguments: a text, a chat or files, and how they are read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast, get_args

from logit_amp_chat.core.analysis.hunks import CONTEXT
from logit_amp_chat.core.api.replies import PairReply
from logit_amp_chat.core.api.request import (
    Alphas,
    Prompt,
    check_texts,
    content_of,
    finite_alphas,
    several,
)
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.blame import BlameSettings
from logit_amp_chat.core.experiments.chat_shapes import has_text
from logit_amp_chat.core.experiments.diff import DiffSettings
from logit_amp_chat.core.experiments.sources import Source, Sources, read_sources
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.reading import Chat, Recorded, Score
from logit_amp_chat.core.sampling import Ends
from logit_amp_chat.core.text import visible

Text = Prompt | Path | PairReply
LONGEST_PATH = 4096
TOP, LEAST_TOP = 10, 3


class TextOptions(TypedDict, total=False):
    """How texts are read; what is missing or None is as in the command `diff`.

    Of a chat the tokens of `score` count: assistant (usually), user, system or all. A token
    stands out from `threshold` nats on (usually what one place in a hundred tokens reaches, 1 at
    least), and a hunk has `context` tokens around it. Longer texts are read in windows of
    `window` tokens that score `stride` each.
    """

    score: Score | None
    threshold: float | None
    context: int | None
    window: int | None
    stride: int | None


class DiffOptions(TextOptions, total=False):
    """How texts are diffed: `alpha` adds log-probabilities at one α or several.

    `top` candidates of each kind are kept where tokens stand out, with `everywhere` at all.
    """

    alpha: Alphas | None
    top: int | None
    everywhere: bool


def diff_settings(ends: Ends, options: DiffOptions) -> DiffSettings:
    """The settings of a diff; a threshold that is not given is still to be chosen.

    Raises UsageError.
    """
    _refuse_unknown(options, DiffOptions.__annotations__)
    alpha, top = options.get("alpha"), whole_number(options.get("top"), "top", LEAST_TOP)
    read = _reading(options)
    return DiffSettings(
        threshold=read.threshold or 0.0,
        context=read.context,
        alphas=() if alpha is None else tuple(dict.fromkeys(finite_alphas(alpha))),
        window=read.window,
        stride=read.stride,
        top=TOP if top is None else top,
        everywhere=bool(options.get("everywhere")),
        ends=ends,
    )


def blame_settings(options: TextOptions) -> BlameSettings:
    """The settings of a blame. Raises UsageError."""
    _refuse_unknown(options, TextOptions.__annotations__)
    return _reading(options)


def _refuse_unknown(options: TextOptions, known: Mapping[str, object]) -> None:
    if unknown := options.keys() - known.keys():
        raise UsageError(f"There is no option {min(unknown)}.", f"There are {', '.join(known)}.")


def _reading(options: TextOptions) -> BlameSettings:
    """What diffs and blames have in common."""
    threshold = options.get("threshold")
    context, window, stride = (
        whole_number(options.get(name), name, least)
        for name, least in (("context", 0), ("window", 1), ("stride", 1))
    )
    return BlameSettings(
        threshold=None if threshold is None else _nats(threshold),
        context=CONTEXT if context is None else context,
        window=window,
        stride=stride,
    )


def listed_texts(texts: Text | Iterable[Text]) -> list[Text]:
    """One text, or several texts and chats. Raises UsageError."""
    found = [texts] if isinstance(texts, str | Path | PairReply) else list(texts)
    check_texts(texts, found)
    return cast(list[Text], found)


def text_source(text: Text, options: TextOptions, vocabulary: str | None) -> Source:
    """A text, a chat, a reply as it was sampled, or the only one in a file. Raises UsageError."""
    score = _score(options)
    if isinstance(text, Path):
        return _only_source(text, file_sources((text,), options, vocabulary))
    if isinstance(text, PairReply):
        tokens = tuple(step.token for step in text.steps)
        said = Recorded(prompt=text.record.prompt, tokens=tokens)
        return Source(name="", place=lane_title(text.alpha), line=1, content=said)
    if isinstance(text, str) and names_file(text):
        raise UsageError(
            f"{visible(text, newlines=False)} is the name of a file.",
            "Give pathlib.Path(…) to read the file.",
        )
    content = content_of(text, score)
    if not has_text(content):
        whose = f" of the role {score}" if isinstance(content, Chat) and score != "all" else ""
        raise UsageError(
            f"There is nothing{whose} to score.",
            "Give a text; of a chat, score says whose messages count.",
        )
    return Source(name="", place="", line=1, content=content)


def names_file(text: str) -> bool:
    """Whether a text is the name of a file that is there: a Path was meant."""
    if len(text) > LONGEST_PATH or "\n" in text or "\0" in text:
        return False
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _only_source(path: Path, sources: Sources) -> Source:
    number = sum(file.sources for file in sources.files)
    if number > 1:
        raise UsageError(
            f"{visible(str(path), newlines=False)} has {number:,} texts.",
            "Read them one by one with diff_files.",
        )
    return next(sources.readable())


def file_sources(
    paths: Sequence[str | Path], options: TextOptions, vocabulary: str | None
) -> Sources:
    """The texts of files and folders; what is left out is a warning. Raises UsageError."""
    sources = read_sources(paths, _score(options), vocabulary)
    for notice in sources.notices:
        warnings.warn(notice, stacklevel=4)
    return sources


def _score(options: TextOptions) -> Score:
    score, known = options.get("score") or "assistant", get_args(Score)
    if score not in known:
        raise UsageError(f"score: expected one of {', '.join(known)}, found {score!r}.")
    return score


def _nats(value: Any) -> float:
    found, *more = several(value, "threshold")
    if more or not found >= 0:
        raise UsageError(f"threshold: expected a number of nats, 0 or more, found {value!r}.")
    return float(found)


def whole_number(value: Any, name: str, least: int) -> int | None:
    """A whole number from `least` on, or None. Raises UsageError."""
    if value is None:
        return None
    found, *more = several(value, name)
    if more or not isinstance(found, int) or found < least:
        raise UsageError(f"{name}: expected a whole number, {least} or more, found {value!r}.")
    return found
