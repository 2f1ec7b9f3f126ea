"""The replies of a sweep in its report: by prompt and α, hits first, what matched marked."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from logit_amp_chat.core.experiments.sweep.behaviours import Verdict
from logit_amp_chat.core.experiments.sweep.counted import CountedReply
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.export.page_tokens import html_text
from logit_amp_chat.core.lanes import lane_title
from logit_amp_chat.core.number_format import count, number
from logit_amp_chat.core.text import visible

MOST = 50_000
"""Replies that a report shows of itself, once for every behaviour: about 30 MB, which opens."""

ENDED = {"stop": "", "length": "cut off", "context": "cut off by the context"}


@dataclass(frozen=True, slots=True)
class Shown:
    """How many replies are shown to one prompt at one α (None: all)."""

    each: int | None

    @classmethod
    def of(cls, replies: int, behaviours: int, groups: int, asked: int | None) -> Shown:
        """As many as were asked for; else all, unless the page would not open any more."""
        if asked is not None:
            return cls(asked)
        copies = max(1, behaviours)
        if replies * copies <= MOST:
            return cls(None)
        return cls(max(1, MOST // copies // max(1, groups)))


def replies_section(
    prompts: Sequence[SweepPrompt],
    replies: Iterable[CountedReply],
    found: BehaviourResult | None,
    shown: Shown,
    claims: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The replies to each prompt, folded up; with the verdicts of a behaviour, if it is `found`.

    `claims` are what is said of a prompt, by its id.
    """
    groups: dict[str, dict[float, list[CountedReply]]] = defaultdict(lambda: defaultdict(list))
    for reply in replies:
        groups[reply.prompt][reply.alpha].append(reply)
    for prompt in prompts:
        by_alpha = groups.get(prompt.id)
        if not by_alpha:
            continue
        every = [reply for some in by_alpha.values() for reply in some]
        yield f"<details><summary>{html_text(_heading(prompt))}{_tally(every, found)}"
        yield f"</summary>{_prompt(prompt)}"
        if claim := (claims or {}).get(prompt.id):
            yield f'<p class="claim">{html_text(claim)}</p>'
        for alpha, some in sorted(by_alpha.items()):
            yield from _alpha(alpha, some, found, shown)
        yield "</details>"


def _heading(prompt: SweepPrompt) -> str:
    text = " ".join(prompt.messages[-1][1].split())
    return f"{prompt.id} · {text[:100]}{'…' if len(text) > 100 else ''}"


def _prompt(prompt: SweepPrompt) -> str:
    """The whole prompt, where the heading does not have it all."""
    said = [f"{role}: {text}" for role, text in prompt.messages]
    if prompt.begin:
        said.append(f"every reply begins with: {prompt.begin}")
    if prompt.source:
        said.append(f"from {prompt.source} {prompt.place}".rstrip())
    return "".join(f'<p class="meta">{html_text(one)}</p>' for one in said)


def _tally(replies: Sequence[CountedReply], found: BehaviourResult | None) -> str:
    total = count(len(replies), "reply")
    if found is None:
        return f" · {total}"
    values = [reply.verdicts[found.name].value for reply in replies]
    known = [value for value in values if not math.isnan(value)]
    refused = f", {len(values) - len(known):,} not judged" if len(known) < len(values) else ""
    if found.numeric:
        mean = f", mean {number(math.fsum(known) / len(known))}" if known else ""
        return html_text(f" · {total}{mean}{refused}")
    return html_text(f" · {count(int(math.fsum(known)), 'hit')} in {total}{refused}")


def _alpha(
    alpha: float,
    replies: Sequence[CountedReply],
    found: BehaviourResult | None,
    shown: Shown,
) -> Iterator[str]:
    ordered = sorted(replies, key=lambda reply: _order(reply, found))
    some = ordered[: shown.each]
    left = f" · {len(some):,} of {len(ordered):,} shown" if len(some) < len(ordered) else ""
    heading = f"{html_text(lane_title(alpha))}{_tally(replies, found)}{left}"
    yield f"<details><summary>{heading}</summary>"
    for reply in some:
        yield _reply(reply, found)
    yield "</details>"


def _order(reply: CountedReply, found: BehaviourResult | None) -> tuple[float, int]:
    """Hits first, and of numbers the largest; what could not be judged comes last."""
    value = 0.0 if found is None else reply.verdicts[found.name].value
    return (math.inf if math.isnan(value) else -value), reply.n


def _reply(reply: CountedReply, found: BehaviourResult | None) -> str:
    verdict = None if found is None else reply.verdicts[found.name]
    facts = [reply.id, f"seed {reply.seed}", count(reply.tokens, "token"), ENDED.get(reply.finish)]
    kind = ""
    if found is not None and verdict is not None:
        facts += _verdict(verdict, found.numeric)
        weight = reply.weights[found.name]
        facts += [] if math.isnan(weight) else [f"weight {number(weight)}"]
        kind = " hit" if not found.numeric and verdict.value == 1 else ""
    about = html_text(" · ".join(filter(None, facts)))
    text = "".join(marked(reply.text, verdict.spans if verdict else ()))
    return (
        f'<article class="reply{kind}"><p class="meta">{about}</p>'
        f'<div class="text" dir="auto">{text}</div></article>\n'
    )


def _verdict(verdict: Verdict, numeric: bool) -> list[str]:
    if math.isnan(verdict.value):
        return [f"not judged: {verdict.refused}"]
    said = [number(verdict.value, 4)] if numeric else ["hit"] if verdict.value else []
    if verdict.log_odds is not None:
        said.append(f"log-odds {number(verdict.log_odds)}")
    return said


def marked(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[str]:
    """A reply's text as HTML, with the characters of its spans marked."""
    done = 0
    for start, end in sorted(spans):
        start, end = max(start, done), min(end, len(text))
        if start >= end:
            continue
        yield _safe(text[done:start])
        yield f"<mark>{_safe(text[start:end])}</mark>"
        done = end
    yield _safe(text[done:])


def _safe(text: str) -> str:
    return escape(visible(text))
