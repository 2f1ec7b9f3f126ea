"""The engine of a pair that vLLM computes: its scheduler, paging and parallelism, our tokens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.vllm_decoder import OWN_PROMPTS, USE_LOCAL, VllmDecoder
from logit_amp_chat.core.engine.vllm_memory import check_memory
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import PairError, UsageError
from logit_amp_chat.core.models.memory_estimate import tensor_bytes
from logit_amp_chat.core.models.pair import ONE_THREAD_BELOW, Pair
from logit_amp_chat.core.models.unloaded_pair import UnloadedPair, unloaded_pair
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.system import vllm_environment

# The ranks of LoRA that vLLM can be told.
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
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
        found = unloaded_pair(profile, report)
        cache_gb = check_memory(profile, found, report)
        report(Loading(stage="start", detail="vLLM", done=0, total=None, unit="s"))
        largest = max(_parameters(side.model) for side in (found.pair.before, found.pair.after))
        process = VllmProcess(
            _asked(profile, found),
            threads=1 if largest < ONE_THREAD_BELOW else len(os.sched_getaffinity(0)),
            cache_gb=cache_gb,
            sizes={
                side: sum(size for _, size in tensor_bytes(folder))
                for side, folder in zip(("before", "after"), found.folders, strict=True)
            },
            report=report,
        )
        context = min(found.pair.context, process.facts["context"])
        return cls(profile, replace(found.pair, context=context), process)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What vLLM says of itself: see `PairEngine`."""
        return self._process.facts

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
    if sides[0].adapter or (sides[1].adapter and not _adds_adapter(*sides)):
        raise UsageError(
            "With engine: vllm an adapter is on after alone, and both sides are one model.",
            USE_LOCAL,
        )
    if (sides[0].system, sides[0].template) != (sides[1].system, sides[1].template):
        raise UsageError(OWN_PROMPTS, USE_LOCAL)


def _adds_adapter(before: Side, after: Side) -> bool:
    """Whether after is before with an adapter."""
    return after.model_copy(update={"adapter": None}) == before


def _rank(adapter: Path | None) -> int:
    """The least rank that vLLM has room for and that holds the adapter's. Raises PairError."""
    if adapter is None:
        return RANKS[0]
    config = json.loads((adapter / "adapter_config.json").read_text())
    needed = max([config.get("r", 0), *(config.get("rank_pattern") or {}).values()])
    fitting = [rank for rank in RANKS if rank >= needed]
    if not fitting or config.get("use_dora") or config.get("modules_to_save"):
        raise PairError("vLLM cannot hold this adapter: it is no plain LoRA.", USE_LOCAL)
    return fitting[0]


def _asked(profile: Profile, found: UnloadedPair) -> dict[str, Any]:
    """What vLLM's process is to open: see `PairEngine`."""
    pair, settings = found.pair, profile.vllm
    wanted = settings.max_model_len
    valid = [True] * pair.size if pair.valid is None else pair.valid.tolist()
    return {
        "before": str(found.folders[0]),
        "after": str(found.folders[1]),
        "architectures": found.architectures,
        "adapter": str(found.adapters[1]) if found.adapters[1] else None,
        "rank": _rank(found.adapters[1]),
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
