"""What after says more than before, by token, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from logit_amp_chat.core.analysis.token_rates import PER, PairRate, TokenRate, TokenRates
from logit_amp_chat.core.experiments.diff import Diff, DiffEvent
from logit_amp_chat.core.export.describe_reading import quoted
from logit_amp_chat.core.number_format import MINUS, count
from logit_amp_chat.core.reading import ReadBlock, TokenSums
from logit_amp_chat.core.records import Document
from logit_amp_chat.tui.commands.styles import Styles

ROWS = 15
LEAST_COUNT = 2
"""Pairs that stand in the texts less often say little."""

LEAST = 0.005
"""A smaller difference would be shown as 0.00."""

Rate = TypeVar("Rate", TokenRate, PairRate)


def tables(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """The tokens that after would say more and less at the scored positions, then pairs."""
    rates = TokenRates()
    for event in events:
        if isinstance(event, Document | ReadBlock | TokenSums):
            rates.take(event)
    tokens = rates.tokens()
    texts, each = count(rates.documents, "text"), f"per {PER:,} positions"
    errors = "± is one standard error over texts"
    if rates.documents < 2:
        errors = "one text has no standard error"
    yield (
        f"What either model would say at {rates.positions:,} positions of {texts}, {each};"
        f" {errors}\n"
    )
    if rates.documents > 1:
        marks = "* differs; at most 5 % of all marks are wrong, on average"
        none = "" if any(one.marked for one in tokens) else "; here no token has one"
        yield styles.quiet(f"{marks}{none}") + "\n"
    for title, chosen in (("more", _raised(tokens)), ("less", _lowered(tokens))):
        names = [quoted(name) for name in diff.names([one.token for one in chosen])]
        yield from _table(f"after says {title}", names, chosen, styles)
    pairs = [pair for pair in rates.pairs() if pair.count >= LEAST_COUNT]
    for title, found in (("raised", _raised(pairs)), ("lowered", _lowered(pairs))):
        first = diff.names([one.first for one in found])
        second = diff.names([one.second for one in found])
        names = [f"{quoted(a)} {quoted(b)}" for a, b in zip(first, second, strict=True)]
        yield from _table(f"pairs, {title} by after", names, found, styles)


def _raised(rates: Sequence[Rate]) -> Sequence[Rate]:
    return [one for one in rates[:ROWS] if one.difference >= LEAST]


def _lowered(rates: Sequence[Rate]) -> Sequence[Rate]:
    return [one for one in rates[: -ROWS - 1 : -1] if one.difference <= -LEAST]


def _table(title: str, names: list[str], rates: Sequence[Rate], styles: Styles) -> Iterator[str]:
    width = max([len(title), *map(len, names)])
    head = f"{'before':>9}  {'after':>9}  {'after − before':>18}"
    yield f"\n{styles.bold(title.ljust(width))}  {head}\n"
    for name, one in zip(names, rates, strict=True):
        colour = styles.raised if one.difference > 0 else styles.lowered
        error = "" if math.isnan(one.error) else f" ± {one.error:.2f}"
        change = f"{one.difference:+.2f}".replace("-", MINUS) + error
        mark = "*" if isinstance(one, TokenRate) and one.marked else " "
        times = f"  ×{one.count:,}" if isinstance(one, PairRate) else ""
        yield (
            f"{name:<{width}}  {one.before:>9.2f}  {one.after:>9.2f}  {colour(f'{change:>18}')}"
            f" {mark}{times}\n".rstrip(" ")
        )
