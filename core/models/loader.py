"""Loads the weights of the two sides: quantized or not, with adapters, on one device or many."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import BitsAndBytesConfig

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.errors import PairError, first_line
from logit_amp_chat.core.models.adapter_vocabulary import check_vocabulary
from logit_amp_chat.core.models.architecture import auto_class, check_cache, check_quantization
from logit_amp_chat.core.models.gguf_file import watch_unpacking
from logit_amp_chat.core.models.hub import Source, complete
from logit_amp_chat.core.models.layers.lora import with_rows
from logit_amp_chat.core.models.load_progress import watch_weights
from logit_amp_chat.core.models.memory_estimate import estimate, place, tensor_bytes
from logit_amp_chat.core.models.quantized_weights import QuantizedCopy
from logit_amp_chat.core.models.side import LoadedSide, Model
from logit_amp_chat.core.models.vocabulary import Tokenizer
from logit_amp_chat.core.protocol import Loading

# bitsandbytes warns about every product in another precision, and about optional kernels.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

Report = Callable[[Loading], None]
NO_LIMIT = 1 << 30


@dataclass(frozen=True)
class Origin:
    """Everything about a side that is known before its weights are loaded."""

    side: Side
    source: Source
    adapter: Source | None
    config: Any
    tokenizer: Tokenizer | None

    @property
    def rows(self) -> int:
        """Rows of the head."""
        return int(self.config.get_text_config().vocab_size)

    @property
    def context(self) -> int:
        """Length of the context, in tokens."""
        config = self.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or NO_LIMIT)


def choose_device(wanted: str) -> torch.device:
    """`auto` is CUDA if available; a GPU always has its index, as its tensors' device does.

    Raises PairError for a GPU that does not exist.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    if device.type != "cuda":
        return device
    if (device.index or 0) >= torch.cuda.device_count():
        raise PairError(
            f"The profile asks for {wanted}, and this machine has"
            f" {torch.cuda.device_count()} usable GPUs.",
            "Set device: auto, or check nvidia-smi and the torch build.",
        )
    return torch.device("cuda", device.index or 0)


def load_sides(
    profile: Profile, origins: list[Origin], device: torch.device, report: Report
) -> tuple[list[LoadedSide], list[str]]:
    """Load both sides; also returns notices for the user. Raises PairError.

    Sides of one model share one copy of its weights.
    """
    loader = Loader(profile, device, report)
    loader.find(origins)
    adapters = [o.adapter for o in origins]
    first = loader.load(origins[0], "before")
    if origins[0].source.weights != origins[1].source.weights:
        second = loader.load(origins[1], "after")
        pairs = zip((first, second), adapters, ("before", "after"), strict=True)
        sides = [_with_adapters(model, {name: a} if a else {}, name) for model, a, name in pairs]
        return sides, loader.notices
    wanted = {n: a for n, a in zip(("before", "after"), adapters, strict=True) if a}
    if len(wanted) == 2 and adapters[0] == adapters[1]:
        del wanted["before"]
        side = _with_adapters(first, wanted, "after")
        return [side, side], loader.notices
    loaded = _with_adapters(first, wanted, "after")
    sides = [
        replace(loaded, adapter=name if name in wanted else None) for name in ("before", "after")
    ]
    return sides, loader.notices


