"""Decoding with recorded steps: two launches a token, and the host one token behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.cuda_graphs.capture import GraphRecorder, Recording, Work
from logit_amp_chat.core.decoding.cuda_graphs.host_copy import HostCopy
from logit_amp_chat.core.decoding.cuda_graphs.static_cache import (
    StaticKVCache,
    can_be_fixed,
    fill,
    is_fixed,
    room_for,
    taken,
)
from logit_amp_chat.core.decoding.next_token import choose
from logit_amp_chat.core.decoding.noise import Noise
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.decoding.request_state import PendingRows, StepSettings
from logit_amp_chat.core.decoding.sampling import Filters
from logit_amp_chat.core.models.layers.kv_cache import KVCache
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import Reply, Sampling

SWITCH = "LOGIT_AMP_GRAPHS"


def recordable(pair: Pair) -> bool:
    """Whether this pair's steps can be recorded: on one GPU, by models that ask it nothing.

    Set `SWITCH` to 0 and nothing is recorded.
    """
    models = (pair.before.model, pair.after.model)
    devices = {parameter.device for model in models for parameter in model.parameters()}
    return (
        pair.device.type == "cuda"
        and devices == {pair.device}
        and os.environ.get(SWITCH, "1") != "0"
        and all(getattr(model, "_can_compile_fullgraph", False) for model in models)
        # int8 looks for outliers at every product
        and not any(
            type(module).__name__ == "Linear8bitLt"
            for model in models
            for module in model.modules()
        )
        and all(side.rows is not None or not side.shared for side in (pair.before, pair.after))
    )


class StaticInputs:
    """The tensors of R lanes that recorded work reads and writes."""

    def __init__(self, size: int, device: torch.device, lanes: int) -> None:
        self.tokens = torch.zeros(lanes, dtype=torch.int64, device=device)
        self.logits = tuple(torch.zeros(lanes, size, device=device) for _ in range(2))
        self.alpha = torch.zeros(lanes, 1, device=device)
        self.index = torch.zeros(1, dtype=torch.int64, device=device)
        self.noise = Noise(0, 0, size, device)

    def show(self, logits: Sequence[Tensor]) -> None:
        """Take over both sides' logits (R, V)."""
        for mine, theirs in zip(self.logits, logits, strict=True):
            mine.copy_(theirs[:, : mine.shape[-1]])


class GraphedChoice:
    """The recorded choice of a token a lane, for filters of which only the numbers may change."""

    def __init__(
        self, pair: Pair, board: StaticInputs, filters: Filters, top: int, graphs: GraphRecorder
    ) -> None:
        self.filters = filters.to(pair.device)

        def chosen() -> tuple[Tensor, Tensor]:
            logits = board.logits[0], board.logits[1]
            return choose(
                logits, pair.valid, board.alpha, self.filters, board.noise, board.index, top
            )

        self.numbers = torch.zeros_like(chosen()[1])
        self.mailbox = HostCopy(self.numbers)

        def work() -> None:
            tokens, numbers = chosen()
            board.tokens.copy_(tokens)
            self.numbers.copy_(numbers)
            board.index.add_(1)

        state = (board.index, board.tokens)
        self.run = graphs.record([work], state, (board.tokens, self.numbers))


