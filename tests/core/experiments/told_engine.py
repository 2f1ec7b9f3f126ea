"""An engine that reads texts with the log-probabilities that it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.protocol import Event, Idle, Opened
from logit_amp_chat.core.reading import PlainText, ReadBlock, ReadRequest
from logit_amp_chat.core.records import Document, Finish, LogProbs, Ranks, Step
from tests.core import samples

Logp = Callable[[float], float]


class Told:
    """Scores two tokens a text, the second of which has the log-probability `logp(α)`."""

    opened = Opened(session=samples.session())

    def __init__(self, logp: Logp, kl: float = 0.1, reason: Any = "length") -> None:
        self.logp, self.kl, self.reason = logp, kl, reason

    def read(self, request: ReadRequest) -> Iterator[Event]:
        assert isinstance(request.content, PlainText)
        if request.content.text == "refused":
            raise LogitAmpError("no")
        if request.content.text == "dead":
            raise EngineError("gone")
        name = request.document
        yield Document(
            id=name,
            text="ab",
            tokens=2,
            offsets=((0, 1), (1, 2)),
            threshold=1.0,
            window=8,
            stride=4,
        )
        for index in range(2):
            further = tuple(self.logp(alpha) if index else 0.0 for alpha in request.alphas[1:])
            yield ReadBlock(
                document=name,
                done=index + 1,
                total=2,
                steps=(self.step(index),),
                further=(further,),
            )
        yield Finish(reply=name, reason=self.reason, tokens=2, seconds=0.1)
        yield Idle()

    def apply(self, command: object) -> None:
        """Nothing is in progress."""

    def close(self) -> None:
        """There is nothing to free."""

    def step(self, index: int) -> Step:
        return Step(
            reply="d",
            index=index,
            alpha=-1.0,
            token=1,
            text="a",
            logp=LogProbs(-1.0, -1.0, -1.0),
            rank=Ranks(1, 1, 1),
            kl=self.kl,
            kl_amplified=0.1,
            entropy=1.0,
        )
