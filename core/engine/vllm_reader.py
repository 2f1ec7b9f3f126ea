"""A `GivenReader` whose texts vLLM reads: each is a request of its engine, measured over there."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy

from logit_amp_chat.core.decoding.given_reader import GivenText
from logit_amp_chat.core.decoding.given_tokens import MeasuredBlock, Rows
from logit_amp_chat.core.decoding.reply_measure import ReplySettings
from logit_amp_chat.core.decoding.text_measure import TextSettings
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import EngineError

_NUMBERS = itertools.count()


@dataclass
class _Text:
    """A text that vLLM reads, and what of it is still to be told."""

    number: int
    left: int
    blocks: list[tuple[int, Rows]] = field(default_factory=list)


class VllmReader:
    """Reads the texts of one request; what they measure crosses the pipe, not their logits."""

    def __init__(
        self,
        process: VllmProcess,
        size: int,
        settings: TextSettings | ReplySettings,
        at_once: int,
    ) -> None:
        """`size`: how many ids the sides share; `at_once`: how many texts vLLM is given at once."""
        self._process, self._settings, self._at_once = process, settings, at_once
        self._request = f"texts {next(_NUMBERS)}"
        self._live: dict[str, _Text] = {}
        self._sums = bytes(2 * size * 8)

    def read(self, texts: Iterable[GivenText]) -> Iterator[MeasuredBlock]:
        """See `GivenReader`. Raises EngineError once the process is gone."""
        waiting = enumerate(texts)
        self._process.ask("begin_texts", self._request, *self._message())
        try:
            while self._begin(waiting):
                first = next(iter(self._live.values()))
                told = [*self._told()]
                yield from told or [MeasuredBlock(first.number, 0, [])]
        finally:
            with contextlib.suppress(EngineError):  # what went wrong first is what is told
                self._sums = self._process.ask("end_texts", self._request, [*self._live])

    def sums(self) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]:
        """See `GivenReader`."""
        return numpy.frombuffer(self._sums, dtype=numpy.float64).reshape(2, -1).copy()

    def _message(self) -> tuple[str, dict[str, Any]]:
        """What is measured, in plain values."""
        asked = self._settings
        if isinstance(asked, TextSettings):
            return "text", asdict(asked)
        plain = {
            "sampling": asked.sampling.model_dump(mode="json"),
            "grid": asked.grid,
            "amplify_first": asked.amplify_first,
            "breakers": [*asked.breakers],
        }
        return "reply", plain

    def _begin(self, waiting: Iterator[tuple[int, GivenText]]) -> bool:
        """Give vLLM as many texts as it reads at once; whether there is any."""
        for number, text in itertools.islice(waiting, self._at_once - len(self._live)):
            name = f"{self._request}, {number}"
            self._live[name] = _Text(number, len(text.targets))
            self._process.ask("read", self._request, name, text.ids.after, text.targets)
        return bool(self._live)

    def _told(self) -> Iterator[MeasuredBlock]:
        """The blocks of a step, but for those of texts whose turn it is not yet."""
        asked = self._settings
        threshold = asked.threshold if isinstance(asked, TextSettings) else None
        found = self._process.ask("read_on", self._request, threshold)
        for name, blocks in found.items():
            if text := self._live.get(name):
                text.blocks += blocks
        for name, text in [*self._live.items()]:
            for positions, rows in text.blocks:
                text.left -= positions
                yield MeasuredBlock(text.number, positions, rows)
            text.blocks = []
            if text.left:
                return
            del self._live[name]
