"""The engine of a pair that vLLM computes: its scheduler, paging and parallelism, our tokens."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.decoding.reply_progress import AskedPrompt
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.engine.local import LocalEngine, Sampler
from logit_amp_chat.core.engine.vllm_adapters import AdapterPairs, check_adapter, lora_settings
from logit_amp_chat.core.engine.vllm_decoder import OWN_PROMPTS, USE_LOCAL, VllmDecoder
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.engine.vllm_sampler import VllmSampler
from logit_amp_chat.core.errors import PairError, UsageError
from logit_amp_chat.core.models.pair import ONE_THREAD_BELOW, Pair
from logit_amp_chat.core.models.unloaded_pair import UnloadedPair, unloaded_pair
from logit_amp_chat.core.protocol import AnyRequest, Event, Loading
from logit_amp_chat.core.reading import ReadRequest, StageReadRequest
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.system import vllm_environment
from logit_amp_chat.core.system.machine import GB, available_ram

# Of the KV cache on a CPU, in GB: at most, and as a share of the memory that is free.
CACHE_GB, CACHE_SHARE = 4, 0.25
REFUSED = (ReadRequest, StageReadRequest, RescoreRequest)
LAST_DIGITS = (
    "vLLM computes this pair: what else is in a batch moves the last digits of its numbers."
)


class VllmEngine(LocalEngine):
    """An `Engine` whose models are in a process of vLLM's; all but their passes is as locally."""

    def __init__(self, profile: Profile, pair: Pair, process: VllmProcess) -> None:
        super().__init__(profile, pair, None, VllmDecoder(pair, process))
        self._process = process
        session, facts = self.opened.session, process.facts
        versions = {
            name if name.startswith("vllm") else f"vllm's {name}": version
            for name, version in facts["versions"].items()
        }
        self.opened = replace(
            self.opened,
            session=replace(
                session,
                device=f"{facts['device']} (vLLM)",
                versions=dict(session.versions) | versions,
            ),
            notices=(*self.opened.notices, LAST_DIGITS),
        )

    @classmethod
    def open(
        cls, profile: Profile, report: Callable[[Loading], None] = lambda _: None
    ) -> VllmEngine:
        """Load the profile's pair into vLLM. Raises LogitAmpError."""
        check(profile)
        found = unloaded_pair(profile, report)
        report(Loading(stage="weights", detail="vLLM", done=0, total=None))
        for adapter, side in zip(
            found.adapters, (found.pair.before, found.pair.after), strict=True
        ):
            if adapter is not None:
                check_adapter(adapter, side.model)
        largest = max(_parameters(side.model) for side in (found.pair.before, found.pair.after))
        process = VllmProcess(
            _asked(profile, found),
            threads=1 if largest < ONE_THREAD_BELOW else len(os.sched_getaffinity(0)),
            cache_gb=_cache_gb(),
        )
        AdapterPairs(process).use(found.adapters)
        context = min(found.pair.context, process.facts["context"])
        return cls(profile, replace(found.pair, context=context), process)

    def batches(self, request: AnyRequest) -> Generator[Sequence[Event], None, None]:
        """The events of a request. Raises UsageError for one that vLLM cannot answer."""
        if isinstance(request, REFUSED):
            raise UsageError("This is not done with engine: vllm.", USE_LOCAL)
        return super().batches(request)

    def _sampler(
        self, request: SampleRequest, prompts: Sequence[AskedPrompt], controls: Controls
    ) -> Sampler:
        if any(prompt.ids.before != prompt.ids.after for prompt in prompts):
            raise UsageError(OWN_PROMPTS, USE_LOCAL)
        return VllmSampler(self.pair, self._process, request, prompts, controls)

    def close(self) -> None:
        """End vLLM's process."""
        self._process.close()


def check(profile: Profile) -> None:
    """Check what vLLM cannot do, before anything is loaded. Raises PairError and UsageError."""
    if vllm_environment.python() is None:
        raise PairError("vLLM's environment is not there.", vllm_environment.REMEDY)
    if profile.stages:
        raise UsageError("A chain of stages is not opened with engine: vllm.", USE_LOCAL)
    if profile.quantization != "none":
        raise UsageError(
            f"quantization: {profile.quantization} is bitsandbytes', which vLLM does not have.",
            "Set quantization: none, and one of vLLM's kinds under vllm.",
        )
    sides = profile.before, profile.after
    if any(side.located()[1] for side in sides):
        raise UsageError("GGUF files are not opened with engine: vllm.", USE_LOCAL)
    if any(side.adapter for side in sides) and not _one_model(*sides):
        raise UsageError("With engine: vllm adapters are on one model.", USE_LOCAL)
    if (sides[0].system, sides[0].template) != (sides[1].system, sides[1].template):
        raise UsageError(OWN_PROMPTS, USE_LOCAL)


def _one_model(before: Side, after: Side) -> bool:
    """Whether the sides differ by their adapters alone."""
    bare = [side.model_copy(update={"adapter": None}) for side in (before, after)]
    return bare[0] == bare[1]


def _asked(profile: Profile, found: UnloadedPair) -> dict[str, Any]:
    """What vLLM's process is to open: see `PairEngine`."""
    pair, settings = found.pair, profile.vllm
    wanted = settings.max_model_len
    valid = [True] * pair.size if pair.valid is None else pair.valid.tolist()
    return {
        "before": str(found.folders[0]),
        "after": str(found.folders[1]),
        "architectures": found.architectures,
        "lora": lora_settings(found.adapters),
        "dtype": found.dtype,
        "max_model_len": -1 if wanted is None else min(wanted, pair.context),
        "tensor_parallel": settings.tensor_parallel,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "quantization": settings.quantization,
        "trust_remote_code": profile.trust_remote_code,
        "arguments": settings.arguments,
        "size": pair.size,
        "masked": [i for i, allowed in enumerate(valid) if not allowed],
        "ends": sorted(pair.end_of_turn),
    }


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _cache_gb() -> int:
    ram = available_ram()
    return CACHE_GB if ram is None else max(1, min(CACHE_GB, math.floor(CACHE_SHARE * ram / GB)))
