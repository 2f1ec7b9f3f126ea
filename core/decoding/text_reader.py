"""Reads a text that is there, in windows, and measures its tokens under both sides."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from logit_amp_chat.core.analysis.hunks import SAMPLE, log_ratio, usual_threshold
from logit_amp_chat.core.decoding.given_reader import GivenReader, GivenText
from logit_amp_chat.core.decoding.given_tokens import UNSCORED, Rows
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.text_measure import TextSettings
from logit_amp_chat.core.decoding.text_windows import WindowedText
from logit_amp_chat.core.decoding.token_stats import Measured, unpack
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.reading import ReadBlock, ReadRequest, TokenSums, Window
from logit_amp_chat.core.records import Document, Finish, FinishReason

SMALLER = "an α closer to 0"

FINISHED: FinishReason = "length"
CANCELLED: FinishReason = "cancelled"

ReadEvents = list[Document | ReadBlock | TokenSums | Finish]


class TextReader:
    """Reads one document; the caches of replies are neither used nor changed."""

    def __init__(
        self,
        pair: Pair,
        reader: GivenReader,
        settings: TextSettings,
        request: ReadRequest,
        found: DocumentTokens,
    ) -> None:
        """`reader` measures by `settings`, which are those of `request`.

        Raises UsageError for windows that cannot be, LogitAmpError for ids of one side only.
        """
        self._pair, self._reader, self._settings = pair, reader, settings
        self._request = request
        self._text = WindowedText.of(pair, request, found)
        self._document = _document(request, found, self._text)
        self._measured = 0

    def read(self, controls: Controls) -> Iterator[ReadEvents]:
        """The Document, its blocks in order, its sums if they are wanted, and a Finish.

        Raises LogitAmpError where a number is none.
        """
        began, reason = time.monotonic(), FINISHED
        with contextlib.closing(self._blocks()) as blocks:
            first: list[ReadBlock] = []
            if self._settings.threshold is None:
                first, self._settings.threshold = self._sample(blocks, controls)
            yield [replace(self._document, threshold=self._settings.threshold)]
            for block in first:
                yield [self._shown(block)]
            while self._document.id not in controls.stopped:
                following = next(blocks, None)
                if following is None:
                    break
                yield [self._shown(following)]
            else:
                reason = FINISHED if self._is_complete else CANCELLED
        ending: ReadEvents = []
        if self._request.sums:
            ending.append(self._token_sums())
        seconds = round(time.monotonic() - began, 3)
        ending.append(
            Finish(reply=self._document.id, reason=reason, tokens=self._measured, seconds=seconds)
        )
        yield ending

    def _sample(
        self, blocks: Iterator[ReadBlock], controls: Controls
    ) -> tuple[list[ReadBlock], float]:
        """The first blocks, with candidates at every token, and the threshold that they give."""
        found: list[ReadBlock] = []
        for block in blocks:
            found.append(block)
            if self._measured >= SAMPLE or self._document.id in controls.stopped:
                break
        ratios = [log_ratio(step) for block in found for step in block.steps]
        return found, usual_threshold([ratios[:SAMPLE]])

    def _shown(self, block: ReadBlock) -> ReadBlock:
        """The block with candidates where they are wanted: more may have been looked for."""
        if self._request.everywhere or self._request.threshold is not None:
            return block
        assert self._settings.threshold is not None
        return _without_candidates(block, self._settings.threshold)

    @property
    def _is_complete(self) -> bool:
        return self._measured == len(self._document.offsets)

    def _blocks(self) -> Generator[ReadBlock, None, None]:
        windows = [*self._text.windows()]
        left = [self._text.places(window) for window in windows]
        for block in self._reader.read(map(self._given, windows)):
            places = left[block.text]
            left[block.text] = places[block.positions :]
            yield self._block(block.rows, places.start + block.positions)

    def _given(self, window: Window) -> GivenText:
        text = self._text
        targets = (
            text.tokens[place] if text.scored[place] else UNSCORED for place in text.places(window)
        )
        return GivenText(text.ids(window), tuple(targets))

    def _block(self, rows: Rows, done: int) -> ReadBlock:
        """The next scored tokens, from their rows; see `TextSettings`."""
        count, begin = len(self._request.alphas) - 1, self._measured
        found = [(unpack(row[count:]), tuple(row[:count])) for row in rows]
        for n, (measured, further) in enumerate(found, begin + 1):
            self._check(n, measured, further)
        self._measured += len(rows)
        return ReadBlock(
            document=self._document.id,
            done=done,
            total=len(self._text.tokens),
            steps=tuple(
                one.step(self._pair.token_bytes, self._document.id, n, self._request.alphas[0])
                for n, (one, _) in enumerate(found, begin)
            ),
            further=tuple(more for _, more in found),
        )

    def _check(self, n: int, measured: Measured, further: tuple[float, ...]) -> None:
        """Raises LogitAmpError for a number that is none, of the scored token `n`, from 1."""
        logp, alphas = measured.logp, self._request.alphas
        if math.isnan(logp.before) or math.isnan(logp.after):
            raise _not_a_number(n, "The models' numbers", "dtype float32 in the profile")
        for alpha, value in zip(alphas, (logp.amplified, *further), strict=True):
            if math.isnan(value):
                raise _not_a_number(n, f"At α {signed(alpha)} the numbers", SMALLER)

    def _token_sums(self) -> TokenSums:
        before, after = self._reader.sums()
        return TokenSums(
            document=self._document.id, positions=self._measured, before=before, after=after
        )


def text_settings(request: ReadRequest) -> TextSettings:
    """What a request wants to know of every token."""
    return TextSettings(
        alphas=request.alphas,
        top=request.top,
        everywhere=request.everywhere,
        sums=request.sums,
        after_ends=request.ends == "after",
        threshold=request.threshold,
    )


def _not_a_number(n: int, whose: str, remedy: str) -> LogitAmpError:
    return LogitAmpError(f"{whose} became NaN at scored token {n:,} of the text.", f"Try {remedy}.")


def _without_candidates(block: ReadBlock, threshold: float) -> ReadBlock:
    """The block with candidates where the log-ratio reaches the threshold alone."""
    steps = (
        step if abs(log_ratio(step)) >= threshold else replace(step, top=()) for step in block.steps
    )
    return replace(block, steps=tuple(steps))


def _document(request: ReadRequest, found: DocumentTokens, text: WindowedText) -> Document:
    return Document(
        id=request.document,
        source=request.source,
        place=request.place,
        line=request.line,
        text=found.text,
        tokens=len(found.tokens),
        offsets=text.scored_offsets,
        spans=found.spans,
        threshold=request.threshold or 0.0,
        alphas=request.alphas,
        window=text.window,
        stride=text.stride,
        ends=request.ends,
    )
