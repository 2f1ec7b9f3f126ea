"""Decoding with CUDA graphs: two launches per token, and the host one token behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.cuda_graphs.capture import CapturedWork, GraphCapturer, Work
from logit_amp_chat.core.decoding.cuda_graphs.host_copy import HostCopy
from logit_amp_chat.core.decoding.cuda_graphs.static_cache import (
    StaticKVCache,
    can_be_fixed,
    fill,
    is_fixed,
    room_for,
    taken,
)
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.next_token import choose
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.decoding.repetition import Penalties
from logit_amp_chat.core.decoding.request_state import PendingRows, StepSettings
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.decoding.stepper import TokenChooser
from logit_amp_chat.core.models.layers.kv_cache import KVCache
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import Reply
from logit_amp_chat.core.sampling import Sampling

SWITCH = "LOGIT_AMP_GRAPHS"


def can_use_cuda_graphs(pair: Pair) -> bool:
    """Whether this pair's steps can be captured: on one GPU, with models that never wait for it.

    The environment variable LOGIT_AMP_GRAPHS=0 turns capturing off.
    """
    models = (pair.before.model, pair.after.model)
    devices = {parameter.device for model in models for parameter in model.parameters()}
    return (
        pair.device.type == "cuda"
        and devices == {pair.device}
        and os.environ.get(SWITCH, "1") != "0"
        and all(getattr(model, "_can_compile_fullgraph", False) for model in models)
        # int8 searches for outliers in every product
        and not any(
            type(module).__name__ == "Linear8bitLt"
            for model in models
            for module in model.modules()
        )
        and all(side.rows is not None or not side.shared for side in (pair.before, pair.after))
    )


class StaticInputs:
    """The tensors of R lanes that captured work reads and writes."""

    def __init__(self, size: int, device: torch.device, lanes: int) -> None:
        self.tokens = torch.zeros(lanes, dtype=torch.int64, device=device)
        self.logits = tuple(torch.zeros(lanes, size, device=device) for _ in range(2))
        self.alpha = torch.zeros(lanes, 1, device=device)
        self.index = torch.zeros(1, dtype=torch.int64, device=device)

    def show(self, logits: Sequence[Tensor]) -> None:
        """Copy in both sides' logits (R, V)."""
        for mine, theirs in zip(self.logits, logits, strict=True):
            mine.copy_(theirs[:, : mine.shape[-1]])


class GraphedChoice:
    """The captured choice of a token per lane; only the numbers of its filters may change."""

    def __init__(
        self,
        pair: Pair,
        inputs: StaticInputs,
        filters: Filters,
        noise_rows: int,
        top: int,
        graphs: GraphCapturer,
    ) -> None:
        self.filters = filters.to(pair.device)
        self.noise = Noise([(0, 0)] * noise_rows, pair.size, pair.device)

        def chosen() -> tuple[Tensor, Tensor]:
            logits = inputs.logits[0], inputs.logits[1]
            return choose(
                logits,
                pair.valid,
                inputs.alpha,
                self.filters,
                self.noise,
                inputs.index,
                top,
                ends=pair.ends,
            )

        self.numbers = torch.zeros_like(chosen()[1])
        self.host_copy = HostCopy(self.numbers)

        def work() -> None:
            tokens, numbers = chosen()
            inputs.tokens.copy_(tokens)
            self.numbers.copy_(numbers)
            inputs.index.add_(1)

        state = (inputs.index, inputs.tokens)
        self.run = graphs.capture([work], state, (inputs.tokens, self.numbers))


