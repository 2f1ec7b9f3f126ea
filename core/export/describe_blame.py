"""A reply under every stage of its chain in words and cells, for every kind of document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from logit_amp_chat.core.analysis.stage_blame import MARKS, BlamedToken, StageStats, runs
from logit_amp_chat.core.number_format import (
    count,
    delta,
    delta_sum,
    in_nats,
    nats,
    probability,
)
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.blamed_tokens import ReplyBlame

HEAD = ("stage", "log-ratio", "mean KL", "raised", "lowered", "most of it")
STRONGEST = 12
"""Tokens whose way through the chain is listed."""


def title(blame: ReplyBlame) -> str:
    """The chain, and how much of the reply stands out."""
    stats = blame.stats
    return (
        f"By stage: {' → '.join(blame.stages)}; {count(stats.tokens, 'token')},"
        f" {stats.notable:,} moved by {in_nats(blame.threshold)} or more"
    )


def rows(stats: StageStats) -> Iterator[tuple[str, ...]]:
    """What each stage did to all tokens: the cells of HEAD, without the first stage."""
    for n, name in enumerate(stats.stages[1:], 1):
        kl = stats.mean_kl(n)
        yield (
            name,
            delta_sum(stats.change(n)),
            "not measured" if kl is None else nats(kl),
            f"{stats.raised[n]:,}",
            f"{stats.lowered[n]:,}",
            f"{stats.blamed[n]:,}",
        )


def lines(blame: ReplyBlame) -> Iterator[str]:
    """The reply in lines of plain text, the stage that did most of what follows before each."""
    width = max(map(len, blame.stages))
    for stage, run in runs(blame.tokens, blame.threshold):
        name = "" if stage is None else blame.stages[stage]
        for line in "".join(marked(blame, one) for one in run).split("\n"):
            yield f"{name:>{width}} │ {line}"
            name = ""


def marked(blame: ReplyBlame, one: BlamedToken) -> str:
    """A token, with its mark where it stands out."""
    text = blame.text(one)
    if one.size < blame.threshold:
        return visible(text)
    before, behind = MARKS[one.kind]
    return f"{before}{visible(text, newlines=False)}{behind}"


def strongest_head(blame: ReplyBlame) -> tuple[str, ...]:
    """The heads of `strongest`."""
    return ("token", "most by", "Δ", *(f"p {name}" for name in blame.stages), "wanted by the last")


def strongest(blame: ReplyBlame) -> Iterator[tuple[str, ...]]:
    """The tokens that were moved furthest: who did most, and their way through the chain."""
    names = blame.names()
    for one in blame.strongest(STRONGEST):
        yield (
            f"“{visible(blame.text(one), newlines=False)}”",
            blame.stages[one.blamed],
            delta(one.changes[one.blamed - 1], 0),
            *(probability(logp).strip() for logp in one.logp),
            wanted(one, len(one.best) - 1, names),
        )


def wanted(one: BlamedToken, stage: int, names: Mapping[int, str]) -> str:
    """What a stage found likeliest where that is another token: by its text, else by its id."""
    id, logp = one.best[stage]
    if id == one.token:
        return ""
    text = f"“{visible(names[id], newlines=False)}”" if id in names else f"token {id}"
    return f"{text} {probability(logp).strip()}"


def told(stages: Sequence[str], one: BlamedToken, names: Mapping[int, str]) -> str:
    """A token under every stage, a line each."""
    lines = []
    for n, (name, logp) in enumerate(zip(stages, one.logp, strict=True)):
        change = f"  {delta(one.changes[n - 1], 0)}" if n else ""
        best = wanted(one, n, names)
        lines.append(
            f"{name}: p {probability(logp).strip()}{change}{f'  wanted {best}' if best else ''}"
        )
    return "\n".join(lines)
