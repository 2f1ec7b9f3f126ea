"""Replies and texts that were read, as HTML for a notebook: coloured tokens, without a script.

Styles are written into the elements, because a notebook may drop a stylesheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS, TokenMetric
from logit_amp_chat.core.export import describe, describe_reading
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.number_format import count, delta, nats, probability
from logit_amp_chat.core.records import Document, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

BOX = "display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start"
LANE = "flex:1 1 18em;max-width:46em"
TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6"
QUIET = "opacity:.7;font-size:90%"
UNSCORED = "color:#8a8a8a"
MOST_TOKENS = 10_000
"""Tokens of a text that are shown: about two megabytes."""

MARKS = {"bold": ";font-weight:700", "underline": ";text-decoration:underline", "": ""}


def replies_fragment(logs: Sequence[ReplyLog], metric: str = "kl") -> str:
    """Replies side by side, every token coloured by a metric of its step.

    Pointing at a token shows its figures.
    """
    chosen = TOKEN_METRICS[metric]
    lanes = "".join(f'<div style="{LANE}">{_lane(log, chosen)}</div>' for log in logs)
    legend = escape(_legend(chosen))
    return f'<div style="{BOX}">{lanes}</div><div style="{QUIET}">{legend}</div>'


def text_fragment(document: Document, steps: Sequence[Step], about: str) -> str:
    """A text, its first 10,000 scored tokens coloured by Δ log p, the rest grey.

    Pointing at a token shows its figures, and what each side wanted where candidates were kept.
    """
    metric = TOKEN_METRICS["shift"]
    rest = max(0, len(steps) - MOST_TOKENS)
    body = "".join(_text(document, steps[:MOST_TOKENS], metric, whole=not rest))
    parts = [
        f'<div style="{QUIET}">{html_text(about)}</div>',
        f'<div dir="auto" style="{TEXT}">{body}</div>',
    ]
    if rest:
        parts.append(f'<div style="{QUIET}">… {count(rest, "more token")} not shown</div>')
    parts.append(f'<div style="{QUIET}">{escape(_legend(metric))}</div>')
    return "".join(parts)


def _text(
    document: Document, steps: Sequence[Step], metric: TokenMetric, *, whole: bool
) -> Iterator[str]:
    done = 0
    for step in steps:
        start, end = document.offsets[step.index]
        yield _grey(document.text[done:start])
        shown = document.text[max(start, done) : end]
        done = max(done, end)
        sides = (f"{side} wanted {best}" for side, best in describe_reading.wanted(step.top))
        yield _token(visible(shown), step, "\n".join((_figures(step), *sides)), metric)
    if whole:
        yield _grey(document.text[done:])


def _grey(text: str) -> str:
    return f'<span style="{UNSCORED}">{html_text(text, newlines=True)}</span>' if text else ""


def _legend(metric: TokenMetric) -> str:
    return f"coloured by {metric.title}, {metric.unit}: {metric.help}"


def _lane(log: ReplyLog, metric: TokenMetric) -> str:
    about = f"{describe.lane(log)} · seed {log.reply.seed} · {describe.ending(log)}"
    tokens = "".join(_tokens(log, metric))
    head = f'<div style="{QUIET}">{escape(about)}</div>'
    return f'{head}<div dir="auto" style="{TEXT}">{tokens}</div>'


def _tokens(log: ReplyLog, metric: TokenMetric) -> Iterator[str]:
    for pieces, thought, last in describe.folds(log):
        if thought:
            summary = f'<summary style="{QUIET}">{describe.thinking(thought)}</summary>'
            yield f"<details{' open' if last else ''}>{summary}"
        for piece in pieces:
            if piece.step is None:
                yield f'<i style="{QUIET}">{escape(piece.text)}</i>'
                continue
            step = log.steps[piece.step]
            yield _token(piece.text, step, _figures(step), metric)
        if thought:
            yield "</details>"


def _token(text: str, step: Step, tip: str, metric: TokenMetric) -> str:
    """A token's element; its text and its tip must be visible already."""
    colours = metric.colours(metric.level(step), dark=False)
    look = f"color:{colours.text};background:{colours.ground}" if colours else ""
    style = look + MARKS[metric.mark(step)]
    shown = f' style="{style}"' if style else ""
    return f'<span title="{escape(tip)}"{shown}>{escape(text)}</span>'


def _figures(step: Step) -> str:
    """What the token's tooltip says."""
    p = step.logp
    chances = " ".join(
        f"{letter} {probability(value).strip()}"
        for letter, value in (("B", p.before), ("A", p.after), ("α", p.amplified))
    )
    shift = delta(p.after - p.before).strip()
    token = visible(step.text, newlines=False)
    return f"{step.index + 1}: “{token}” · p {chances} · Δ A−B {shift} · KL {nats(step.kl)}"