class GraphCache:
    """Captures the decoding steps of a pair and keeps the graphs."""

    def __init__(self, pair: Pair, runner: PairRunner) -> None:
        self.pair = pair
        self.runner = runner
        self.graphs = GraphCapturer(pair.device)
        self._inputs: dict[int, StaticInputs] = {}
        self._choices: dict[tuple[object, ...], GraphedChoice] = {}
        self._caches: dict[PrefixCache, StaticKVCache] = {}
        self._forwards: dict[tuple[object, ...], Work] = {}

    def can_capture(self) -> bool:
        """Whether the prefilled conversation can continue in captured steps."""
        lives = [caches.live for caches in self.runner.live]
        return all(live is not None and can_be_fixed(live.cache) for live in lives) and all(
            caches.use >= CacheUse.LANES for caches in self.runner.live
        )

    def forget(self) -> None:
        """Drop all graphs and their memory."""
        for kept in (self._inputs, self._choices, self._caches, self._forwards):
            kept.clear()
        self.graphs.forget()

    def inputs(self, lanes: int) -> StaticInputs:
        """The inputs for this many lanes."""
        if lanes not in self._inputs:
            self._inputs[lanes] = StaticInputs(self.pair.size, self.pair.device, lanes)
        return self._inputs[lanes]

    def choice(self, lanes: int, filters: Filters, noise: Noise, top: int) -> GraphedChoice:
        """The captured choice of a token, set to these filters and this noise."""
        key = (lanes, filters.on, noise.rows, top)
        if key not in self._choices:
            self._choices[key] = GraphedChoice(
                self.pair, self.inputs(lanes), filters, noise.rows, top, self.graphs
            )
        found = self._choices[key]
        found.filters.take(filters)
        found.noise.take(noise)
        return found

    def enter(self, lanes: int, copies: int) -> int:
        """Copy the live caches into static ones, each row `copies` times.

        Returns their room, in tokens.
        """
        room = max(room_for(self._length(caches) + 1) for caches in self.runner.live)
        for caches in self.runner.live:
            live = caches.live
            assert live is not None
            fixed = self._caches.setdefault(caches, StaticKVCache(self.pair.device))
            rows = lanes * caches.width
            if not fixed.holds(rows, room):
                self._forwards.clear()
                self._allocate(fixed, live.cache, rows, room)
            view = fixed.view(live.cache, rows, room)
            fill(view, live.cache, copies)
            fixed.place.fill_(self._length(caches))
            live.cache, live.place = view, fixed.place
            live.rows = [list(row) for row in live.rows for _ in range(copies)]
        return room

    def leave(self) -> None:
        """Copy the live caches back into growing ones, cut to the tokens that were collected."""
        for caches in self.runner.live:
            live = caches.live
            if live is not None and is_fixed(live.cache):
                live.cache, live.place = taken(live.cache, len(live.rows[0])), None

    def forward(self, lanes: int, room: int) -> Work:
        """The captured forward pass: decodes the input tokens and stores the next logits."""
        key = (lanes, room, self.runner.live)
        if key not in self._forwards:
            inputs = self.inputs(lanes)
            places = [self._caches[caches].place for caches in self.runner.live]

            def work(
                decode: Callable[[Tensor], tuple[Tensor, Tensor]] = self.runner.decode,
            ) -> None:
                inputs.show(decode(inputs.tokens))
                for place in places:
                    place.add_(1)

            variants: list[Work] = [work]
            if len(places) == 2:
                variants.append(lambda: work(self.runner.decode_concurrently))
            state = (*places, *inputs.logits)
            self._forwards[key] = self.graphs.capture(variants, state, inputs.logits)
        return self._forwards[key]

    def captured_forwards(self, lanes: int) -> list[CapturedWork]:
        """The captured forward passes of this many lanes.

        Their first variant computes one side after the other, a second one both at once.
        """
        return [
            forward
            for (rows, *_), forward in self._forwards.items()
            if rows == lanes and isinstance(forward, CapturedWork)
        ]

    def _allocate(self, fixed: StaticKVCache, like: KVCache, rows: int, room: int) -> None:
        try:
            fixed.allocate(like, rows, room)
        except torch.OutOfMemoryError:
            self.runner.forget_kept()
            fixed.allocate(like, rows, room)

    @staticmethod
    def _length(caches: PrefixCache) -> int:
        live = caches.live
        assert live is not None
        return len(live.rows[0])


class GraphStepper:
    """Decodes by launching captured steps; captures those that are missing.

    The step that passes a model's rope switch reads the whole text again, uncaptured.
    """

    ahead = True

    def __init__(
        self, graph_cache: GraphCache, replies: Sequence[Reply], chooser: TokenChooser, index: int
    ) -> None:
        """Start at token `index` of the replies, from the prefilled caches.

        `chooser` chooses, uncaptured, where repetition is penalized.
        """
        self._graph_cache = graph_cache
        self._lanes = len(replies)
        self._top = replies[0].candidates
        self._inputs = inputs = graph_cache.inputs(self._lanes)
        inputs.show([side[-1:].expand(self._lanes, -1) for side in graph_cache.runner.logits])
        self._chooser = chooser
        inputs.index.fill_(index)
        self._room = graph_cache.enter(self._lanes, self._lanes)
        self._fed = max(len(p.live.rows[0]) for p in graph_cache.runner.live if p.live)
        self._switches = {caches.side.rope_switch for caches in graph_cache.runner.live}
        self._sampling: Sampling | None = None
        self._choice: GraphedChoice | None = None
        self._alphas: tuple[float, ...] = ()

    def choose(self, settings: StepSettings) -> PendingRows:
        """Choose a token per lane."""
        if Penalties.of(settings.sampling) is not None:
            return self._choose_eagerly(settings)
        if settings.sampling is not self._sampling or self._choice is None:
            self._sampling, filters = settings.sampling, Filters.of(settings.sampling)
            self._choice = self._graph_cache.choice(
                self._lanes, filters, self._chooser.noise, self._top
            )
        if settings.alphas != self._alphas:
            self._alphas = settings.alphas
            self._inputs.alpha.copy_(torch.tensor(settings.alphas).unsqueeze(-1))
        self._choice.run()
        return self._choice.host_copy.send(self._choice.numbers)

    def _choose_eagerly(self, settings: StepSettings) -> PendingRows:
        """Wait for the last token, of which the penalties depend, and choose the next one."""
        inputs = self._inputs
        self._chooser.token = inputs.tokens.clone()
        rows = self._chooser.choose(settings, inputs.logits)
        inputs.tokens.copy_(self._chooser.token)
        inputs.index.add_(1)
        return rows

    def decode(self) -> None:
        """Decode the tokens chosen last."""
        if self._fed in self._switches:
            self._graph_cache.leave()
            self._inputs.show(self._graph_cache.runner.decode(self._inputs.tokens))
            self._room = self._fed + 1  # the next step enters again
        else:
            if self._fed == self._room:
                self._graph_cache.leave()
                self._room = self._graph_cache.enter(self._lanes, 1)
            self._graph_cache.forward(self._lanes, self._room)()
        self._fed += 1
