"""The tables of the tokens that training raised and lowered most, for every kind of document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from logit_amp_chat.core.export import describe
from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.number_format import count, delta
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.opening_log import measured_with
from logit_amp_chat.core.transcripts.raised_tokens import (
    Place,
    TokenChange,
    most_lowered,
    most_raised,
    token_changes,
)
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

ROWS = 20
HEAD = ("token", "id", "written", "ΣΔ", "mean Δ", "extreme Δ", "where")
TITLE = "Tokens that training raised and lowered most"


@dataclass(frozen=True)
class TokenTable:
    """The rows of one table, each with the cells of HEAD; a token may hold any text."""

    title: str
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class PairTables:
    """What was summed for one pair of models, in a sentence, and its two tables."""

    summed: str
    tables: Sequence[TokenTable]


def by_pair(logs: Iterable[ReplyLog]) -> list[list[ReplyLog]]:
    """The replies of each pair of models: a Δ of one pair adds nothing to another's."""
    groups: dict[object, list[ReplyLog]] = {}
    for log in logs:
        groups.setdefault(measured_with(log.session), []).append(log)
    return list(groups.values())


def records_of(logs: Iterable[ReplyLog]) -> Iterator[Record]:
    """Replies, their steps and their ends, as `token_changes` takes them."""
    for log in logs:
        yield log.reply
        yield from log.steps
        if log.finish is not None:
            yield log.finish


def pair_tables(state: Conversation) -> Iterator[PairTables]:
    """The tables of a document, for each pair that wrote something."""
    for logs in by_pair(state.replies.values()):
        changes = token_changes(records_of(logs))
        if changes:
            yield PairTables(
                _summed(changes, logs),
                [
                    TokenTable("Raised", _rows(state, most_raised(changes), raised=True)),
                    TokenTable("Lowered", _rows(state, most_lowered(changes), raised=False)),
                ],
            )


def sums(change: TokenChange) -> str:
    """ΣΔ in nats, and how often Δ was infinite: +3.50, +∞ ×2."""
    parts = [delta(change.total, 0)] if change.finite else []
    parts += [f"{delta(float('inf'), 0)} ×{change.added}"] if change.added else []
    parts += [f"{delta(float('-inf'), 0)} ×{change.removed}"] if change.removed else []
    return ", ".join(parts) or "–"


def quoted_token(change: TokenChange) -> str:
    """The token in quotes, safe to show; a special one says so."""
    name = f"“{visible(change.text, newlines=False)}”"
    return f"{name} special" if change.special else name


def what_was_summed(changes: Sequence[TokenChange], logs: Sequence[ReplyLog]) -> str:
    """How much was summed: 312 sampled tokens of 4 replies (2 × α +1, 1 × before, 1 × after)."""
    tokens = sum(change.count for change in changes)
    lanes = Counter(reply_title(log.reply) for log in logs)
    each = ", ".join(f"{number} × {lane}" for lane, number in lanes.items())
    replies = "1 reply" if len(logs) == 1 else f"{len(logs):,} replies"
    return f"{count(tokens, 'sampled token')} of {replies} ({each})"


def _summed(changes: Sequence[TokenChange], logs: Sequence[ReplyLog]) -> str:
    return (
        "Δ = log p under after − log p under before of a token where it was written, in nats,"
        f" summed over {what_was_summed(changes, logs)}."
        " Given tokens of branches and those of stop strings do not count."
    )


def _rows(
    state: Conversation, changes: Sequence[TokenChange], *, raised: bool
) -> list[tuple[str, ...]]:
    numbers = {id: number for number, id in enumerate(state.messages, 1)}
    rows: list[tuple[str, ...]] = []
    for change in changes[:ROWS]:
        place = change.highest if raised else change.lowest
        rows.append(
            (
                quoted_token(change),
                str(change.token),
                f"{change.count:,}",
                sums(change),
                delta(change.mean, 0),
                delta(place.delta, 0) if place else "–",
                _where(state, place, numbers) if place else "–",
            )
        )
    return rows


def _where(state: Conversation, place: Place, numbers: dict[str, int]) -> str:
    log = state.replies[place.reply]
    message = numbers.get(log.reply.parent or "", "?")
    title = reply_title(log.reply, log.steps[place.step].alpha)
    lane = f"{title} {describe.sibling(state, log)}".rstrip()
    return f"message {message}, {lane}, token {place.step + 1}"
