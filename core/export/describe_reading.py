"""Phrases and text pieces about texts that were read, for every kind of document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

from logit_amp_chat.core.analysis.hunks import Hunk, log_ratio
from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.export.readings import Passage, Reading
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.number_format import (
    count,
    delta,
    in_nats,
    nats,
    perplexity,
    probability,
)
from logit_amp_chat.core.records import Candidate, Document, Session, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.conversation import Conversation

WANTED = 3
"""Tokens that each side wanted instead, beneath a hunk."""

ROWS = 50
OVERVIEW = "Texts by mean KL(after‖before)"
HEAD = (
    "text",
    "tokens",
    "perplexity before",
    "after",
    "log-ratio",
    "mean KL",
    "max KL",
    "stand out",
)

Side = Literal["before", "after"]
SIDES: tuple[Side, ...] = get_args(Side)

LEGEND = "{+likelier+} [-less likely-] under after than before, by the threshold or more."


class Piece(NamedTuple):
    """A token of a hunk, safe to show; `breaks` are the newlines of one that stands out.

    `sign` is + where after made it likelier, − where less likely, "" where it does not stand out.
    """

    text: str
    breaks: str
    step: Step
    sign: Literal["", "+", "−"]

    @property
    def marked(self) -> str:
        """The token with its mark: `{+so+}` or `[-so-]`."""
        if not self.sign:
            return self.text
        return f"{{+{self.text}+}}" if self.sign == "+" else f"[-{self.text}-]"


def are_alone(readings: Sequence[Reading], state: Conversation) -> bool:
    """Whether a transcript has texts that were read, and no conversation."""
    return bool(readings) and not (state.messages or state.replies)


def heading(session: Session | None, state: Conversation, readings: Sequence[Reading]) -> str:
    """The title of a document about a transcript."""
    return describe.title(session) or ("Diff" if are_alone(readings, state) else "Conversation")


def title(document: Document) -> str:
    """A document's file, and which of its texts it is; a whole path without the way there."""
    parts = filter(None, (describe.without_way(document.source), document.place))
    return visible(" ".join(parts), newlines=False) or "text"


def cut_short(document: Document, read: int) -> str:
    """How far a text was `read` that was to be read as a whole; "" for all of it."""
    scored = len(document.offsets)
    return "" if read == scored else f" (stopped after {read:,} of {count(scored, 'token')})"


def facts(reading: Reading, first: Session | None) -> Iterator[str]:
    """What a text is and its figures, in lines; its pair if it is not that of `first`."""
    document, stats = reading.document, reading.stats
    if reading.session and first and not describe.same_pair(reading.session, first):
        yield from describe.pair(reading.session)
    windows = f"windows of {document.window:,} tokens, stride {document.stride:,}"
    size = (
        f"{count(stats.tokens, 'scored token')} of {document.tokens:,}",
        windows if document.tokens >= document.window else "",
        _ending(reading),
    )
    yield " · ".join(filter(None, size))
    yield (
        f"log-ratio {_nats(stats.log_ratio)}"
        f" · perplexity {perplexity(stats.perplexity(stats.logp_before))} before,"
        f" {perplexity(stats.perplexity(stats.logp_after))} after"
        f" · KL(after‖before) mean {nats(stats.mean_kl)}, max {nats(stats.max_kl)} nats"
    )
    for alpha, logp in zip(stats.alphas, stats.logp_at, strict=True):
        if alpha:  # 0 is after
            yield f"{lane_title(alpha)}: {at_alpha(stats, logp)}"
    yield (
        f"{count(stats.notable, 'token')} ({_share(stats)}) with |log-ratio| ≥"
        f" {in_nats(document.threshold)}: {stats.raised:,} likelier under after,"
        f" {stats.lowered:,} less likely"
    )
    if reading.left_out:
        kept = len(reading.passages)
        yield f"The strongest {kept:,} of {count(reading.found, 'hunk')} are shown."


