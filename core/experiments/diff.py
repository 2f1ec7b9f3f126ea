"""Diffs texts that are there: each is read once under both sides, hunk by hunk."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from logit_amp_chat.core.analysis.hunks import (
    CONTEXT,
    LEAST_THRESHOLD,
    SAMPLE,
    Hunk,
    HunkFinder,
    log_ratio,
    usual_threshold,
)
from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.protocol import Event, Stop
from logit_amp_chat.core.reading import Names, NamesRequest, ReadBlock, ReadRequest, TokenSums
from logit_amp_chat.core.records import Document, Finish, new_id
from logit_amp_chat.core.sampling import Ends


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffSettings:
    """How texts are read, and what of them is shown.

    `threshold` (nats) is where a token stands out, `context` how many tokens are shown around
    it. With `everywhere` every token gets candidates, else those that stand out. The others
    are those of a `ReadRequest`; without `alphas` the steps are at α = 0.
    """

    threshold: float = LEAST_THRESHOLD
    context: int = CONTEXT
    alphas: tuple[float, ...] = ()
    window: int | None = None
    stride: int | None = None
    top: int = 10
    everywhere: bool = False
    sums: bool = False
    ends: Ends = "mix"

    def request(self, source: Source) -> ReadRequest:
        """The request to read a source."""
        return ReadRequest(
            document=new_id("d"),
            content=source.content,
            source=source.name,
            place=source.place,
            line=source.line,
            alphas=self.alphas or (0.0,),
            window=self.window,
            stride=self.stride,
            top=self.top,
            threshold=self.threshold,
            everywhere=self.everywhere,
            sums=self.sums,
            ends=self.ends,
        )


@dataclass(frozen=True, slots=True)
class DocumentDiff:
    """A document has been read: its figures, and how it ended."""

    document: Document
    stats: TextStats
    finish: Finish
    hunks: int


DiffEvent = Document | ReadBlock | Hunk | TokenSums | DocumentDiff | Refused


class Diff:
    """Reads sources one after the other; iterate it for the events, as they come.

    `files` are the figures by file, `total` those of all, `ended` how the last one ended.
    """

    def __init__(
        self, engine: Engine, sources: Iterable[Source | Refused], settings: DiffSettings
    ) -> None:
        self.settings = settings
        self.session = engine.opened.session
        self.files: dict[str, TextStats] = {}
        self.total = self._empty()
        self.refused: list[Refused] = []
        self.cancelled = False
        self._engine = engine
        # they are gone through twice where a threshold is chosen
        self._sources = list(sources) if isinstance(sources, Iterator) else sources

    def choose_threshold(self) -> None:
        """Take the usual threshold of the first thousand scored tokens, read for it alone."""
        texts: list[list[float]] = []
        for source in self._sources:
            left = SAMPLE - sum(map(len, texts))
            texts.append(self._ratios(source)[:left])
            if sum(map(len, texts)) >= SAMPLE or self.cancelled:
                break
        threshold = usual_threshold(texts, self.settings.context)
        self.settings = replace(self.settings, threshold=threshold)
        self.total = self._empty()

    def _ratios(self, source: Source | Refused) -> list[float]:
        """The log-ratios of a source's first tokens; none if it cannot be read."""
        if isinstance(source, Refused):
            return []
        request = replace(self.settings.request(source), threshold=math.inf, alphas=(0.0,))
        found: list[float] = []
        with contextlib.suppress(LogitAmpError):  # said when it is read as a whole
            for event in self._engine.read(replace(request, everywhere=False, sums=False)):
                if isinstance(event, ReadBlock):
                    found += map(log_ratio, event.steps)
                if len(found) >= SAMPLE:
                    break
        return found

    def names(self, tokens: Sequence[int]) -> list[str]:
        """How token ids are written."""
        for event in self._engine.names(NamesRequest(tuple(tokens))):
            if isinstance(event, Names):
                return list(event.texts)
        return []

    def stop(self) -> None:
        """End where it is: the document that is being read is cut off."""
        self.cancelled = True

    def _empty(self) -> TextStats:
        return TextStats(self.settings.threshold, self.settings.alphas)

    def __iter__(self) -> Iterator[DiffEvent]:
        """Of each source its Document, blocks and hunks as they are found, and a DocumentDiff.

        A source that cannot be read is a Refused. Ends early once it is stopped.
        """
        for source in self._sources:
            if self.cancelled:
                return
            for event in self._read(source):
                if isinstance(event, DocumentDiff):
                    self._add(event)
                elif isinstance(event, Refused):
                    self.refused.append(event)
                yield event

    def _read(self, source: Source | Refused) -> Iterator[DiffEvent]:
        if isinstance(source, Refused):
            yield source
            return
        try:
            for event in read_source(self._engine, source, self.settings):
                if self.cancelled:  # perhaps before the engine could be told
                    self._engine.apply(Stop())
                yield event
        except EngineError:
            raise
        except LogitAmpError as error:
            yield Refused(source.name, source.place, error)

    def _add(self, read: DocumentDiff) -> None:
        name = read.document.source
        self.files.setdefault(name, self._empty()).merge(read.stats)
        self.total.merge(read.stats)
        self.cancelled = self.cancelled or read.finish.reason == "cancelled"


def read_source(engine: Engine, source: Source, settings: DiffSettings) -> Iterator[DiffEvent]:
    """Read one source: its Document, blocks and hunks as they are found, a DocumentDiff.

    Raises as `Engine.read` does.
    """
    reading = _Reading(settings)
    for event in engine.read(settings.request(source)):
        yield from reading.take(event)


@dataclass
class _Reading:
    settings: DiffSettings
    hunks: int = 0
    document: Document | None = None
    finder: HunkFinder | None = None
    stats: TextStats = field(init=False)

    def __post_init__(self) -> None:
        self.stats = TextStats(self.settings.threshold, self.settings.alphas, documents=1)

    def take(self, event: Event) -> Iterator[DiffEvent]:
        """What an event of the engine adds."""
        match event:
            case Document():
                self.document = event
                self.finder = HunkFinder(event, self.settings.context)
                yield event
            case ReadBlock():
                assert self.finder is not None
                self.stats.add(event.steps, event.further)
                yield event
                yield from self._counted(self.finder.take(event.steps))
            case TokenSums():
                yield event
            case Finish():
                assert self.finder is not None
                assert self.document is not None
                yield from self._counted(self.finder.finish())
                yield DocumentDiff(self.document, self.stats, event, self.hunks)

    def _counted(self, hunks: Iterable[Hunk]) -> Iterator[Hunk]:
        for hunk in hunks:
            self.hunks += 1
            yield hunk
