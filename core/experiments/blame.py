"""Blames the stages of a chain: reads texts under all of them, and says which did what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from logit_amp_chat.core.analysis.hunks import CONTEXT, SAMPLE, usual_threshold
from logit_amp_chat.core.analysis.stage_blame import BlamedToken, BlameHunk, StageStats, blame_hunks
from logit_amp_chat.core.errors import EngineError, LogitAmpError, PairError, UsageError
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.experiments.stage_columns import StageColumns, joined
from logit_amp_chat.core.protocol import Adjustment, Event, Noticed, Stop
from logit_amp_chat.core.reading import Names, NamesRequest, StageBlock, StageReadRequest
from logit_amp_chat.core.records import Document, Finish, new_id


class StageReading(Protocol):
    """What a blame needs of an engine."""

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        """See `Engine`."""

    def names(self, request: NamesRequest) -> Iterator[Event]:
        """See `Engine`."""

    def apply(self, command: Adjustment) -> None:
        """See `Engine`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameSettings:
    """How texts are read, and what of them is shown.

    `threshold` (nats) is where a token stands out; None: what one place in a hundred tokens
    reaches at the beginning. With `stage` only tokens that it did most of do.
    """

    threshold: float | None = None
    context: int = CONTEXT
    stage: str | None = None
    window: int | None = None
    stride: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A part of a document has been read under some of the stages."""

    source: str
    stages: tuple[str, ...]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class DocumentBlame:
    """A document that was read under all stages, or up to the last of `tokens`."""

    document: Document
    tokens: tuple[BlamedToken, ...]
    finish: Finish
    stats: StageStats
    hunks: tuple[BlameHunk, ...]

    @property
    def is_whole(self) -> bool:
        """Whether no stage was stopped before its end."""
        return len(self.tokens) == len(self.document.offsets)


BlameEvent = Reading | DocumentBlame | Refused | Noticed


@dataclass
class _Read:
    """What is known of one document: its numbers by group of stages."""

    source: Source
    request: StageReadRequest
    document: Document | None = None
    groups: list[StageColumns] = field(default_factory=list)
    finish: Finish | None = None


class Blame:
    """Reads sources under all stages; iterate it for the events, as they come.

    As many neighbouring stages as `held` are in memory at once: each is loaded and read once.
    Where that is not all of them, every text is read under the first ones before the next are
    loaded, and comes out at the end.
    """

    def __init__(
        self,
        engine: StageReading,
        stages: Sequence[str],
        held: int,
        sources: Iterable[Source | Refused],
        settings: BlameSettings,
    ) -> None:
        """Raises UsageError for a stage that there is not."""
        self.stages = tuple(stages)
        self.settings = settings
        self.threshold = settings.threshold or 0.0
        self.files: dict[str, StageStats] = {}
        self.refused: list[Refused] = []
        self.stopped: DocumentBlame | None = None
        """The document that was being read when it was stopped; it is in no figures."""
        self.cancelled = False
        self.groups = [self.stages[n : n + held] for n in range(0, len(self.stages), held)]
        self._stage = self._place_of(settings.stage)
        self._engine = engine
        self._sources = sources
        self._notices: list[str] = []

    @property
    def total(self) -> StageStats:
        """The figures of all files together."""
        found = self._empty()
        for stats in self.files.values():
            found.merge(stats)
        return found

    def figures(self) -> dict[str, object]:
        """The figures of every file and of all as plain values, for JSON."""
        return {
            "threshold": self.threshold,
            "complete": not self.cancelled,
            "held": len(self.groups[0]),
            "files": [{"file": name, **stats.figures()} for name, stats in self.files.items()],
            "total": self.total.figures(),
            "stopped": None if self.stopped is None else _stopped_figures(self.stopped),
        }

    def stop(self) -> None:
        """End where it is. A text that not all stages have read to its end has no figures."""
        self.cancelled = True
        self._engine.apply(Stop())

    def names(self, tokens: Sequence[int]) -> dict[int, str]:
        """How token ids are written."""
        wanted = tuple(dict.fromkeys(tokens))
        if not wanted:
            return {}
        for event in self._engine.names(NamesRequest(wanted)):
            if isinstance(event, Names):
                return dict(zip(wanted, event.texts, strict=True))
        return {}

    def __iter__(self) -> Iterator[BlameEvent]:
        """Of each source Readings, then a DocumentBlame; a Refused where it cannot be read.

        Raises PairError where a stage cannot be loaded, EngineError where the engine is gone.
        """
        waiting: list[_Read] = []
        for event in self._reads():
            if not isinstance(event, _Read):
                yield event
                continue
            waiting.append(event)
            if self.settings.threshold is None:
                if sum(len(read.groups[0]) for read in waiting) < SAMPLE:
                    continue
                self._choose_threshold(waiting)
            yield from map(self._blamed, waiting)
            waiting = []
        if waiting:
            self._choose_threshold(waiting)
            yield from map(self._blamed, waiting)

    def _place_of(self, stage: str | None) -> int | None:
        if stage is None:
            return None
        if stage not in self.stages[1:]:
            raise UsageError(
                f"No stage {stage} can be blamed.",
                f"Those that changed something are {', '.join(self.stages[1:])}.",
            )
        return self.stages.index(stage)

    def _empty(self) -> StageStats:
        return StageStats(self.stages, self.threshold)

    def _reads(self) -> Iterator[_Read | BlameEvent]:
        """Whole documents as soon as all stages have read them, and what happens meanwhile."""
        reads: list[_Read] = []
        for source in self._sources:
            if isinstance(source, Refused):
                yield from self._refuse(source)
                continue
            if self.cancelled:
                return
            reads.append(_Read(source, self._request(source)))
            yield from self._read(reads[-1], self.groups[0])
            if len(self.groups) == 1 and reads[-1].finish:
                yield reads.pop()
        for group in self.groups[1:]:
            for read in reads:
                if read.finish is not None and not self.cancelled:
                    yield from self._read(read, group)
        yield from (read for read in reads if len(read.groups) == len(self.groups))

    def _request(self, source: Source) -> StageReadRequest:
        return StageReadRequest(
            document=new_id("d"),
            content=source.content,
            stages=(),
            source=source.name,
            place=source.place,
            line=source.line,
            window=self.settings.window,
            stride=self.settings.stride,
        )

    def _read(self, read: _Read, group: tuple[str, ...]) -> Iterator[BlameEvent]:
        """Read a document under one group of stages."""
        columns = StageColumns(len(group))
        try:
            for event in self._engine.read_stages(replace(read.request, stages=group)):
                if self.cancelled:  # perhaps before the engine could be told
                    self._engine.apply(Stop())
                match event:
                    case Document():
                        read.document = event
                    case StageBlock():
                        columns.add(event)
                        yield Reading(read.source.name, group, event.done, event.total)
                    case Finish():
                        read.finish = event
                        self.cancelled = self.cancelled or event.reason == "cancelled"
                    case Noticed() if event.sentence not in self._notices:
                        self._notices.append(event.sentence)
                        yield event
                    case _:
                        pass
        except (EngineError, PairError):  # of a stage: no text can be read under it
            raise
        except LogitAmpError as error:
            read.finish = None
            yield from self._refuse(Refused(read.source.name, read.source.place, error))
            return
        read.groups.append(columns)

    def _refuse(self, refused: Refused) -> Iterator[Refused]:
        self.refused.append(refused)
        yield refused

    def _choose_threshold(self, reads: Sequence[_Read]) -> None:
        if self.settings.threshold is not None:
            return
        texts, left = [], SAMPLE
        for read in reads:
            sizes = [one.size for one in joined(read.groups)][:left]
            texts.append(sizes)
            left -= len(sizes)
        self.threshold = usual_threshold(texts, self.settings.context)
        self.settings = replace(self.settings, threshold=self.threshold)

    def _blamed(self, read: _Read) -> DocumentBlame:
        assert read.document is not None
        assert read.finish is not None
        tokens = tuple(joined(read.groups))
        document = replace(read.document, threshold=self.threshold)
        stats = self._empty()
        stats.add(tokens)
        context = self.settings.context
        hunks = blame_hunks(document, tokens, self.threshold, stage=self._stage, context=context)
        finish = replace(read.finish, tokens=len(tokens))
        found = DocumentBlame(document, tokens, finish, stats, tuple(hunks))
        if found.is_whole:
            self.files.setdefault(document.source, self._empty()).merge(stats)
        else:
            self.stopped = found
        return found


def _stopped_figures(found: DocumentBlame) -> dict[str, object]:
    document = found.document
    return {
        "file": document.source,
        "place": document.place,
        "tokens": len(found.tokens),
        "of": len(document.offsets),
    }
