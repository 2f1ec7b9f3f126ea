"""Reads a text that is there under several stages, and measures its tokens under each."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import kl_divergence, log_probs
from logit_amp_chat.core.decoding.cache_guard import check_caches
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.given_reader import reading_sizes
from logit_amp_chat.core.decoding.pair_runner import in_step, read_text
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.text_windows import WindowedText
from logit_amp_chat.core.decoding.token_stats import DECIMALS
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.reading import StageBlock, StageReadRequest, Window
from logit_amp_chat.core.records import Document, Finish

StageEvents = list[Document | StageBlock | Finish]


@dataclass(frozen=True)
class HeldStage:
    """A stage that is loaded, and what its caches may be used for."""

    name: str
    side: LoadedSide
    use: CacheUse


def held_stages(pairs: Sequence[tuple[tuple[str, str], Pair]], *, trusts: bool) -> list[HeldStage]:
    """The stages of neighbouring pairs, their caches checked as those of a pair are.

    With `trusts` they are used unchecked. Raises PairError.
    """
    found: dict[str, HeldStage] = {}
    for names, pair in pairs:
        checks = {} if trusts else check_caches(pair)
        for place, name in zip(("before", "after"), names, strict=True):
            use = CacheUse[checks[place].use.upper()] if checks else CacheUse.TURNS
            side = pair.before if place == "before" else pair.after
            found.setdefault(name, HeldStage(name, side, use))
    return [*found.values()]


class StageReader:
    """Reads one document under stages of one chain, each in forward passes of its own."""

    def __init__(
        self,
        pair: Pair,
        stages: Sequence[HeldStage],
        request: StageReadRequest,
        found: DocumentTokens,
    ) -> None:
        """`pair` are any two of the chain's stages: its usable ids, names and windows are used.

        Raises UsageError for windows that cannot be, LogitAmpError for ids that are not shared,
        and for a reply that was prompted in two ways.
        """
        if found.prompt.before != found.prompt.after:
            raise LogitAmpError(
                "The two sides of this reply were prompted each in a way of its own.",
                "Stages are read behind one prompt: use diff without --blame.",
            )
        self._pair = pair
        self._request = request
        self._caches = [PrefixCache(stage.side, stage.use) for stage in stages]
        self._names = [stage.name for stage in stages]
        self._text = WindowedText.of(pair, request, found)
        self._document = Document(
            id=request.document,
            source=request.source,
            place=request.place,
            line=request.line,
            text=found.text,
            tokens=len(found.tokens),
            offsets=self._text.scored_offsets,
            spans=found.spans,
            threshold=0.0,
            window=self._text.window,
            stride=self._text.stride,
        )
        self._measured = 0

    def read(self, controls: Controls) -> Iterator[StageEvents]:
        """The Document, its blocks in order, and a Finish.

        Raises LogitAmpError where a number is none.
        """
        began = time.monotonic()
        yield [self._document]
        for window in self._text.windows():
            for block in self._window(window):
                yield [block]
                if self._document.id in controls.stopped:
                    break
            if self._document.id in controls.stopped:
                break
        is_whole = self._measured == len(self._document.offsets)
        finish = Finish(
            reply=self._document.id,
            reason="length" if is_whole else "cancelled",
            tokens=self._measured,
            seconds=round(time.monotonic() - began, 3),
        )
        yield [finish]

    def _window(self, window: Window) -> Iterator[StageBlock]:
        places, ids = self._text.places(window), self._text.ids(window)
        in_a_pass, at_once = reading_sizes(self._pair)
        streams = [
            (logits[0] for logits in read_text(caches, ids.after, len(places), in_a_pass))
            for caches in self._caches
        ]
        for logits in in_step(streams):
            for rows in zip(*(torch.split(one, at_once) for one in logits), strict=True):
                here, places = places[: len(rows[0])], places[len(rows[0]) :]
                yield self._block([row[:, : self._pair.size] for row in rows], here)

    @torch.inference_mode()
    def _block(self, logits: Sequence[Tensor], places: range) -> StageBlock:
        """Measure the scored tokens at `places`, from each stage's logits (n, V) before them."""
        text = self._text
        rows = [row for row, place in enumerate(places) if text.scored[place]]
        tokens = tuple(text.tokens[places[row]] for row in rows)
        logp: tuple[tuple[float, ...], ...] = ()
        best: tuple[tuple[tuple[int, float], ...], ...] = ()
        kl: tuple[tuple[float, ...], ...] = ()
        if rows:
            device = self._pair.device
            chosen = torch.tensor(tokens, device=device).unsqueeze(-1)
            stages = [log_probs(one[rows].to(device), self._pair.valid) for one in logits]
            logp = _columns([one.gather(-1, chosen)[:, 0] for one in stages])
            self._check(logp)
            likeliest = [one.max(dim=-1) for one in stages]
            ids = zip(*(one.indices.tolist() for one in likeliest), strict=True)
            values = _columns([one.values for one in likeliest])
            best = tuple(tuple(zip(*pair, strict=True)) for pair in zip(ids, values, strict=True))
            apart = [kl_divergence(b, a) for a, b in itertools.pairwise(stages)]
            kl = _columns(apart) if apart else ((),) * len(rows)
            self._measured += len(rows)
        return StageBlock(
            document=self._document.id,
            stages=tuple(self._names),
            done=places.stop,
            total=len(text.tokens),
            tokens=tokens,
            logp=logp,
            best=best,
            kl=kl,
        )

    def _check(self, logp: Sequence[Sequence[float]]) -> None:
        for n, row in enumerate(logp, self._measured + 1):
            for name, value in zip(self._names, row, strict=True):
                if math.isnan(value):
                    raise LogitAmpError(
                        f"The numbers of the stage {name} became NaN at scored token {n:,} of the"
                        " text.",
                        "Try dtype float32 in the profile.",
                    )


def _columns(values: Sequence[Tensor]) -> tuple[tuple[float, ...], ...]:
    """Columns (n,) as rows of numbers, rounded as those of steps are."""
    stacked = torch.stack([*values], dim=-1).double().round(decimals=DECIMALS) + 0.0
    return tuple(map(tuple, stacked.tolist()))
