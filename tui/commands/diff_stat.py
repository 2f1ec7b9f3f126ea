"""The figures of what was read, per file and in total, like `git diff --stat`."""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.experiments.diff import Diff
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.number_format import delta, nats, number
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

BAR = 24
"""Cells of the bar of the file that differs most."""

LONGEST_NAME = 40


def table(diff: Diff, styles: Styles) -> Iterator[str]:
    """A line a file, and the total; the bars are the mean KL, by what after raised and lowered."""
    rows = {_name(name): stats for name, stats in diff.files.items()}
    if len(rows) > 1:
        rows["total"] = diff.total
    if not rows:
        return
    width = max(map(len, rows))
    most = max((s.mean_kl for s in diff.files.values() if s.tokens), default=0.0)
    threshold = number(diff.settings.threshold)
    yield styles.quiet(
        f"{'':<{width}}  {'tokens':>9}  {'perplexity before → after':>25}  {'log-ratio':>10}"
        f"  {'mean KL':>7}  {'max':>6}  {f'≥ {threshold} nats':>12}\n"
    )
    for name, stats in rows.items():
        yield f"{name:<{width}}  {_figures(stats)}  {_bar(stats, most, styles)}\n"
        for alpha, logp in zip(stats.alphas, stats.logp_at, strict=True):
            shown = f"perplexity {_perplexity(stats.perplexity(logp))}, log p {nats(logp)}"
            yield styles.quiet(f"{'':<{width}}  {lane_title(alpha)}: {shown}\n")


def _figures(stats: TextStats) -> str:
    before, after = (stats.perplexity(p) for p in (stats.logp_before, stats.logp_after))
    perplexity = f"{_perplexity(before):>11} → {_perplexity(after):<11}"
    share = f"{stats.notable:,} ({stats.share:.1%})"
    return (
        f"{stats.tokens:>9,}  {perplexity:>25}  {delta(stats.log_ratio, 10)}"
        f"  {nats(stats.mean_kl, 7)}  {nats(stats.max_kl, 6)}  {share:>12}"
    )


def _perplexity(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e9 else number(value, 4)


def _bar(stats: TextStats, most: float, styles: Styles) -> str:
    """As long as the mean KL, of + and − as often as tokens that stand out were raised or not."""
    cells = round(BAR * min(1.0, stats.mean_kl / most)) if most and stats.tokens else 0
    up = round(cells * stats.raised / stats.notable) if stats.notable else 0
    down = cells - up if stats.notable else 0
    return styles.raised("+" * up) + styles.lowered("-" * down) + "·" * (cells - up - down)


def _name(name: str) -> str:
    shown = visible(name, newlines=False) or "text"
    return shown if len(shown) <= LONGEST_NAME else f"…{shown[1 - LONGEST_NAME :]}"
