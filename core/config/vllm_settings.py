"""The key `vllm` of a profile: how vLLM is started where it is the engine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# Arguments of vLLM's engine that have keys of their own, or that a pair depends on.
OURS = frozenset(
    (
        "model",
        "dtype",
        "max_model_len",
        "tensor_parallel_size",
        "gpu_memory_utilization",
        "quantization",
        "trust_remote_code",
        "hf_overrides",
        "worker_cls",
        "worker_extension_cls",
        "logits_processors",
        "skip_tokenizer_init",
        "async_scheduling",
        "speculative_config",
        "pipeline_parallel_size",
        "enable_lora",
        "max_loras",
        "max_lora_rank",
        "max_cpu_loras",
        "lora_target_modules",
    )
)


def _not_ours(arguments: dict[str, Any]) -> dict[str, Any]:
    for name in arguments:
        if name in OURS:
            raise ValueError(f"{name} cannot be set here")
    return arguments


class VllmSettings(BaseModel):
    """How vLLM is started where the engine is `vllm`; what is None it chooses itself.

    `quantization` is one of vLLM's own kinds; `arguments` are further ones of its engine, with
    the names that its Python interface has. `model_runner` is the part of vLLM that calls the
    models: v1 was run, v2 never was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    max_model_len: Annotated[int | None, Field(ge=2)] = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    quantization: str | None = None
    model_runner: Literal["v1", "v2"] = "v1"
    arguments: Annotated[dict[str, Any], AfterValidator(_not_ours)] = {}
