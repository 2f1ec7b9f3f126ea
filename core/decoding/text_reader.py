"""Reads a text that is there, in windows, and measures its tokens under both sides."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from logit_amp_chat.core.analysis.hunks import SAMPLE, log_ratio, usual_threshold
from logit_amp_chat.core.decoding.amplification import amplify, log_probs
from logit_amp_chat.core.decoding.pair_runner import PairRunner, prefill_chunk
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.text_windows import WindowedText
from logit_amp_chat.core.decoding.token_stats import Measured, measure, unpack
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.reading import ReadBlock, ReadRequest, TokenSums, Window
from logit_amp_chat.core.records import Document, Finish, FinishReason, Step
from logit_amp_chat.core.sampling import Sampling

# Bytes of one side's fp32 logits that one pass computes, and that are measured at once: on a
# CPU, about what its caches hold.
PASS_BYTES = 1 << 26
MEASURED_BYTES_CPU, MEASURED_BYTES = 1 << 19, 1 << 28
FEWEST_ROWS = 16
SMALLER = "an α closer to 0"
PLAUSIBILITY = Sampling().plausibility

FINISHED: FinishReason = "length"
CANCELLED: FinishReason = "cancelled"

ReadEvents = list[Document | ReadBlock | TokenSums | Finish]


class TextReader:
    """Reads one document; the caches of replies are neither used nor changed."""

    def __init__(
        self, pair: Pair, runner: PairRunner, request: ReadRequest, found: DocumentTokens
    ) -> None:
        """Raises UsageError for windows that cannot be, LogitAmpError for ids of one side only."""
        self._pair = pair
        self._runner = runner
        self._request = request
        self._text = WindowedText.of(pair, request, found)
        self._document = _document(request, found, self._text)
        self._alphas = [
            torch.tensor([[alpha]], dtype=torch.float32, device=pair.device)
            for alpha in request.alphas
        ]
        self._ends = pair.ends if request.ends == "after" else None
        self._sums = torch.zeros(2, pair.size, dtype=torch.float64, device=pair.device)
        self._threshold = request.threshold
        self._measured = 0

    def read(self, controls: Controls) -> Iterator[ReadEvents]:
        """The Document, its blocks in order, its sums if they are wanted, and a Finish.

        Raises LogitAmpError where a number is none.
        """
        began, reason = time.monotonic(), FINISHED
        blocks = self._blocks()
        first: list[ReadBlock] = []
        if self._threshold is None:
            first, self._threshold = self._sample(blocks, controls)
        yield [replace(self._document, threshold=self._threshold)]
        for block in first:
            yield [block]
        while self._document.id not in controls.stopped:
            following = next(blocks, None)
            if following is None:
                break
            yield [following]
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
        threshold = usual_threshold([ratios[:SAMPLE]])
        if not self._request.everywhere:
            found = [_without_candidates(block, threshold) for block in found]
        return found, threshold

    @property
    def _is_complete(self) -> bool:
        return self._measured == len(self._document.offsets)

    def _blocks(self) -> Iterator[ReadBlock]:
        for window in self._text.windows():
            yield from self._window(window)

    def _window(self, window: Window) -> Iterator[ReadBlock]:
        places = self._text.places(window)
        in_a_pass, at_once = reading_sizes(self._pair)
        for sides in self._runner.read(self._text.ids(window), len(places), in_a_pass):
            logits = torch.stack([side[:, : self._pair.size] for side in sides])
            for rows in torch.split(logits, at_once, dim=1):
                here, places = places[: rows.shape[1]], places[rows.shape[1] :]
                yield self._block(rows, here)

    @torch.inference_mode()
    def _block(self, logits: Tensor, places: range) -> ReadBlock:
        """Measure the scored tokens at `places`, from both sides' logits (2, n, V) before them."""
        text, begin = self._text, self._measured
        rows = [row for row, place in enumerate(places) if text.scored[place]]
        if len(rows) < len(places):
            logits = logits[:, rows]
        steps: tuple[Step, ...] = ()
        further: tuple[tuple[float, ...], ...] = ()
        if rows:
            token = torch.tensor([text.tokens[places[row]] for row in rows]).to(logits.device)
            measured, further = self._numbers(logits, token)
            steps = tuple(
                one.step(self._pair.token_bytes, self._document.id, begin + n, self._alpha)
                for n, one in enumerate(measured)
            )
            self._measured += len(steps)
        return ReadBlock(
            document=self._document.id,
            done=places.stop,
            total=len(text.tokens),
            steps=steps,
            further=further,
        )

    @property
    def _alpha(self) -> float:
        return self._request.alphas[0]

    def _numbers(
        self, logits: Tensor, token: Tensor
    ) -> tuple[list[Measured], tuple[tuple[float, ...], ...]]:
        """The statistics of the tokens (n,), and their log-probabilities at the further αs."""
        both = log_probs(logits, self._pair.valid)
        before, after = both
        if self._request.sums:
            self._sums += both.exp().sum(dim=1, dtype=torch.float64)
        further = [
            amplify(before, after, alpha, self._ends).gather(-1, token.unsqueeze(-1))
            for alpha in self._alphas[1:]
        ]
        if self._alpha:
            both = torch.cat((both, amplify(before, after, self._alphas[0], self._ends)[None]))
        measured = self._with_candidates(both, token)
        columns = torch.cat(further, dim=-1).tolist() if further else [()] * len(measured)
        for n, values in enumerate(columns):
            for alpha, value in zip(self._request.alphas[1:], values, strict=True):
                if math.isnan(value):
                    raise self._not_a_number(n, f"At α {signed(alpha)} the numbers", SMALLER)
        return measured, tuple(map(tuple, columns))

    def _not_a_number(self, n: int, whose: str, remedy: str) -> LogitAmpError:
        token = f"scored token {self._measured + n + 1:,} of the text"
        return LogitAmpError(f"{whose} became NaN at {token}.", f"Try {remedy}.")

    def _with_candidates(self, stack: Tensor, token: Tensor) -> list[Measured]:
        """Candidates are looked for where the tokens' log-ratio reaches the threshold."""
        everywhere = self._request.everywhere or self._threshold is None
        top = self._request.top if everywhere else 0
        found = [unpack(row) for row in measure(stack, token, top, PLAUSIBILITY).tolist()]
        for n, one in enumerate(found):
            if math.isnan(one.logp.before) or math.isnan(one.logp.after):
                raise self._not_a_number(n, "The models' numbers", "dtype float32 in the profile")
            if math.isnan(one.logp.amplified):
                raise self._not_a_number(n, f"At α {signed(self._alpha)} the numbers", SMALLER)
        if everywhere:
            return found
        moved = [n for n, one in enumerate(found) if self._is_notable(one)]
        if moved:
            rows = measure(stack[:, moved], token[moved], self._request.top, PLAUSIBILITY)
            for n, row in zip(moved, rows.tolist(), strict=True):
                found[n] = unpack(row)
        return found

    def _is_notable(self, measured: Measured) -> bool:
        assert self._threshold is not None
        return abs(measured.logp.after - measured.logp.before) >= self._threshold

    def _token_sums(self) -> TokenSums:
        before, after = self._sums.cpu().numpy()
        return TokenSums(
            document=self._document.id, positions=self._measured, before=before, after=after
        )


def reading_sizes(pair: Pair) -> tuple[int, int]:
    """How many tokens one pass reads, and how many rows of logits are measured at once."""
    row = 4 * pair.size
    measured = MEASURED_BYTES_CPU if pair.device.type == "cpu" else MEASURED_BYTES
    in_a_pass = max(prefill_chunk(pair.device), PASS_BYTES // row)
    return in_a_pass, max(FEWEST_ROWS, measured // row)


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
