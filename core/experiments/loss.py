"""Measures the loss of texts that are there at many αs: each is read once under both sides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from logit_amp_chat.core.analysis.loss_curve import DocumentLoss, LossRow, LossSums, loss_rows
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import EngineError, LogitAmpError, UsageError
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.reading import PlainText, ReadBlock, ReadRequest
from logit_amp_chat.core.records import Document, Finish, new_id

ALPHAS = tuple(n / 4 for n in range(-6, 13))
"""The αs that are measured unless others are asked for: −1.5 to 3 in steps of 0.25."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """At which αs texts are measured, and how they are read.

    Without `first_token` the first token of a plain text is left out, which nothing precedes
    but the beginning of text; the first scored token of a chat follows its prompt and counts.
    `window` and `stride` are those of a `ReadRequest`.
    """

    alphas: tuple[float, ...] = ALPHAS
    first_token: bool = True
    window: int | None = None
    stride: int | None = None


LossEvent = Document | ReadBlock | Refused


class Loss:
    """Reads sources one after the other; iterate it, then take its `rows`.

    `documents` are those with scored tokens that were read to their end, with their losses at
    `alphas`: those of the settings in rising order, and 0. `unscored_first` counts plain texts
    whose first token has nothing before it: the tokenizer has no beginning of text.
    """

    def __init__(
        self, engine: Engine, sources: Iterable[Source | Refused], settings: LossSettings
    ) -> None:
        """Raises UsageError without an α."""
        if not settings.alphas:
            raise UsageError("There is no α to measure the loss at.", "Give at least one.")
        self.settings = settings
        self.session = engine.opened.session
        self.alphas = tuple(sorted({0.0, *map(float, settings.alphas)}))
        self.documents: list[DocumentLoss] = []
        self.total = LossSums(self.alphas)
        self.refused: list[Refused] = []
        self.unscored_first = 0
        self.cancelled = False
        self._engine = engine
        self._sources = sources

    def stop(self) -> None:
        """End with the document that is being read, which does not count."""
        self.cancelled = True

    def __iter__(self) -> Iterator[LossEvent]:
        """Of each source its Document and blocks; a source that cannot be read is a Refused."""
        for source in self._sources:
            if self.cancelled:
                return
            if isinstance(source, Refused):
                self.refused.append(source)
                yield source
                continue
            try:
                yield from self._read(source)
            except EngineError:
                raise
            except LogitAmpError as error:
                self.refused.append(Refused(source.name, source.place, error))
                yield self.refused[-1]

    def rows(self) -> list[LossRow]:
        """The loss at every α of the settings, in rising order, over what has been read.

        Raises LogitAmpError where the curve is not convex, UsageError where nothing was scored.
        """
        if not self.total.tokens:
            raise UsageError(
                "No token was scored, so there is no loss.", "Give texts of two tokens or more."
            )
        self.total.check_convex()
        asked = sorted(set(map(float, self.settings.alphas)))
        return loss_rows(self.alphas, asked, self.documents)

    def _read(self, source: Source) -> Iterator[LossEvent]:
        sums, leave_out = LossSums(self.alphas), 0
        for event in self._engine.read(self._request(source)):
            match event:
                case Document():
                    leave_out = self._first_tokens(source, event)
                    yield event
                case ReadBlock(steps=steps, further=further):
                    sums.add(steps[leave_out:], further[leave_out:])
                    leave_out -= min(leave_out, len(steps))
                    yield event
                case Finish(reason="cancelled"):
                    self.cancelled = True
                case Finish() if sums.tokens:
                    self._add(source, sums)
            if self.cancelled:  # an engine that had not begun yet was not stopped
                return

    def _request(self, source: Source) -> ReadRequest:
        # The steps are at α = −1, so that their KL also tells what `after` alone rules out.
        return ReadRequest(
            document=new_id("d"),
            content=source.content,
            source=source.name,
            place=source.place,
            line=source.line,
            alphas=(-1.0, *self.alphas),
            window=self.settings.window,
            stride=self.settings.stride,
            top=1,
            threshold=math.inf,
            ends="mix",
        )

    def _first_tokens(self, source: Source, document: Document) -> int:
        """How many of a document's first scored tokens are left out."""
        if not isinstance(source.content, PlainText):
            return 0
        if len(document.offsets) < document.tokens:
            self.unscored_first += 1
            return 0
        return 0 if self.settings.first_token else 1

    def _add(self, source: Source, sums: LossSums) -> None:
        losses = tuple(sums.losses.tolist())
        self.documents.append(DocumentLoss(source.name, source.place, sums.tokens, losses))
        self.total.merge(sums)
