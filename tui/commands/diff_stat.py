"""The figures of what was read, per file and in total, like `git diff --stat`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.experiments.diff import Diff
from logit_amp_chat.core.export.describe_reading import at_alpha
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.number_format import delta_sum, in_nats, nats, perplexity
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

NARROW, PIPED = 80, 150
LEAST_BAR, LONGEST_BAR = 10, 30
LONGEST_NAME = 40

# Heads and widths; the later ones of SPARED go first where there is no room.
COLUMNS = {
    "tokens": 10,
    "log p before → after": 25,
    "perplexity before → after": 25,
    "log-ratio": 10,
    "mean KL": 7,
    "max KL": 6,
    "≥": 12,
}
SPARED = ("log p before → after", "max KL", "log-ratio")


def table(diff: Diff, styles: Styles) -> Iterator[str]:
    """A line a file, the one that differs most first by mean KL, and the total.

    The bars are the mean KL, of + and − by the tokens that stand out.
    """
    if not diff.files:
        return
    files = sorted(diff.files.items(), key=lambda file: -_mean_kl(file[1]))
    rows = [*files, *([("total", diff.total)] if len(diff.files) > 1 else [])]
    width = max(NARROW, shutil.get_terminal_size((PIPED, 24)).columns)
    names = [_short(visible(name, newlines=False) or "text", LONGEST_NAME) for name, _ in rows]
    columns = _columns(width - max(map(len, names)))
    first = min(max(map(len, names)), width - _width(columns))
    names = [_short(name, first) for name in names]
    bar = min(LONGEST_BAR, width - first - _width(columns) - 2)
    most = max((_mean_kl(stats) for stats in diff.files.values()), default=0.0)
    heads = {name: name for name in columns} | {"≥": f"≥ {in_nats(diff.settings.threshold)}"}
    bars = "  bar: mean KL" if bar >= LEAST_BAR else ""
    yield styles.quiet(" " * first + _line(heads, columns) + bars) + "\n"
    for name, (_, stats) in zip(names, rows, strict=True):
        line = name.ljust(first) + _line(_figures(stats), columns)
        shown = _bar(stats, most, bar, styles) if bar >= LEAST_BAR else ""
        yield f"{line}  {shown}".rstrip() + "\n"
        for alpha, logp in zip(stats.alphas, stats.logp_at, strict=True):
            at = f"{lane_title(alpha)}: {at_alpha(stats, logp)}"
            yield styles.quiet(f"{'':<{first}}  {at}") + "\n"


def _columns(room: int) -> list[str]:
    """The columns that there is room for beside the names."""
    shown = list(COLUMNS)
    for name in SPARED:
        if _width(shown) > room:
            shown.remove(name)
    return shown


def _width(columns: Sequence[str]) -> int:
    return sum(COLUMNS[name] + 2 for name in columns)


def _line(cells: dict[str, str], columns: Sequence[str]) -> str:
    return "".join(f"  {cells[name]:>{COLUMNS[name]}}" for name in columns)


def _figures(stats: TextStats) -> dict[str, str]:
    sides = (stats.logp_before, stats.logp_after)
    perplexities = [perplexity(stats.perplexity(logp)) for logp in sides]
    figures = (
        f"{stats.tokens:,}",
        _change(f"{sides[0]:,.1f}", f"{sides[1]:,.1f}"),
        _change(*perplexities),
        delta_sum(stats.log_ratio),
        nats(stats.mean_kl),
        nats(stats.max_kl),
        f"{stats.notable:,} ({stats.share:.1%})" if stats.tokens else "–",
    )
    return dict(zip(COLUMNS, figures, strict=True))


def _change(before: str, after: str) -> str:
    return f"{before:>11} → {after:<11}".replace("-", "−")


def _mean_kl(stats: TextStats) -> float:
    return stats.mean_kl if stats.tokens else 0.0


def _bar(stats: TextStats, most: float, longest: int, styles: Styles) -> str:
    """As long as the mean KL, of + and − as often as tokens that stand out were raised or not."""
    cells = round(longest * min(1.0, stats.mean_kl / most)) if most and stats.tokens else 0
    up = round(cells * stats.raised / stats.notable) if stats.notable else 0
    down = cells - up if stats.notable else 0
    return styles.raised("+" * up) + styles.lowered("-" * down) + "·" * (cells - up - down)


def _short(name: str, room: int) -> str:
    return name if len(name) <= room else f"…{name[1 - room :]}"
