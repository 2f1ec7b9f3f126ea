"""Replies as lines of a sweep's file: what is not whole is left out."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from logit_amp_chat.core.experiments.sweep.plan import reply_id
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply

# JSON has no infinities: they are strings in these lists. (A list takes a configuration.)
LINES = ConfigDict(ser_json_inf_nan="strings")
_REPLIES: TypeAdapter[list[SweepReply]] = TypeAdapter(list[SweepReply], config=LINES)

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Log-probabilities (n, K) of a reply's tokens at αs that were added to the sweep later."""

    reply: str
    grid: tuple[float, ...]
    log_q: tuple[tuple[float, ...], ...]

    def joined(self, other: Scores) -> Scores:
        """At the αs of both. Raises ValueError where they have different numbers of tokens."""
        rows = zip(self.log_q, other.log_q, strict=True)
        log_q = tuple(own + further for own, further in rows)
        return Scores(reply=self.reply, grid=self.grid + other.grid, log_q=log_q)

    def added_to(self, reply: SweepReply) -> SweepReply:
        """The reply with these, too; as it is where they are another one's."""
        if len(self.log_q) != len(reply.log_q):
            return reply
        joined = Scores(reply=reply.id, grid=reply.grid, log_q=reply.log_q).joined(self)
        return dataclasses.replace(reply, grid=joined.grid, log_q=joined.log_q)


_SCORES: TypeAdapter[list[Scores]] = TypeAdapter(list[Scores], config=LINES)


def reply_fields(reply: SweepReply) -> dict[str, Any]:
    """A reply as a line has it."""
    return plain(_REPLIES, reply)


def whole_reply(line: Mapping[str, Any]) -> SweepReply | None:
    """The reply of a line; None where it is not whole, or not the one that its id names."""
    found: list[SweepReply] = validated(_REPLIES, line)
    return next(filter(_is_whole, found), None)


def scores_fields(scores: Scores) -> dict[str, Any]:
    """Log-probabilities as a line has them."""
    return plain(_SCORES, scores)


def whole_scores(line: Mapping[str, Any]) -> Iterator[Scores]:
    """The log-probabilities of a line; none where they are not whole."""
    for scores in validated(_SCORES, line):
        if _are_log_probs(scores.log_q, scores.grid):
            yield scores


def plain(adapter: TypeAdapter[list[Any]], value: object) -> dict[str, Any]:
    """A value as a line has it."""
    found: list[dict[str, Any]] = json.loads(adapter.dump_json([value]))
    return found[0]


def validated(adapter: TypeAdapter[list[Any]], line: Mapping[str, Any]) -> list[Any]:
    """The value of a line; none where it is damaged."""
    try:
        fields = {name: value for name, value in line.items() if name != "type"}
        return adapter.validate_python([fields])
    except ValidationError:
        return []


def _is_whole(reply: SweepReply) -> bool:
    """Whether every token has its numbers, and could be drawn where it was."""
    sizes = {len(reply.tokens)}
    sizes |= {len(one) for one in (reply.lengths, reply.log_q, reply.before, reply.after, reply.kl)}
    if len(sizes) > 1 or reply.alpha not in reply.grid:
        return False
    own = reply.grid.index(reply.alpha)
    return (
        reply.id == reply_id(reply.prompt, reply.alpha, reply.n)
        and _are_log_probs(reply.log_q, reply.grid)
        and math.isfinite(sum(row[own] for row in reply.log_q))
        and list(reply.lengths) == sorted(reply.lengths)
        and (not reply.lengths or reply.lengths[-1] <= len(reply.text))
    )


def _are_log_probs(rows: Rows, grid: Sequence[float]) -> bool:
    """Whether rows have a number for every α: −inf is one, NaN and +inf are none."""
    return all(len(row) == len(grid) and sum(row) < math.inf for row in rows)
