"""The figures of what was read, per file and in total, like `git diff --stat`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.experiments.diff import Diff
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.number_format import delta, nats, number
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

WIDE, NARROW = 100, 80
LONGEST_BAR = 30
LONGEST_NAME = 40


def table(diff: Diff, styles: Styles) -> Iterator[str]:
    """A line a file, and the total; the bars are the mean KL, by what after raised and lowered."""
    if not diff.files:
        return
    rows = [*diff.files.items(), *([("total", diff.total)] if len(diff.files) > 1 else [])]
    width = max(NARROW, shutil.get_terminal_size().columns) if sys.stdout.isatty() else WIDE + 20
    wide = width >= WIDE
    head = _cells("tokens", "perplexity b → a", "log-ratio", "mean KL", "max KL" if wide else "")
    head += f"  {f'≥ {number(diff.settings.threshold)} nats':>12}"
    room = min(LONGEST_NAME, width - len(head) - 2)
    names = [_short(visible(name, newlines=False) or "text", room) for name, _ in rows]
    column = max(map(len, names))
    bar = min(LONGEST_BAR, width - column - len(head) - 4) if wide else 0
    most = max((s.mean_kl for s in diff.files.values() if s.tokens), default=0.0)
    yield styles.quiet(f"{'':<{column}}  {head}") + "\n"
    for name, (_, stats) in zip(names, rows, strict=True):
        line = f"{name:<{column}}  {_figures(stats, wide=wide)}"
        yield f"{line}  {_bar(stats, most, bar, styles)}".rstrip() + "\n"
        for alpha, logp in zip(stats.alphas, stats.logp_at, strict=True):
            shown = f"perplexity {_perplexity(stats.perplexity(logp))}, log p {nats(logp)}"
            yield styles.quiet(f"{'':<{column}}  {lane_title(alpha)}: {shown}") + "\n"


def _figures(stats: TextStats, *, wide: bool) -> str:
    before, after = (stats.perplexity(p) for p in (stats.logp_before, stats.logp_after))
    cells = _cells(
        f"{stats.tokens:,}",
        f"{_perplexity(before):>9} → {_perplexity(after):<9}",
        delta(stats.log_ratio, 0),
        nats(stats.mean_kl),
        nats(stats.max_kl) if wide else "",
    )
    share = f"{stats.notable:,} ({stats.share:.1%})"
    return f"{cells}  {share:>12}"


def _cells(tokens: str, perplexity: str, ratio: str, mean: str, most: str) -> str:
    last = f"  {most:>6}" if most else ""
    return f"{tokens:>9}  {perplexity:^21}  {ratio:>9}  {mean:>7}{last}"


def _perplexity(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e7 else number(value, 4)


def _bar(stats: TextStats, most: float, longest: int, styles: Styles) -> str:
    """As long as the mean KL, of + and − as often as tokens that stand out were raised or not."""
    cells = round(longest * min(1.0, stats.mean_kl / most)) if most and stats.tokens else 0
    up = round(cells * stats.raised / stats.notable) if stats.notable else 0
    down = cells - up if stats.notable else 0
    return styles.raised("+" * up) + styles.lowered("-" * down) + "·" * (cells - up - down)


def _short(name: str, room: int) -> str:
    return name if len(name) <= room else f"…{name[1 - room :]}"
