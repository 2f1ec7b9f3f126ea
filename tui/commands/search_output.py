"""What `search` prints: a table of the best prompts, or JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

from logit_amp_chat.core.experiments.search import Search
from logit_amp_chat.core.experiments.search_results import (
    SearchResult,
    plain_values,
)
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.export.describe_reading import quoted, wanted
from logit_amp_chat.core.number_format import count, delta, nats, probability
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.commands.sources import refused_figures
from logit_amp_chat.tui.commands.styles import Styles

TOKEN = 14
"""Cells of a token in the table."""

NARROWEST = 60


def as_text(search: Search, styles: Styles) -> str:
    """The best prompts, and what each side wanted where they differ most."""
    return "\n".join(_lines(search, styles)) + "\n"


def as_json(search: Search) -> str:
    """The best prompts as one JSON object."""
    found = {
        "session": json.loads(to_line(search.session)),
        "by": search.by,
        "prompts": search.found,
        "complete": not search.cancelled,
        "results": [plain_values(result) for result in search.best],
        "refused": refused_figures(search.refused),
    }
    return json.dumps(found, ensure_ascii=False, indent=2)


def _lines(search: Search, styles: Styles) -> Iterator[str]:
    before, after = (visible(name, newlines=False) for name in describe.pair(search.session))
    yield styles.lane(before, "before")
    yield styles.lane(after, "after")
    best, width = search.best, max(NARROWEST, shutil.get_terminal_size().columns)
    yield f"the {len(best)} of {count(search.found, 'prompt')} with the largest {search.by}"
    yield ""
    yield styles.quiet(
        f"{'':>3}  {'mean KL':>7}  {'max KL':>6}  {'log-ratio':>9}  {'token':<{TOKEN}}  prompt"
    )
    for rank, result in enumerate(best, 1):
        yield styles.bold(_row(rank, result, width))
        yield from _below(result, styles, width)


def _row(rank: int, result: SearchResult, width: int) -> str:
    token = cut(quoted(result.strongest.text), TOKEN)
    figures = (
        f"{rank:>3}  {nats(result.mean_kl, 7)}  {nats(result.max_kl, 6)}"
        f"  {delta(result.log_ratio, 9)}  {token:<{TOKEN}}  "
    )
    prompt = visible(" ".join(result.text.split()), newlines=False)
    return figures + cut(prompt, width - len(figures))


def _below(result: SearchResult, styles: Styles, width: int) -> Iterator[str]:
    step = result.strongest
    chances = f"p {probability(step.before).strip()} → {probability(step.after).strip()}"
    where = f"{result.source} {result.place}".strip()
    place = f"token {step.index + 1} of {result.tokens}"
    token = f"{cut(quoted(step.text), 2 * TOKEN)} {delta(step.log_ratio, 0)} nats, {chances}"
    yield cut(f"     {token}, {place}  {visible(where, newlines=False)}", width)
    for side, best in wanted(step.top):
        yield f"     {styles.lane(f'{side:<6}', side)} wanted {cut(best, width - 19)}"
    said = "after says" if result.measured == "answer" else "read"
    begins = visible(" ".join(result.begins.split()), newlines=False)
    yield styles.quiet(cut(f"     {said}: {begins}", width))


def cut(text: str, cells: int) -> str:
    """The text, or as much of it as fits."""
    return text if len(text) <= cells else f"{text[: cells - 1]}…"
