"""vLLM's hooks of Model Runner V2: never run, as it needs a GPU.

The model names the class of its state, which is told of every request and gives the sampler.
"""

from __future__ import annotations

from typing import Any

import torch
from vllm.v1.worker.gpu.model_states.default import DefaultModelState
from vllm.v1.worker.gpu.sample.output import SamplerOutput

from logit_amp_chat.core.vllm.v2_rows import V2Rows


class V2Sampler(V2Rows):
    """In place of V2's sampler, whose states others read: what is not here is that one's."""

    def __init__(self, replaced: Any) -> None:
        super().__init__()
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replaced, name)

    def __call__(self, logits: Any, input_batch: Any) -> SamplerOutput:
        """A token for every row; its numbers are kept until they are asked for."""
        if not self.has(input_batch):  # vLLM's warm-up
            output: SamplerOutput = self._replaced(logits, input_batch)
            return output
        tokens, taken = self.choose((logits.before, logits), input_batch)
        return SamplerOutput(
            sampled_token_ids=tokens.view(-1, 1),
            logprobs_tensors=None,
            num_nans=None,
            num_sampled=taken,
            num_rejected=torch.zeros_like(taken),
        )


class PairModelState(DefaultModelState):
    """Gives V2 the pair's sampler, and that the requests."""

    _sampler: V2Sampler | None = None

    def custom_sampler(self, sampler: Any) -> tuple[Any, Any]:
        """The pair's sampler around vLLM's; there are no drafts to reject."""
        self._sampler = V2Sampler(sampler)
        return self._sampler, None

    def add_request(self, req_index: int, new_req_data: Any) -> None:
        """Tell the sampler of a request."""
        super().add_request(req_index, new_req_data)
        if self._sampler is not None:
            self._sampler.add(new_req_data)

    def remove_request(self, req_id: str) -> None:
        """Let the sampler forget it."""
        super().remove_request(req_id)
        if self._sampler is not None:
            self._sampler.remove(req_id)
