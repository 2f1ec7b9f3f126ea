"""The engine of a pair that vLLM computes: its scheduler, paging and parallelism, our tokens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import pair_of, stages_of
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.vllm_adapters import (
    AdaptedProcess,
    AdapterPairs,
    check_adapter,
    lora_settings,
)
from logit_amp_chat.core.engine.vllm_decoder import OWN_PROMPTS, USE_LOCAL, VllmDecoder
from logit_amp_chat.core.engine.vllm_memory import check_memory
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import EngineError, PairError, UsageError
from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.models.memory_estimate import tensor_bytes
from logit_amp_chat.core.models.pair import ONE_THREAD_BELOW, Pair
from logit_amp_chat.core.models.unloaded_pair import UnloadedPair, UnloadedStages
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.system import vllm_environment

LAST_DIGITS = (
    "vLLM computes this pair: what else is in a batch moves the last digits of its numbers."
)


class VllmEngine(LocalEngine):
    """An `Engine` whose models are in a process of vLLM's; all but their passes is as locally."""

    def __init__(self, profile: Profile, pair: Pair, process: VllmProcess) -> None:
        super().__init__(profile, pair, None, VllmDecoder(pair, process))
        self._process = process
        self.lifeline = process
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
        stages = UnloadedStages.look(profile, report)
        found = stages.unloaded(*pair_of(profile))
        return cls.adapted(profile, found, start(profile, found, found.adapters, report))

    @classmethod
    def adapted(
        cls, profile: Profile, found: UnloadedPair, pairs: AdapterPairs, *, alone: bool = True
    ) -> VllmEngine:
        """The engine of a pair whose weights are loaded; `alone` it ends the process with itself.

        Raises PairError where vLLM cannot take its adapters.
        """
        process = pairs.process if alone else AdaptedProcess(pairs, found.adapters)
        try:
            pairs.use(found.adapters)
        except EngineError as error:
            pairs.process.close()
            raise PairError(
                f"vLLM cannot take these adapters: {error.message}", error.remedy
            ) from error
        context = min(found.pair.context, process.facts["context"])
        return cls(profile, replace(found.pair, context=context), process)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What vLLM says of itself: see `PairEngine`."""
        return self._process.facts

    def close(self) -> None:
        """End vLLM's process."""
        self._process.close()


def start(
    profile: Profile,
    found: UnloadedPair,
    adapters: Iterable[Source | None],
    report: Callable[[Loading], None],
) -> AdapterPairs:
    """A process of vLLM's that has a pair, and room for any two of `adapters` instead of its own.

    Raises PairError.
    """
    pair, adapters = found.pair, [*adapters]
    for adapter in dict.fromkeys(adapters):
        if adapter is not None:
            check_adapter(adapter, pair.after.model)
    cache_gb = check_memory(profile, found, report)
    report(Loading(stage="start", detail="vLLM", done=0, total=None, unit="s"))
    largest = max(_parameters(side.model) for side in (pair.before, pair.after))
    process = VllmProcess(
        _asked(profile, found) | {"lora": lora_settings(adapters)},
        threads=1 if largest < ONE_THREAD_BELOW else len(os.sched_getaffinity(0)),
        cache_gb=cache_gb,
        sizes={
            side: sum(size for _, size in tensor_bytes(folder))
            for side, folder in zip(("before", "after"), found.folders, strict=True)
        },
        report=report,
    )
    return AdapterPairs(process, adapters)


def check(profile: Profile) -> None:
    """Check what vLLM cannot do, before anything is loaded. Raises PairError and UsageError."""
    if vllm_environment.python() is None:
        raise PairError("vLLM's environment is not there.", vllm_environment.REMEDY)
    if profile.quantization != "none":
        raise UsageError(
            f"quantization: {profile.quantization} is bitsandbytes', which vLLM does not have.",
            "Set quantization: none, and one of vLLM's kinds under vllm.",
        )
    stages = stages_of(profile)
    if any(stage.located()[1] for stage in stages):
        raise UsageError("GGUF files are not opened with engine: vllm.", USE_LOCAL)
    is_one_model = len({(s.model, s.revision, s.subfolder) for s in stages}) == 1
    if profile.stages and not is_one_model:
        raise UsageError(
            "With engine: vllm the stages of a chain are one model with and without adapters.",
            USE_LOCAL,
        )
    if any(stage.adapter for stage in stages) and not is_one_model:
        raise UsageError("With engine: vllm both sides of adapters are one model.", USE_LOCAL)
    if (profile.before.system, profile.before.template) != (
        profile.after.system,
        profile.after.template,
    ):
        raise UsageError(OWN_PROMPTS, USE_LOCAL)


def _asked(profile: Profile, found: UnloadedPair) -> dict[str, Any]:
    """What vLLM's process is to open: see `PairEngine`."""
    pair, settings = found.pair, profile.vllm
    wanted = settings.max_model_len
    valid = [True] * pair.size if pair.valid is None else pair.valid.tolist()
    return {
        "before": str(found.folders[0]),
        "after": str(found.folders[1]),
        "architectures": found.architectures,
        "dtype": found.dtype,
        "max_model_len": -1 if wanted is None else min(wanted, pair.context),
        "tensor_parallel": settings.tensor_parallel,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "quantization": settings.quantization,
        "v2": settings.model_runner == "v2",
        "trust_remote_code": profile.trust_remote_code,
        "arguments": settings.arguments,
        "size": pair.size,
        "masked": [i for i, allowed in enumerate(valid) if not allowed],
        "ends": sorted(pair.end_of_turn),
    }


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
