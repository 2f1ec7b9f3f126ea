"""Texts that were read, as an engine reports them, for tests of what is made from records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from logit_amp_chat.core.records import (
    Candidate,
    Document,
    Finish,
    LogProbs,
    Ranks,
    Record,
    Step,
)

Word = tuple[str, float]
"""What the source has at a token, and the token's log-ratio in nats."""

BEFORE = -3.0
"""log p under before of every token."""


def document(words: Sequence[Word], **fields: object) -> Document:
    """A document of these words, without anything between them."""
    ends, end = [], 0
    for word, _ in words:
        ends.append((end, end + len(word)))
        end += len(word)
    given: dict[str, object] = {"id": "d-1", "source": "notes.txt", "threshold": 2.0}
    return Document(
        text="".join(word for word, _ in words),
        tokens=len(words) + 1,
        offsets=tuple(ends),
        window=64,
        stride=32,
        **(given | fields),  # type: ignore[arg-type]
    )


def step(index: int, word: str, ratio: float, document: str = "d-1", **fields: object) -> Step:
    """A token; one that reaches 2 nats has two candidates."""
    after = BEFORE + ratio
    top = (
        Candidate(1, word, BEFORE, after, after),
        Candidate(2, " other", math.log(0.5), math.log(0.25), math.log(0.25)),
    )
    given: dict[str, object] = {"alpha": 0.0, "top": top if abs(ratio) >= 2 else ()}
    return Step(
        reply=document,
        index=index,
        token=1,
        text=word,
        logp=LogProbs(BEFORE, after, after),
        rank=Ranks(4, 3, 3),
        kl=0.5 + index,
        kl_amplified=0.0,
        entropy=1.25,
        **(given | fields),  # type: ignore[arg-type]
    )


def steps(words: Iterable[Word], document: str = "d-1") -> list[Step]:
    return [step(n, word, ratio, document) for n, (word, ratio) in enumerate(words)]


def finish(tokens: int, document: str = "d-1", **fields: object) -> Finish:
    given: dict[str, object] = {"reason": "length", "seconds": 0.5}
    return Finish(reply=document, tokens=tokens, **(given | fields))  # type: ignore[arg-type]


def reading(words: Sequence[Word], **fields: object) -> list[Record]:
    """All that is recorded of a text, without the session."""
    read = document(words, **fields)
    return [read, *steps(words, read.id), finish(len(words), read.id)]
