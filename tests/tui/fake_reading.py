"""A text that a fake engine reads: words as tokens, with figures that a test chooses."""

from __future__ import annotations

import math
from collections.abc import Mapping

from logit_amp_chat.core.analysis.hunks import usual_threshold
from logit_amp_chat.core.reading import Chat, PlainText, ReadBlock, ReadRequest
from logit_amp_chat.core.records import (
    Candidate,
    Document,
    Finish,
    FinishReason,
    LogProbs,
    Ranks,
    Role,
    Step,
)

AFTER = -1.0  # log p under after of every token


def words_of(text: str) -> list[str]:
    """Words with the space before them, line ends on their own."""
    found: list[str] = []
    for char in text:
        if not found or char in " \n" or found[-1] == "\n":
            found.append(char)
        else:
            found[-1] += char
    return found


def token_id(text: str) -> int:
    """A small id that depends on the text alone."""
    return sum((i + 1) * ord(c) for i, c in enumerate(text)) % 2000 + 10


class FakeReading:
    """What an engine with a beginning of text reports of a request, block by block."""

    def __init__(self, request: ReadRequest, ratios: Mapping[str, float]) -> None:
        self.request = request
        self._ratios = ratios
        self.text, self.spans = rendered(request)
        self._words: list[tuple[str, int]] = []
        at = total = 0
        for word in words_of(self.text):
            if self._is_scored(at):
                self._words.append((word, at))
            at += len(word)
            total += 1
        self.total = total
        self._measured = 0

    def _is_scored(self, at: int) -> bool:
        content = self.request.content
        if not isinstance(content, Chat) or content.score == "all":
            return True
        return any(role == content.score and a <= at < b for _, role, a, b in self.spans)

    @property
    def threshold(self) -> float:
        """As an engine chooses it where none is asked for."""
        if self.request.threshold is not None:
            return self.request.threshold
        return usual_threshold([[self._ratios.get(word, 0.1) for word, _ in self._words]])

    @property
    def document(self) -> Document:
        return Document(
            id=self.request.document,
            source=self.request.source,
            place=self.request.place,
            line=self.request.line,
            text=self.text,
            tokens=self.total,
            offsets=tuple((at, at + len(word)) for word, at in self._words),
            spans=self.spans,
            threshold=self.threshold,
            alphas=self.request.alphas,
            window=64,
            stride=32,
        )

    def block(self, tokens: int | None = None) -> ReadBlock:
        left = len(self._words) - self._measured
        here = range(self._measured, self._measured + min(left, left if tokens is None else tokens))
        self._measured = here.stop
        done = self.total if here.stop == len(self._words) else here.stop
        return ReadBlock(
            document=self.request.document,
            done=done,
            total=self.total,
            steps=tuple(self._step(index) for index in here),
            further=((),) * len(here),
        )

    def _step(self, index: int) -> Step:
        word, _ = self._words[index]
        ratio = self._ratios.get(word, 0.1)
        alpha = self.request.alphas[0]
        top = tuple(
            Candidate(token_id(each), each, AFTER - p - r, AFTER - p, AFTER - p + alpha * r)
            for each, p, r in ((word, 0.0, ratio), (" otter", 0.5, 2.0), (" river", 1.5, -1.0))
        )
        return Step(
            reply=self.request.document,
            index=index,
            alpha=alpha,
            token=token_id(word),
            text=word,
            logp=LogProbs(AFTER - ratio, AFTER, AFTER + alpha * ratio),
            rank=Ranks(3, 1, 1),
            kl=abs(ratio) / 2,
            kl_amplified=0.25,
            entropy=1.5,
            top=top if self.request.everywhere or abs(ratio) >= self.threshold else (),
        )

    def finish(self, reason: FinishReason) -> Finish:
        return Finish(
            reply=self.request.document, reason=reason, tokens=self._measured, seconds=0.5
        )


def rendered(request: ReadRequest) -> tuple[str, tuple[tuple[int, Role, int, int], ...]]:
    """The text, and of a chat where its messages stand."""
    content = request.content
    if isinstance(content, PlainText):
        return content.text, ()
    assert isinstance(content, Chat)
    text, spans = "", []
    for number, message in enumerate(content.messages):
        text += f"<{message.role}>\n"
        spans.append((number, message.role, len(text), len(text) + len(message.text)))
        text += message.text + "\n"
    return text, tuple(spans)


def perplexity(logps: list[float]) -> float:
    """Of tokens with these log-probabilities."""
    return math.exp(-sum(logps) / len(logps))
