"""An engine that reads words, with numbers that a test chooses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import (
    Adjustment,
    Event,
    Idle,
    Loading,
    Opened,
    Request,
    ScoreRequest,
    Stop,
)
from logit_amp_chat.core.reading import (
    Chat,
    Content,
    Names,
    NamesRequest,
    PlainText,
    ReadBlock,
    ReadRequest,
    StageReadRequest,
    TokenSums,
)
from logit_amp_chat.core.records import (
    Candidate,
    Document,
    Finish,
    LogProbs,
    Ranks,
    Role,
    Step,
)
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from tests.core import samples

Spans = tuple[tuple[int, Role, int, int], ...]


class ReadingEngine:
    """Every word, with the space before it, is a token; `ratios` are log-ratios by word.

    A chat is its messages, one a line. `refuses` is a text that cannot be read; `between` is
    called after every block, of `block` words.
    """

    def __init__(self, ratios: dict[str, float] | None = None, block: int = 4) -> None:
        self.ratios = ratios or {}
        self.block = block
        self.refuses: str | None = None
        self.between: Callable[[], None] = lambda: None
        self.requests: list[ReadRequest] = []
        self.stopped = False
        self.scores = True

    def open(self, profile: object, report: Callable[[Loading], None]) -> Any:
        return self

    @property
    def opened(self) -> Opened:
        return Opened(session=samples.session())

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        raise AssertionError("no stages are read here")

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        raise AssertionError("nothing is sampled here")

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        raise AssertionError("nothing is measured again here")

    def read(self, request: ReadRequest) -> Iterator[Event]:
        self.requests.append(request)
        self.stopped = False
        text, spans = _laid_out(request.content)
        if self.refuses is not None and self.refuses in text:
            raise LogitAmpError("The chat template refuses these messages.", "Use --score all.")
        words = [*re.finditer(r"\s*\S+|\s+$", text)]
        wanted = request.content.score if isinstance(request.content, Chat) else "all"
        words = [w for w in words if self.scores and _is_scored(w.start(), spans, wanted)]
        return self._events(request, text, spans, words)

    def _events(
        self, request: ReadRequest, text: str, spans: Spans, words: list[re.Match[str]]
    ) -> Iterator[Event]:
        yield Document(
            id=request.document,
            source=request.source,
            place=request.place,
            line=request.line,
            text=text,
            tokens=len(words),
            offsets=tuple(word.span() for word in words),
            spans=spans,
            threshold=request.threshold or 0.0,
            alphas=request.alphas,
            window=request.window or 64,
            stride=request.stride or 32,
        )
        done = 0
        while done < len(words) and not self.stopped:
            part = words[done : done + self.block]
            steps = tuple(self._step(request, done + n, word) for n, word in enumerate(part))
            done += len(part)
            more = tuple(tuple(-float(a) for a in request.alphas[1:]) for _ in part)
            yield ReadBlock(
                document=request.document,
                done=done,
                total=len(words),
                steps=steps,
                further=more,
            )
            self.between()
        if request.sums:
            before, after = numpy.full(8, done / 8), numpy.full(8, done / 8)
            after[3] += 1
            after[5] -= 1
            yield TokenSums(document=request.document, positions=done, before=before, after=after)
        reason = "cancelled" if self.stopped else "length"
        yield Finish(reply=request.document, reason=reason, tokens=done, seconds=0.5)  # type: ignore[arg-type]
        yield Idle()

    def _step(self, request: ReadRequest, index: int, word: re.Match[str]) -> Step:
        ratio = self.ratios.get(word[0].strip(), 0.125)
        notable = request.everywhere or abs(ratio) >= (request.threshold or 0.0)
        p = LogProbs(-4.0, -4.0 + ratio, -4.0 + ratio * (1 + request.alphas[0]))
        top = (
            Candidate(7, word[0], p.before, p.after, p.amplified),
            Candidate(8, " squid", -0.5, -2.0, -3.0),
            Candidate(9, " krill", -3.0, -0.25, -0.1),
        )
        return Step(
            reply=request.document,
            index=index,
            alpha=request.alphas[0],
            token=index % 8,
            text=word[0],
            logp=p,
            rank=Ranks(9, 3, 3),
            kl=abs(ratio) / 2,
            kl_amplified=0.0,
            entropy=1.5,
            top=top if notable else (),
        )

    def prompt(self, request: PromptRequest) -> Iterator[Event]:
        raise AssertionError("no prompt is looked at here")

    def names(self, request: NamesRequest) -> Iterator[Event]:
        yield Names(tuple(f" word{token}" for token in request.tokens))
        yield Idle()

    def generate(self, request: Request) -> Iterator[Event]:
        raise AssertionError("nothing is generated here")

    def score(self, request: ScoreRequest) -> Iterator[Event]:
        raise AssertionError("nothing is scored here")

    def openings(self, request: OpeningsRequest) -> Iterator[Event]:
        raise AssertionError("nothing is opened here")

    def apply(self, command: Adjustment) -> None:
        self.stopped = self.stopped or isinstance(command, Stop)

    def close(self) -> None:
        """Nothing is held."""


def _laid_out(content: Content) -> tuple[str, Spans]:
    if isinstance(content, PlainText):
        return content.text, ()
    assert isinstance(content, Chat)
    text, spans = "", []
    for number, message in enumerate(content.messages):
        text += f"<{message.role}> "
        spans.append((number, message.role, len(text), len(text) + len(message.text)))
        text += message.text + "\n"
    return text, tuple(spans)


def _is_scored(start: int, spans: Spans, wanted: str) -> bool:
    if wanted == "all":
        return True
    return any(role == wanted and begin - 1 <= start < end for _, role, begin, end in spans)
