"""Which stage of a chain made each token of a text likelier or less likely, and how much of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from logit_amp_chat.core.analysis.hunks import CONTEXT, follows
from logit_amp_chat.core.number_format import finite
from logit_amp_chat.core.records import Document

Kind = Literal["up", "down", "undone"]
MARKS: dict[Kind, tuple[str, str]] = {
    "up": ("{+", "+}"),
    "down": ("[-", "-]"),
    "undone": ("{~", "~}"),
}
"""What stands around a token that stands out, where a text is marked without colours."""


@dataclass(frozen=True, slots=True)
class BlamedToken:
    """A token of a text under every stage: log-probabilities, in nats.

    `best` are the id that each stage finds likeliest there and its log-probability. `kl` is
    KL(later‖earlier) of every stage after the first from the one before it, None where the two
    were not in memory together.
    """

    index: int
    token: int
    logp: tuple[float, ...]
    best: tuple[tuple[int, float], ...]
    kl: tuple[float | None, ...]

    @property
    def changes(self) -> tuple[float, ...]:
        """By stage after the first, its log-ratio to the one before; they add up to `total`."""
        return tuple(later - earlier for earlier, later in itertools.pairwise(self.logp))

    @property
    def total(self) -> float:
        """The log-ratio of the last stage to the first."""
        return self.logp[-1] - self.logp[0]

    @property
    def size(self) -> float:
        """The largest |log-ratio| of the chain or of one stage: what makes a token stand out."""
        return max(abs(self.total), *map(abs, self.changes))

    @property
    def is_undone(self) -> bool:
        """Whether a stage moved it, and others moved it back by more than half."""
        return abs(self.total) < max(map(abs, self.changes)) / 2

    @property
    def kind(self) -> Kind:
        """What the chain did to it."""
        return "undone" if self.is_undone else "up" if self.total > 0 else "down"

    @property
    def blamed(self) -> int:
        """The stage that did most of it, as its place in the chain.

        The one that moved it furthest in the direction of the total; of a token that was moved
        and moved back, the one that moved it furthest.
        """
        direction = math.copysign(1.0, self.total)
        moved = [abs(one) if self.is_undone else one * direction for one in self.changes]
        # NaN where two stages rule the token out: no change
        return 1 + max(range(len(moved)), key=lambda n: (not math.isnan(moved[n]), moved[n]))


@dataclass
class StageStats:
    """Sums over scored tokens by stage, in nats; two of them add up to those of both texts.

    `raised` and `lowered` count the tokens that a stage moved by the threshold or more, `blamed`
    those that stand out of which it did most; all three by stage, 0 for the first.
    """

    stages: tuple[str, ...]
    threshold: float
    documents: int = 0
    tokens: int = 0
    notable: int = 0
    logp: list[float] = field(default_factory=list)
    kl: list[float | None] = field(default_factory=list)
    raised: list[int] = field(default_factory=list)
    lowered: list[int] = field(default_factory=list)
    blamed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.stages)
        self.logp = self.logp or [0.0] * count
        self.kl = self.kl or [0.0] * count
        for name in ("raised", "lowered", "blamed"):
            setattr(self, name, getattr(self, name) or [0] * count)

    def add(self, tokens: Sequence[BlamedToken]) -> None:
        """Add the tokens of a document."""
        self.documents += 1
        for one in tokens:
            self.tokens += 1
            for n, logp in enumerate(one.logp):
                self.logp[n] += logp
            for n, (change, kl) in enumerate(zip(one.changes, one.kl, strict=True), 1):
                known = self.kl[n]
                self.kl[n] = None if kl is None or known is None else known + kl
                self.raised[n] += change > 0 and change >= self.threshold
                self.lowered[n] += change < 0 and -change >= self.threshold
            if one.size >= self.threshold:
                self.notable += 1
                self.blamed[one.blamed] += 1

    def merge(self, other: StageStats) -> None:
        """Add another text's sums."""
        self.documents += other.documents
        self.tokens += other.tokens
        self.notable += other.notable
        for name in ("logp", "raised", "lowered", "blamed"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, [a + b for a, b in zip(mine, theirs, strict=True)])
        both = zip(self.kl, other.kl, strict=True)
        self.kl = [None if a is None or b is None else a + b for a, b in both]

    def change(self, stage: int) -> float:
        """The log-ratio of all tokens of a stage to the one before; 0 for the first."""
        return self.logp[stage] - self.logp[stage - 1] if stage else 0.0

    @property
    def total(self) -> float:
        """The log-ratio of all tokens of the last stage to the first."""
        return self.logp[-1] - self.logp[0]

    def mean_kl(self, stage: int) -> float | None:
        """Mean KL(stage‖the one before) a token; None where unknown, NaN without tokens."""
        known = self.kl[stage]
        if known is None or not stage:
            return None
        return known / self.tokens if self.tokens else math.nan

    def share(self, stage: int) -> float:
        """The share of the tokens that stand out of which a stage did most; NaN without any."""
        return self.blamed[stage] / self.notable if self.notable else math.nan

    def figures(self) -> dict[str, object]:
        """Everything as plain values, for JSON; what is not a finite number is None."""
        return {
            "documents": self.documents,
            "tokens": self.tokens,
            "notable": self.notable,
            "log_ratio": finite(self.total),
            "stages": [
                {
                    "stage": name,
                    "logp": finite(self.logp[n]),
                    "log_ratio": finite(self.change(n)) if n else None,
                    "mean_kl": None if (kl := self.mean_kl(n)) is None else finite(kl),
                    "raised": self.raised[n],
                    "lowered": self.lowered[n],
                    "blamed": self.blamed[n],
                }
                for n, name in enumerate(self.stages)
            ],
        }