class GraphCache:
    """Records the steps of a pair, and keeps what was recorded."""

    def __init__(self, pair: Pair, sides: PairRunner) -> None:
        self.pair = pair
        self.sides = sides
        self.graphs = GraphRecorder(pair.device)
        self._boards: dict[int, StaticInputs] = {}
        self._choices: dict[tuple[object, ...], GraphedChoice] = {}
        self._caches: dict[PrefixCache, StaticKVCache] = {}
        self._forwards: dict[tuple[object, ...], Work] = {}

    def can_record(self) -> bool:
        """Whether the conversation that was read can go on in recorded steps."""
        lives = [caches.live for caches in self.sides.live]
        return all(live is not None and can_be_fixed(live.cache) for live in lives)

    def forget(self) -> None:
        """Give back all memory."""
        for kept in (self._boards, self._choices, self._caches, self._forwards):
            kept.clear()
        self.graphs.forget()

    def board(self, lanes: int) -> StaticInputs:
        """The board of so many lanes."""
        if lanes not in self._boards:
            self._boards[lanes] = StaticInputs(self.pair.size, self.pair.device, lanes)
        return self._boards[lanes]

    def choice(self, lanes: int, filters: Filters, top: int) -> GraphedChoice:
        """How to choose with these filters, whose numbers are in force from now on."""
        key = (lanes, filters.on, top)
        if key not in self._choices:
            board = self.board(lanes)
            self._choices[key] = GraphedChoice(self.pair, board, filters, top, self.graphs)
        found = self._choices[key]
        found.filters.take(filters)
        return found

    def enter(self, lanes: int, copies: int) -> int:
        """Bring what is live into fixed caches, every row `copies` times; returns their room."""
        room = max(room_for(self._length(caches) + 1) for caches in self.sides.live)
        for caches in self.sides.live:
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
            live.cache = view
            live.rows = [list(row) for row in live.rows for _ in range(copies)]
        return room

    def leave(self) -> None:
        """Give what is live caches of its own again; only what was said is in them."""
        for caches in self.sides.live:
            live = caches.live
            if live is not None and is_fixed(live.cache):
                live.cache = taken(live.cache, len(live.rows[0]))

    def forward(self, lanes: int, room: int) -> Work:
        """How to feed the board's tokens and show the logits of what comes next."""
        key = (lanes, room, self.sides.live)
        if key not in self._forwards:
            board = self.board(lanes)
            places = [self._caches[caches].place for caches in self.sides.live]

            def work(step: Callable[[Tensor], tuple[Tensor, Tensor]] = self.sides.step) -> None:
                board.show(step(board.tokens))
                for place in places:
                    place.add_(1)

            ways: list[Work] = [work]
            if len(places) == 2:
                ways.append(lambda: work(self.sides.step_at_once))
            state = (*places, *board.logits)
            self._forwards[key] = self.graphs.record(ways, state, board.logits)
        return self._forwards[key]

    def at_once(self, lanes: int) -> bool:
        """Whether steps of so many lanes compute both sides at once, as that was faster."""
        return any(
            isinstance(forward, Recording) and forward.way == 1
            for (rows, *_), forward in self._forwards.items()
            if rows == lanes
        )

    def _allocate(self, fixed: StaticKVCache, like: KVCache, rows: int, room: int) -> None:
        try:
            fixed.allocate(like, rows, room)
        except torch.OutOfMemoryError:
            self.sides.forget_kept()
            fixed.allocate(like, rows, room)

    @staticmethod
    def _length(caches: PrefixCache) -> int:
        live = caches.live
        assert live is not None
        return len(live.rows[0])


class GraphStepper:
    """Decodes with what a studio has recorded, or records now."""

    ahead = True

    def __init__(self, studio: GraphCache, replies: Sequence[Reply], index: int) -> None:
        """Start at the token `index` of the replies, from what was read last."""
        self._studio = studio
        self._lanes = len(replies)
        self._top = replies[0].top
        self._board = board = studio.board(self._lanes)
        board.show([side[-1:].expand(self._lanes, -1) for side in studio.sides.logits])
        pair = studio.pair
        board.noise.take(Noise(replies[0].seed, replies[0].turn, pair.size, pair.device))
        board.index.fill_(index)
        self._room = studio.enter(self._lanes, self._lanes)
        self._fed = max(len(p.live.rows[0]) for p in studio.sides.live if p.live)
        self._sampling: Sampling | None = None
        self._choice: GraphedChoice | None = None
        self._alphas: tuple[float, ...] = ()

    def choose(self, terms: StepSettings) -> PendingRows:
        """Choose a token a lane."""
        if terms.sampling is not self._sampling or self._choice is None:
            self._sampling, filters = terms.sampling, Filters.of(terms.sampling)
            self._choice = self._studio.choice(self._lanes, filters, self._top)
        if terms.alphas != self._alphas:
            self._alphas = terms.alphas
            self._board.alpha.copy_(torch.tensor(terms.alphas).unsqueeze(-1))
        self._choice.run()
        return self._choice.mailbox.send(self._choice.numbers)

    def feed(self) -> None:
        """Feed the tokens that were chosen last."""
        if self._fed == self._room:
            self._studio.leave()
            self._room = self._studio.enter(self._lanes, 1)
        self._studio.forward(self._lanes, self._room)()
        self._fed += 1
