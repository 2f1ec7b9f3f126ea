"""What after says more than before, by token, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from logit_amp_chat.core.experiments.diff import Diff, DiffEvent
from logit_amp_chat.core.experiments.token_rates import PER, PairRate, TokenRate, TokenRates
from logit_amp_chat.core.number_format import MINUS, count
from logit_amp_chat.core.reading import ReadBlock, TokenSums
from logit_amp_chat.core.records import Document
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

ROWS = 15
LEAST_COUNT = 2
"""Pairs that stand in the texts less often say little."""

Rate = TypeVar("Rate", TokenRate, PairRate)


def tables(diff: Diff, events: Iterator[DiffEvent], styles: Styles) -> Iterator[str]:
    """The tokens that after would say more and less at the scored positions, then pairs."""
    rates = TokenRates()
    for event in events:
        if isinstance(event, Document | ReadBlock | TokenSums):
            rates.take(event)
    texts, each = count(rates.documents, "text"), f"per {PER:,} positions"
    errors = "± is one standard error over texts"
    if rates.documents < 2:
        errors = "one text has no standard error"
    yield (
        f"What either model would say at {rates.positions:,} positions of {texts}, {each};"
        f" {errors}\n"
    )
    if rates.documents > 1:
        yield styles.quiet("* differs; at most 5 % of all marks are wrong, on average\n")
    tokens = rates.tokens()
    for title, chosen in (("more", _raised(tokens)), ("less", _lowered(tokens))):
        names = [_quoted(name) for name in diff.names([one.token for one in chosen])]
        yield from _table(f"after says {title}", names, chosen, styles)
    pairs = [pair for pair in rates.pairs() if pair.count >= LEAST_COUNT]
    for title, found in (("likelier", _raised(pairs)), ("less likely", _lowered(pairs))):
        first = diff.names([one.first for one in found])
        second = diff.names([one.second for one in found])
        names = [f"{_quoted(a)} {_quoted(b)}" for a, b in zip(first, second, strict=True)]
        yield from _table(f"pairs that stand there, {title} under after", names, found, styles)


def _raised(rates: Sequence[Rate]) -> Sequence[Rate]:
    return [one for one in rates[:ROWS] if one.difference > 0]


def _lowered(rates: Sequence[Rate]) -> Sequence[Rate]:
    return [one for one in rates[: -ROWS - 1 : -1] if one.difference < 0]


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


def _quoted(text: str) -> str:
    return f"“{visible(text, newlines=False)}”"