class Loader:
    """Finds each model's files, chooses its device, and loads it."""

    def __init__(self, profile: Profile, device: torch.device, report: Report) -> None:
        self.profile = profile
        self.device = device
        self.notices: list[str] = []
        self._report = report
        self._quantization = _quantization(profile)
        self._device_map: Any = {"": device}

    def find(self, origins: list[Origin]) -> None:
        """Download all files and check that the models can be read, and fit into memory.

        Raises PairError.
        """
        for origin in origins:
            if origin.source.gguf and self._quantization is not None:
                raise PairError(
                    f"{origin.side.model} is a GGUF file, which is not quantized once more.",
                    "Set quantization: none.",
                )
            check_quantization(origin.config, origin.side.model, self.device)
            if origin.adapter is not None:
                check_vocabulary(origin.adapter, origin.rows, origin.side.model)
        sides = [(self._folder(origin), origin.config) for origin in origins]
        in_4_bits = self.profile.model_copy(update={"quantization": "nf4"})
        on_gpu = self.device.type == "cuda"
        need, nf4 = (estimate(p, sides, on_gpu) for p in (self.profile, in_4_bits))
        self._device_map = place(self.profile, need, nf4, self.device)

    def load(self, origin: Origin, name: str) -> Model:
        """Load one model; if quantized here, a copy is kept on disk. Raises PairError."""
        if (kept := self._kept(origin)) is not None:
            try:
                return self._read(origin, kept.folder, None, name)
            except PairError as error:
                if isinstance(error.__cause__, torch.OutOfMemoryError):
                    raise
                kept.discard()
        folder = complete(origin.source, self._report).weights
        model = self._read(origin, folder, self._quantization, name)
        copy = self._copy(origin)
        if copy is not None and (refusal := self._keep(copy, model, name)):
            self.notices.append(refusal)
        return model

    def _folder(self, origin: Origin) -> Path:
        if (kept := self._kept(origin)) is not None:
            return kept.folder
        return complete(origin.source, self._report).weights

    def _kept(self, origin: Origin) -> QuantizedCopy | None:
        """The quantized copy of a model, if it exists."""
        copy = self._copy(origin)
        return copy if copy is not None and copy.there else None

    def _copy(self, origin: Origin) -> QuantizedCopy | None:
        """The quantized copy of a model, existing or not; None if none is wanted."""
        quantized_already = getattr(origin.config, "quantization_config", None) is not None
        if self._quantization is None or quantized_already or self.profile.trust_remote_code:
            return None
        kind = f"{self.profile.quantization}-{choose_dtype(self.profile)}".replace("torch.", "")
        return QuantizedCopy.of(origin.source, kind, self._quantization.to_dict())

    def _keep(self, copy: QuantizedCopy, model: Model, name: str) -> str | None:
        if self._device_map == "auto":
            return None

        def watch(done: float, total: float | None) -> None:
            self._report(Loading(stage="copy", detail=name, done=done, total=total))

        with watch_weights(watch, {}):
            return copy.keep(model)

    def _read(self, origin: Origin, folder: Path, quantization: Any, name: str) -> Model:
        def watch(done: float, total: float | None) -> None:
            self._report(Loading(stage="weights", detail=name, done=done, total=total, unit=unit))

        # Passing None would override the quantization that the model's own files declare.
        how = {} if quantization is None else {"quantization_config": quantization}
        sizes, unit = dict(tensor_bytes(folder)), "bytes"
        if origin.source.gguf:  # its tensors have names of their own: they are counted
            sizes, unit = {}, ""
            folder, how = folder.parent, {"gguf_file": folder.name, "config": origin.config}
        try:
            with watch_weights(watch, sizes), watch_unpacking(watch):
                model, loaded = auto_class(origin.config).from_pretrained(
                    folder,
                    dtype=choose_dtype(self.profile),
                    **how,
                    device_map=self._device_map,
                    use_safetensors=True,
                    trust_remote_code=self.profile.trust_remote_code,
                    local_files_only=True,
                    output_loading_info=True,
                )
        except torch.OutOfMemoryError as error:
            raise PairError(
                f"{origin.side.model} does not fit into the GPU's memory: {first_line(error)}",
                "Use quantization: nf4, a smaller pair, or a larger GPU.",
            ) from error
        except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
            raise PairError(
                f"The weights of {origin.side.model} cannot be loaded: {first_line(error)}",
                "They must be complete safetensors files of a causal language model.",
            ) from error
        # transformers fills gaps with random weights and only warns.
        if gaps := [*loaded["missing_keys"], *loaded["mismatched_keys"]]:
            raise PairError(
                f"The weights of {origin.side.model} are incomplete: {len(gaps)} tensors are"
                f" missing or have another shape; the first is {gaps[0]}.",
                "Download them again; they must belong to the config.json beside them.",
            )
        check_cache(type(model), origin.side.model)
        return model.eval()


def _with_adapters(model: Model, adapters: dict[str, Any], name: str) -> LoadedSide:
    if not adapters:
        return LoadedSide(model)
    from peft import PeftConfig, PeftModel

    for adapter, source in adapters.items():
        folder = str(source.folder)
        try:
            if not isinstance(model, PeftModel):
                config = PeftConfig.from_pretrained(folder, inference_mode=True)
                model = PeftModel(model, config, adapter_name=adapter)
            result = model.load_adapter(folder, adapter_name=adapter)
        except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
            raise _misfit(source, first_line(error)) from error
        for problem in ("missing_keys", "unexpected_keys"):
            if keys := getattr(result, problem):
                what = problem.replace("_", " ")
                raise _misfit(source, f"{len(keys)} {what}, {keys[0]} first")
    model.eval()
    if (by_rows := with_rows(model)) is None:
        return LoadedSide(model, name, shared=True)
    model, rows = by_rows
    return LoadedSide(model, name, shared=True, rows=rows)


def _misfit(adapter: Source, why: str) -> PairError:
    return PairError(
        f"The adapter {adapter.name} does not fit the model: {why}.",
        "Use it with the base model that its adapter_config.json names.",
    )


def choose_dtype(profile: Profile) -> torch.dtype | str:
    """`auto` is fp32 on a CPU, else "auto": as the weights are stored."""
    if profile.dtype != "auto":
        dtype: torch.dtype = getattr(torch, profile.dtype)
        return dtype
    return "auto" if choose_device(profile.device).type == "cuda" else torch.float32


def _quantization(profile: Profile) -> BitsAndBytesConfig | None:
    if profile.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    if profile.quantization == "nf4":
        compute = torch.bfloat16 if profile.dtype == "auto" else getattr(torch, profile.dtype)
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=compute,
            bnb_4bit_use_double_quant=True,
        )
    return None
