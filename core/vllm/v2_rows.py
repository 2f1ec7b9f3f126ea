"""The lanes of Model Runner V2: what it tells of requests, and the tokens of a batch.

It keeps what was said on the GPU; here that is followed token by token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from logit_amp_chat.core.vllm.lane_rows import Lane, LaneRows, Settings, SharedIds


class Params(Protocol):
    """Of vLLM's `SamplingParams`."""

    extra_args: Mapping[str, Any] | None


class NewRequest(Protocol):
    """Of vLLM's `NewRequestData`: a request that begins, or goes on after it had no room.

    `prefill_token_ids` are the prompt and what was said.
    """

    req_id: str
    prompt_token_ids: Sequence[int] | None
    prefill_token_ids: Sequence[int] | None
    sampling_params: Params | None


class Batch(Protocol):
    """Of vLLM's `InputBatch`: which request is in which row, and how much of it is read."""

    req_ids: Sequence[str]
    num_computed_tokens_np: Any
    num_scheduled_tokens: Any
    prefill_len_np: Any


class V2Rows:
    """Chooses the tokens of batches whose requests are lanes."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.numbers: list[tuple[str, int, list[float]]] = []
        self._lanes: dict[str, Lane] = {}
        self._rows: LaneRows | None = None

    def start(self, shared: SharedIds) -> None:
        """Choose from now on; before, vLLM tries its own sampler with requests of its own."""
        self._rows = LaneRows(shared)

    def add(self, request: NewRequest) -> None:
        """Follow a request that is a lane."""
        params = request.sampling_params
        lane = (params.extra_args or {}).get("lane") if params else None
        if lane is None:
            return
        prompt = [*(request.prompt_token_ids or ())]
        said = [*(request.prefill_token_ids or ())][len(prompt) :]
        self._lanes[request.req_id] = Lane(**lane, prompt=prompt, said=said)

    def remove(self, name: str) -> None:
        """Let a request go that has ended, or has no room for now."""
        self._lanes.pop(name, None)

    def has(self, batch: Batch) -> bool:
        """Whether the rows of a batch are lanes."""
        return self._rows is not None and all(name in self._lanes for name in batch.req_ids)

    def choose(self, logits: tuple[Tensor, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
        """The next token (R,) of every row, and how many (R,) it takes: 1, or 0 of a row whose
        prompt is not read to its end. `logits` (R, V) are before's and after's."""
        assert self._rows is not None
        assert self.settings is not None
        lanes = [self._lanes[name] for name in batch.req_ids]
        tokens, rows = self._rows.choose(logits, lanes, self.settings)
        self.numbers = [(lane.name, lane.index, row) for lane, row in zip(lanes, rows, strict=True)]
        read = batch.num_computed_tokens_np + batch.num_scheduled_tokens
        taken = (read >= batch.prefill_len_np).tolist()
        for lane, token, takes in zip(lanes, tokens.tolist(), taken, strict=True):
            if takes:
                assert isinstance(lane.said, list)
                lane.said.append(token)
        return tokens, torch.tensor(taken, dtype=torch.int32, device=tokens.device)
