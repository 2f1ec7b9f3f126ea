"""Loads the weights of the two sides: quantized or not, with adapters, on one device or many."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import BitsAndBytesConfig

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.errors import PairError, first_line
from logit_amp_chat.core.models.adapter_vocabulary import check_vocabulary
from logit_amp_chat.core.models.adapters import check_adapters, probe, with_adapters
from logit_amp_chat.core.models.architecture import auto_class, check_quantization
from logit_amp_chat.core.models.base_weights import checksums
from logit_amp_chat.core.models.gguf_file import watch_unpacking
from logit_amp_chat.core.models.hub import Source, complete, lacking
from logit_amp_chat.core.models.load_progress import watch_weights
from logit_amp_chat.core.models.memory_estimate import estimate, place, tensor_bytes
from logit_amp_chat.core.models.quantized_weights import QuantizedCopy
from logit_amp_chat.core.models.rope import rope_switch
from logit_amp_chat.core.models.side import LoadedSide, Model
from logit_amp_chat.core.models.side_tokenizer import SideTokenizer
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.records import NO_LIMIT

# bitsandbytes warns about every product in another precision, and about optional kernels.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

Report = Callable[[Loading], None]
ADAPTER = "adapter"
"""What an adapter is called in its model; several are numbered."""


@dataclass(frozen=True)
class Origin:
    """Everything about a side that is known before its weights are loaded."""

    side: Side
    source: Source
    adapter: Source | None
    config: Any
    text: SideTokenizer

    @property
    def rows(self) -> int:
        """Rows of the head."""
        return int(self.config.get_text_config().vocab_size)

    @property
    def context(self) -> int:
        """Length of the context, in tokens."""
        config = self.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or NO_LIMIT)

    @property
    def rope_switch(self) -> int | None:
        """See `LoadedSide.rope_switch`."""
        return rope_switch(self.config.get_text_config())


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
    profile: Profile,
    origins: Mapping[str, Origin],
    wanted: Collection[str],
    device: torch.device,
    report: Report,
) -> tuple[dict[str, LoadedSide], list[str]]:
    """Load the `wanted` of the stages `origins`; also returns notices. Raises PairError.

    Stages of one model share one copy of its weights, unless an adapter forbids it. Where they
    do, the others of that model are there too.
    """
    groups: dict[Path, dict[str, Origin]] = {}
    for name, origin in origins.items():
        groups.setdefault(origin.source.weights, {})[name] = origin
    groups = {path: group for path, group in groups.items() if not {*group}.isdisjoint(wanted)}
    loader = Loader(profile, device, report)
    check_adapters(origin.adapter for group in groups.values() for origin in group.values())
    loader.find([origin for name, origin in origins.items() if name in wanted])
    sides: dict[str, LoadedSide] = {}
    for group in groups.values():
        sides |= _load_group(loader, group, wanted)
    return sides, loader.notices


def _load_side(loader: Loader, origin: Origin, name: str) -> LoadedSide:
    adapters = {ADAPTER: origin.adapter} if origin.adapter else {}
    side = with_adapters(loader.load(origin, name), adapters, ADAPTER)
    probe(side, adapters)
    return side


def _load_group(
    loader: Loader, group: Mapping[str, Origin], wanted: Collection[str]
) -> dict[str, LoadedSide]:
    """The stages of one model: one copy of its weights, if its adapters leave them alone."""
    sources = dict.fromkeys(origin.adapter for origin in group.values())
    name, origin = next(iter(group.items()))
    if len(sources) == 1:
        return dict.fromkeys(group, _load_side(loader, origin, name))
    keys = {source: f"{ADAPTER}_{n}" for n, source in enumerate(sources) if source is not None}
    shared, obstacle = _share(loader.load(origin, name), {key: one for one, key in keys.items()})
    adapters = {
        name: keys[origin.adapter] if origin.adapter else None for name, origin in group.items()
    }
    if shared is not None and obstacle is None:
        return {name: replace(shared, adapter=key) for name, key in adapters.items()}
    needed = [name for name in group if name in wanted]
    if len(needed) < len(group):
        shared = None
        gc.collect()
        return _load_group(loader, {name: group[name] for name in needed}, needed)
    times = "twice" if len(needed) == 2 else f"{len(needed)} times"
    memory = f", in {times} the memory" if len(needed) > 1 else ""
    loader.notices.append(f"{obstacle}: each side is loaded separately{memory}.")
    if len(keys) > 1:
        shared = None
        gc.collect()  # transformers' models are in reference cycles
    return {
        name: replace(shared, adapter=adapters[name])
        if shared is not None and adapters[name]
        else _load_apart(loader, group[name], name)
        for name in needed
    }


def _share(model: Model, adapters: dict[str, Source]) -> tuple[LoadedSide | None, str | None]:
    """`model` with all `adapters`, and why the sides cannot share it, if they cannot.

    Raises PairError if the only adapter does not fit.
    """
    names = " and ".join(adapter.name for adapter in adapters.values())
    untouched = checksums(model)
    try:
        shared = with_adapters(model, adapters, next(iter(adapters)))
        changed = checksums(shared.model) != untouched
        probe(shared, adapters)  # later: a first step repacks 4-bit weights on a CPU
    except PairError:
        if len(adapters) == 1:
            raise
        return None, f"PEFT cannot hold {names} in one model"  # or one of them fits none
    if not changed:
        return shared, None
    change = "changes" if len(adapters) == 1 else "change"
    return shared, f"{names} {change} the weights of the base model when loaded"


def _load_apart(loader: Loader, origin: Origin, name: str) -> LoadedSide:
    """A side with its own copy of the weights. Raises PairError if there is no room for it."""
    try:
        loader.find([origin])
    except PairError as error:
        raise PairError(f"{loader.notices[-1]} {error.message}", error.remedy) from error
    return _load_side(loader, origin, name)


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
        sides = [(self.folder(origin), origin.config) for origin in origins]
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

    def folder(self, origin: Origin) -> Path:
        """Where the weights are that would be loaded; downloaded where needed. Raises PairError."""
        if (kept := self._kept(origin)) is not None:
            return kept.folder
        return complete(origin.source, self._report).weights

    def lacking(self, origin: Origin) -> int | None:
        """How many bytes `folder` would download; None where that cannot be known."""
        return 0 if self._kept(origin) is not None else lacking(origin.source)

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
        return model.eval()


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
