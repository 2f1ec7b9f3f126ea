"""Puts adapters into loaded models; refuses those whose numbers would be wrong."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from logit_amp_chat.core.errors import PairError, first_line
from logit_amp_chat.core.models.hub import Source, trained_on
from logit_amp_chat.core.models.layers.lora import with_rows
from logit_amp_chat.core.models.side import LoadedSide, Model

# PEFT's types whose numbers were compared with PEFT alone (docs/adapters.md).
# fmt: off
COMPARED = frozenset({
    "LORA", "ADALORA", "ADAMSS", "BEFT", "BOFT", "C3A", "DEFT", "DELORA", "FOURIERFT", "FROD",
    "GLORA", "GRALORA", "HIRA", "HRA", "IA3", "LN_TUNING", "LOHA", "LOKR", "MISS", "OFT",
    "OSF", "PEANUT", "PSOFT", "PVERA", "RANDLORA", "ROAD", "SHIRA", "SUPERTUNING", "TINYLORA",
    "TRAINABLE_TOKENS", "UNILORA", "VBLORA", "VERA", "WAVEFT",
})
# fmt: on
# Why others cannot be decoded token by token from a cache, both sides at once.
REASONS = {
    "ADAPTION_PROMPT": "which adds virtual tokens to the attention",
    "LILY": "whose router averages over all tokens and lanes",
    "POLY": "which needs a task id with every input",
    "SHADOW": "whose shadow network reads the whole text at every token",
    "XLORA": "which weights its LoRA adapters by the whole text",
}
VIRTUAL_TOKENS = "which puts virtual tokens in front of the prompt"
# Some initializations are random, also where they change the base.
SEED = 0


def check_adapters(adapters: Iterable[Source | None]) -> None:
    """Refuse adapters that cannot be decoded with, before any weight is loaded.

    Raises PairError.
    """
    for source in adapters:
        if source is not None and (reason := _obstacle(_config(source))):
            raise PairError(
                f"The adapter {source.name} cannot be used: {reason}.",
                "Use one that changes weights only, such as LoRA.",
            )


def base_notice(adapter: Source | None, model: Source) -> str | None:
    """A sentence where an adapter was trained on another model than the one it is put on.

    Of a GGUF file it cannot be told.
    """
    base = trained_on(adapter) if adapter and not model.gguf else None
    if adapter is None or base is None or _same_model(base, model):
        return None
    return (
        f"The adapter {adapter.name} was trained on {base}, and is used on {model.name}:"
        " its changes were made for other weights."
    )


def _same_model(base: str, model: Source) -> bool:
    """Whether two names are of one model: the same id, or a folder of that name, wherever."""
    named, used = Path(base), Path(model.name)
    if model.local or named.is_absolute():
        return named.name.lower() == used.expanduser().resolve().name.lower()
    return base.lower() == model.name.lower()


def with_adapters(model: Model, adapters: Mapping[str, Source], name: str) -> LoadedSide:
    """The side `name` of `model`, into which `adapters` are put, each under its name.

    Raises PairError if one does not fit.
    """
    if not adapters:
        return LoadedSide(model)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), warnings.catch_warnings():
        # PEFT calls what transformers will rename
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(SEED)
        for adapter, source in adapters.items():
            model = _with_adapter(model, adapter, source)
    model.eval()
    if (by_rows := with_rows(model)) is not None:
        model, rows = by_rows
        return LoadedSide(model, name, shared=True, rows=rows)
    return LoadedSide(model, name, shared=True)


def probe(loaded: LoadedSide, adapters: Mapping[str, Source]) -> None:
    """Decode two tokens with each adapter that PEFT switches.

    Its layers do not know every precision, nor each other; DoRA on 8-bit weights fails at the
    second step. Raises PairError if one fails.
    """
    if loaded.rows is not None:
        return
    for adapter, source in adapters.items():
        side = replace(loaded, adapter=adapter)
        cache = side.new_cache()
        try:
            for _ in range(2):
                side.logits(torch.zeros((1, 1), dtype=torch.long), cache, 1)
        except Exception as error:  # whatever a layer of PEFT's raises
            raise PairError(
                f"The adapter {source.name} was loaded, but cannot run: {first_line(error)}",
                "Try quantization: none with dtype: float32.",
            ) from error


def _with_adapter(model: Model, adapter: str, source: Source) -> Model:
    from peft import PeftModel

    config = _config(source)
    try:
        if not isinstance(model, PeftModel):
            model = PeftModel(model, config, adapter_name=adapter)
        result = model.load_adapter(str(source.folder), adapter_name=adapter)
    except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
        raise _misfit(source, first_line(error)) from error
    except Exception as error:  # PEFT asks for packages, GPUs and preparations in many ways
        raise PairError(
            f"The adapter {source.name} cannot be loaded: {first_line(error)}",
            "PEFT cannot load it here either; save it as a plain LoRA where it was made.",
        ) from error
    missing = _not_loaded(model, result.missing_keys)
    for what, keys in (("missing", missing), ("unexpected", result.unexpected_keys)):
        if keys:
            raise _misfit(source, f"{len(keys)} {what} keys, {keys[0]} first")
    return model


def _not_loaded(model: Model, missing: list[str]) -> list[str]:
    """The missing keys that are no second name of a tensor that was loaded (VB-LoRA's bank)."""
    tensors = dict(model.named_parameters(remove_duplicate=False))
    loaded = {id(tensor) for key, tensor in tensors.items() if key not in missing}
    return [key for key in missing if id(tensors.get(key)) not in loaded]


def _config(source: Source) -> Any:
    from peft import PeftConfig

    try:
        return PeftConfig.from_pretrained(str(source.folder), inference_mode=True)
    except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
        raise _misfit(source, first_line(error)) from error


def _obstacle(config: Any) -> str | None:
    """Why an adapter's numbers would be wrong; None if they are right."""
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if config.is_prompt_learning:
        return f"it is of type {kind}, {VIRTUAL_TOKENS}"
    if kind in REASONS:
        return f"it is of type {kind}, {REASONS[kind]}"
    if kind not in COMPARED:
        return f"it is of type {kind}, which nobody has compared with PEFT yet"
    if getattr(config, "alora_invocation_tokens", None):
        return "it is an aLoRA, which acts only on the text after its invocation tokens"
    if str(getattr(config, "init_lora_weights", "")).startswith("corda"):
        return "it changes its base as CorDA does, which PEFT cannot repeat from its files"
    if getattr(config, "sample_at_inference", False):
        return "it draws random numbers at every token (sample_at_inference)"
    return None


def _misfit(adapter: Source, why: str) -> PairError:
    return PairError(
        f"The adapter {adapter.name} does not fit the model: {why.rstrip('.')}.",
        "Use it with the base model that its adapter_config.json names.",
    )
