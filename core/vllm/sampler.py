"""vLLM's hooks: which lane is in which row, the sampler, and what a worker can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.outputs import SamplerOutput
from vllm.v1.sample.logits_processor import LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.sample.metadata import SamplingMetadata
from vllm.v1.sample.sampler import Sampler

from logit_amp_chat.core.vllm.lane_rows import Lane, LaneRows, Settings, SharedIds
from logit_amp_chat.core.vllm.text_readings import TextWorker
from logit_amp_chat.core.vllm.v2_rows import V2Rows

# The numbers of a lane's token: its name, the token's position in the reply, and `measure`'s row.
LaneNumbers = tuple[str, int, list[float]]


class Lanes(LogitsProcessor):
    """Follows which request is in which row of a batch; changes no logits."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self.rows: dict[int, Lane] = {}

    def is_argmax_invariant(self) -> bool:
        """False, so that it is told of every batch."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Take over what vLLM has added, removed and moved."""
        process_dict_updates(self.rows, batch_update, _lane)

    def apply(self, logits: Tensor) -> Tensor:
        """Nothing: the sampler has both sides' logits."""
        return logits


def _lane(params: SamplingParams, prompt: list[int] | None, said: list[int]) -> Lane | None:
    lane = (params.extra_args or {}).get("lane")
    return None if lane is None else Lane(**lane, prompt=prompt or (), said=said)


class PairSampler(Sampler):
    """In place of vLLM's sampler: every request is a lane."""

    def __init__(self, replaced: Sampler, shared: SharedIds) -> None:
        super().__init__(replaced.logprobs_mode)
        self.settings: Settings | None = None
        self.numbers: list[LaneNumbers] = []
        self._rows = LaneRows(shared)

    def forward(
        self, logits: Any, sampling_metadata: SamplingMetadata, *_: object, **__: object
    ) -> SamplerOutput:
        """A token for every row; the numbers of lanes are kept until they are asked for.

        Rows without a lane are texts that are read: their token is not looked at.
        """
        lanes = next(p for p in sampling_metadata.logitsprocs.all if isinstance(p, Lanes))
        rows = [n for n in range(len(logits)) if n in lanes.rows]
        tokens = torch.zeros(len(logits), dtype=torch.int32, device=logits.device)
        self.numbers = []
        if rows:
            assert self.settings is not None
            sides = logits.before, logits
            if len(rows) < len(logits):
                sides = logits.before[rows], logits[rows]
            held = [lanes.rows[n] for n in rows]
            chosen, numbers = self._rows.choose(sides, held, self.settings)
            tokens[rows] = chosen.int()
            self.numbers = [
                (lane.name, lane.index, row) for lane, row in zip(held, numbers, strict=True)
            ]
        return SamplerOutput(tokens.unsqueeze(-1), logprobs_tensors=None)


class PairWorker(TextWorker):
    """Methods that are added to vLLM's workers; they are called in each of them."""

    model_runner: Any
    device: torch.device

    def pair_start(self, size: int, masked: Sequence[int], ends: Sequence[int]) -> None:
        """Sample with the pair's sampler from now on."""
        runner = self.model_runner
        shared = SharedIds.of(size, masked, ends, runner.device)
        if isinstance(runner.sampler, V2Rows):
            runner.sampler.start(shared)
        else:
            runner.sampler = PairSampler(runner.sampler, shared)
        self.text_start(shared)

    def pair_settings(self, message: Mapping[str, Any]) -> None:
        """Choose the next tokens like this."""
        self.model_runner.sampler.settings = Settings.of(message)

    def pair_numbers(self) -> list[LaneNumbers]:
        """The numbers of the batch before."""
        numbers: list[LaneNumbers] = self.model_runner.sampler.numbers
        return numbers

    def pair_unknown_modules(self, number: int) -> list[str]:
        """What a pair of adapters changes and the model does not have: vLLM ignores it."""
        manager = self.model_runner.model.lora_manager
        return [name for name in manager.get_adapter(number).loras if name not in manager.modules]

    def pair_device(self) -> str:
        """The device's name; "cpu" is one."""
        device = self.model_runner.device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
