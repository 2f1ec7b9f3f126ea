"""Replies as a piece of HTML for a notebook: the page's coloured tokens, without a script.

Styles are written into the elements, because a notebook may drop a stylesheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS, TokenMetric
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.number_format import delta, nats, probability
from logit_amp_chat.core.records import Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.conversation import ReplyLog

BOX = "display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start"
LANE = "flex:1 1 18em;max-width:46em"
TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6"
QUIET = "opacity:.7;font-size:90%"
MARKS = {"bold": ";font-weight:700", "underline": ";text-decoration:underline", "": ""}


def replies_fragment(logs: Sequence[ReplyLog], metric: str = "kl") -> str:
    """Replies side by side, every token coloured by a metric of its step.

    Pointing at a token shows its figures.
    """
    chosen = TOKEN_METRICS[metric]
    lanes = "".join(f'<div style="{LANE}">{_lane(log, chosen)}</div>' for log in logs)
    legend = f"coloured by {chosen.title}, {chosen.unit}: {chosen.help}"
    return f'<div style="{BOX}">{lanes}</div><div style="{QUIET}">{escape(legend)}</div>'


def _lane(log: ReplyLog, metric: TokenMetric) -> str:
    about = f"{describe.lane(log)} · seed {log.reply.seed} · {describe.ending(log)}"
    tokens = "".join(_tokens(log, metric))
    head = f'<div style="{QUIET}">{escape(about)}</div>'
    return f'{head}<div dir="auto" style="{TEXT}">{tokens}</div>'


def _tokens(log: ReplyLog, metric: TokenMetric) -> Iterator[str]:
    for text, place in describe.pieces(log):
        if place is None:
            yield f'<i style="{QUIET}">{escape(text)}</i>'
            continue
        step = log.steps[place]
        colours = metric.colours(metric.level(step), dark=False)
        look = f"color:{colours.text};background:{colours.ground}" if colours else ""
        style = look + MARKS[metric.mark(step)]
        shown = f' style="{style}"' if style else ""
        yield f'<span title="{escape(_figures(step))}"{shown}>{escape(text)}</span>'


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