@dataclass(frozen=True, slots=True)
class BlameHunk:
    """Neighbouring tokens of a document, some of which stand out.

    Of a `stage` that is asked for, those alone that it did most of.
    """

    document: Document
    tokens: tuple[BlamedToken, ...]
    threshold: float
    stage: int | None = None

    @property
    def notable(self) -> list[BlamedToken]:
        """The tokens that it is there for."""
        standing_out = (one for one in self.tokens if one.size >= self.threshold)
        return [one for one in standing_out if self.stage in (None, one.blamed)]

    @property
    def strongest(self) -> BlamedToken:
        """The token that was moved furthest."""
        return max(self.notable, key=lambda one: one.size)

    def changes(self) -> tuple[float, ...]:
        """By stage, the log-ratio of the tokens from the first to the last that stands out."""
        notable = self.notable
        core = [one for one in self.tokens if notable[0].index <= one.index <= notable[-1].index]
        return tuple(map(sum, zip(*(one.changes for one in core), strict=True)))

    def text_of(self, token: BlamedToken) -> str:
        """What the document has at a token, with the space before it that no token carries."""
        start, end = self.document.offsets[token.index]
        if token is self.tokens[0]:
            return self.document.text[start:end]
        return self.document.text[min(self.document.offsets[token.index - 1][1], end) : end]

    def runs(self) -> Iterator[tuple[int | None, list[BlamedToken]]]:
        """The tokens in runs that one stage did most of."""
        return runs(self.tokens, self.threshold)


def runs(
    tokens: Sequence[BlamedToken], threshold: float
) -> Iterator[tuple[int | None, list[BlamedToken]]]:
    """Tokens in runs that one stage did most of; None before the first that stands out."""
    stage: int | None = None
    run: list[BlamedToken] = []
    for one in tokens:
        if one.size >= threshold and (own := one.blamed) != stage:
            if run:
                yield stage, run
            stage, run = own, []
        run.append(one)
    yield stage, run


def blame_hunks(
    document: Document,
    tokens: Sequence[BlamedToken],
    threshold: float,
    *,
    stage: int | None = None,
    context: int = CONTEXT,
) -> Iterator[BlameHunk]:
    """The hunks of a document: tokens that stand out, with `context` tokens around them.

    With `stage` only tokens that it did most of stand out.
    """

    def is_wanted(one: BlamedToken) -> bool:
        return one.size >= threshold and stage in (None, one.blamed)

    wanted = [n for n, one in enumerate(tokens) if is_wanted(one)]
    breaks = [n for n in range(1, len(tokens)) if not follows(document, n)]
    groups: list[list[int]] = []
    for n in wanted:
        last = groups[-1][-1] if groups else None
        is_near = last is not None and n - last <= 2 * context + 1
        if is_near and last is not None and not any(last < cut <= n for cut in breaks):
            groups[-1].append(n)
        else:
            groups.append([n])
    for group in groups:
        begin = max([group[0] - context, 0, *(cut for cut in breaks if cut <= group[0])])
        end = min([group[-1] + context + 1, len(tokens), *(c for c in breaks if c > group[-1])])
        yield BlameHunk(document, tuple(tokens[begin:end]), threshold, stage)