def overview(readings: Sequence[Reading]) -> list[tuple[Reading | None, tuple[str, ...]]]:
    """The rows of a table of several texts: those that differ most, and all together.

    Nothing for one text, and for texts that several pairs have read.
    """
    if len(readings) < 2 or not _of_one_pair(readings):
        return []
    total = TextStats(0.0)
    for reading in readings:
        total.merge(replace(reading.stats, alphas=(), logp_at=[]))
    most = sorted(readings, key=lambda reading: -_mean_kl(reading.stats))[:ROWS]
    rows = [(reading, _row(title(reading.document), reading.stats)) for reading in most]
    return [*rows, (None, _row(f"all {len(readings):,} texts", total))]


def _of_one_pair(readings: Sequence[Reading]) -> bool:
    sessions = [reading.session for reading in readings if reading.session]
    return all(describe.same_pair(one, sessions[0]) for one in sessions)


def _row(name: str, stats: TextStats) -> tuple[str, ...]:
    return (
        name,
        f"{stats.tokens:,}",
        perplexity(stats.perplexity(stats.logp_before)),
        perplexity(stats.perplexity(stats.logp_after)),
        delta(stats.log_ratio, 0),
        nats(stats.mean_kl),
        nats(stats.max_kl),
        f"{stats.notable:,} ({_share(stats)})",
    )


def _mean_kl(stats: TextStats) -> float:
    """For sorting: without tokens or with numbers that are none, a text comes last."""
    return -1.0 if math.isnan(stats.mean_kl) else stats.mean_kl


def _share(stats: TextStats) -> str:
    return f"{stats.share:.1%}" if stats.tokens else "–"


def without_hunks(number: int) -> str:
    """How many texts are not shown."""
    return f"{count(number, 'more text')} without a hunk here."


def _ending(reading: Reading) -> str:
    """Why it is not all of the text, if it is not."""
    part = f"{reading.stats.tokens:,} of {reading.scored:,} scored tokens"
    if reading.finish is None:
        return f"cut off after {part}"
    if reading.finish.reason == "cancelled":
        return f"stopped after {part}"
    return "" if reading.stats.tokens == reading.scored else f"incomplete: {part}"


def _nats(value: float) -> str:
    return f"{delta(value, 0)} nats"


def at_alpha(stats: TextStats, logp: float) -> str:
    """Perplexity and log-probability of a text at an α."""
    return f"perplexity {perplexity(stats.perplexity(logp))}, log p {nats(logp)}"


def figures(hunk: Hunk | Passage) -> str:
    """The log-ratio of a hunk's core, and its mean KL."""
    return f"log-ratio {delta(hunk.log_ratio, 0)} · mean KL {nats(hunk.kl)}"


def pieces(passage: Passage) -> Iterator[Piece]:
    """The tokens of a hunk, safe to show."""
    tokens = zip(passage.steps, passage.texts, passage.notable, strict=True)
    for step, text, notable in tokens:
        yield piece(step, text, notable=notable)


def piece(step: Step, text: str, *, notable: bool) -> Piece:
    """A token, safe to show; `text` is what the source has there."""
    if not notable:
        return Piece(visible(text), "", step, "")
    shown = visible(text or step.text, newlines=False)
    return Piece(shown, "\n" * text.count("\n"), step, "+" if log_ratio(step) > 0 else "−")


def strongest(step: Step, text: str) -> str:
    """The strongest token of a hunk: its log-ratio, and its probability under both sides."""
    chances = f"p {probability(step.logp.before).strip()} → {probability(step.logp.after).strip()}"
    return f"{quoted(text or step.text)} {_nats(log_ratio(step))}, {chances}"


def wanted(top: Sequence[Candidate]) -> Iterator[tuple[Side, str]]:
    """What each side wanted most at a token, with probabilities; nothing without candidates."""
    for side in SIDES if top else ():
        best = sorted(top, key=lambda one: -getattr(one, side))[:WANTED]
        said = (f"{quoted(one.text)} {probability(getattr(one, side)).strip()}" for one in best)
        yield side, "  ".join(said)


def quoted(text: str) -> str:
    """Any text in quotes on one line, safe to show."""
    return f"“{visible(text, newlines=False)}”"
