"""Loads the two sides and makes sure that they can be compared."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from core.errors import PairError
from core.events import Loading
from core.linear import pack
from core.memory import estimate, place
from core.profile import Profile, Side
from core.progress import watch_loading
from core.records import SideInfo
from core.side import LoadedSide, Model
from core.source import Source, adapter_source, complete, model_source
from core.vocabulary import (
    SharedVocabulary,
    TokenBytes,
    Tokenizer,
    end_of_turn_ids,
    share,
)

Report = Callable[[Loading], None]
NO_LIMIT = 1 << 30
# Below this many parameters a second thread costs more than it brings.
ONE_THREAD_BELOW = 50_000_000


@dataclass(frozen=True)
class Pair:
    """The two sides, loaded, with one shared vocabulary.

    `size` columns of both heads are compared; `valid` (size,) is False for ids
    that are never sampled, None where all may be. `context` is in tokens.
    """

    before: LoadedSide
    after: LoadedSide
    tokenizer: Tokenizer
    template: str | None
    size: int
    valid: Tensor | None
    end_of_turn: frozenset[int]
    context: int
    device: torch.device
    token_bytes: TokenBytes
    infos: tuple[SideInfo, SideInfo]
    notices: tuple[str, ...] = ()

    @property
    def memory(self) -> int:
        """Bytes of weights."""
        models = {id(s.model): s.model for s in (self.before, self.after)}
        return sum(int(m.get_memory_footprint()) for m in models.values())


@dataclass(frozen=True)
class _Origin:
    """Everything about a side that is known before its weights are loaded."""

    side: Side
    source: Source
    adapter: Source | None
    config: Any
    tokenizer: Tokenizer | None

    @property
    def rows(self) -> int:
        return int(self.config.get_text_config().vocab_size)

    @property
    def context(self) -> int:
        config = self.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or NO_LIMIT)


def load_pair(profile: Profile, report: Report = lambda _: None) -> Pair:
    """Load what `profile` describes.

    The vocabularies are compared before any weight is read. Two sides that are
    one model with different adapters share one copy of the weights. Raises
    PairError.
    """
    device = choose_device(profile.device)
    origins = [_look(side, profile, report) for side in (profile.before, profile.after)]
    before, after = origins
    tokenizer = after.tokenizer or before.tokenizer
    if tokenizer is None:
        raise PairError(
            f"Neither {before.side.model} nor {after.side.model} has a tokenizer.",
            "Save one beside the weights of one side.",
        )
    report(Loading(stage="vocabulary", detail="compare", done=0, total=1))
    shared = share(
        before.tokenizer or tokenizer,
        tokenizer,
        (before.rows, after.rows),
        (before.side.model, after.side.model),
    )
    report(Loading(stage="vocabulary", detail="compare", done=1, total=1))
    sides = _load_sides(profile, origins, device, report)
    return _assemble(profile, origins, sides, tokenizer, shared)


def _assemble(
    profile: Profile,
    origins: list[_Origin],
    sides: list[LoadedSide],
    tokenizer: Tokenizer,
    shared: SharedVocabulary,
) -> Pair:
    device = sides[1].device
    valid = torch.zeros(shared.size, dtype=torch.bool)
    valid[list(shared.usable)] = True
    ends = end_of_turn_ids(
        source
        for origin, side in zip(origins, sides, strict=True)
        for source in (side.model.generation_config, origin.config, origin.tokenizer)
        if source is not None
    )
    template = _template(origins)
    notices = list(shared.notices)
    if template is None:
        notices.append("This pair has no chat template: a plain one is used (User: … Assistant:).")
    if any(len(set(getattr(s.model, "hf_device_map", {}).values())) > 1 for s in sides):
        notices.append("One GPU is too small for this pair: accelerate has spread it.")
    if sides[0] == sides[1]:
        notices.append("Both sides are the same model: there is nothing to amplify.")
    return Pair(
        before=sides[0],
        after=sides[1],
        tokenizer=tokenizer,
        template=template,
        size=shared.size,
        valid=None if bool(valid.all()) else valid.to(device),
        end_of_turn=frozenset(ends & shared.usable),
        context=min(o.context for o in origins),
        device=device,
        token_bytes=TokenBytes(tokenizer),
        infos=(
            _info(profile, origins[0], sides[0]),
            _info(profile, origins[1], sides[1]),
        ),
        notices=tuple(notices),
    )


def choose_device(wanted: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises PairError for a GPU that is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise PairError(
            f"The profile asks for {wanted}, and this machine has"
            f" {torch.cuda.device_count()} usable GPUs.",
            "Set device: auto, or check nvidia-smi and the torch build.",
        )
    return device


def prepare(pair: Pair) -> None:
    """Make the most of a CPU: pack the weights; one thread for a tiny pair, else all it may use."""
    if pair.device.type != "cpu":
        return
    models = {id(side.model): side.model for side in (pair.before, pair.after)}.values()
    largest = max(sum(p.numel() for p in model.parameters()) for model in models)
    tiny = largest < ONE_THREAD_BELOW
    torch.set_num_threads(1 if tiny else len(os.sched_getaffinity(0)))
    for model in models:
        pack(model)


def _look(side: Side, profile: Profile, report: Report) -> _Origin:
    """Configuration and tokenizer of a side, without its weights."""
    source = model_source(side, report)
    trust = profile.trust_remote_code
    try:
        config = AutoConfig.from_pretrained(source.folder, trust_remote_code=trust)
    except (OSError, ValueError) as error:
        raise PairError(
            f"{side.model} cannot be read as a language model: {_first_line(error)}",
            "Check the id; a model with code of its own needs trust_remote_code: true.",
        ) from error
    has_tokenizer = any(
        (source.folder / name).exists()
        for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")
    )
    try:
        tokenizer = (
            AutoTokenizer.from_pretrained(source.folder, trust_remote_code=trust)
            if has_tokenizer
            else None
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PairError(
            f"The tokenizer of {side.model} cannot be read: {_first_line(error)}",
            "Check the files in its folder.",
        ) from error
    adapter = adapter_source(side.adapter, report) if side.adapter else None
    return _Origin(side, source, adapter, config, tokenizer)


def _template(origins: list[_Origin]) -> str | None:
    """The chat template of after, else that of before."""
    for origin in reversed(origins):
        template = getattr(origin.tokenizer, "chat_template", None)
        if isinstance(template, dict):
            template = template.get("default")
        if isinstance(template, str) and template:
            return template
    return None


def _load_sides(
    profile: Profile, origins: list[_Origin], device: torch.device, report: Report
) -> list[LoadedSide]:
    sources = [complete(o.source, report) for o in origins]
    same = sources[0].folder == sources[1].folder
    adapters = [o.adapter for o in origins]
    spread = _place(profile, origins, sources, device)
    first = _load_model(profile, origins[0], sources[0], spread, report, "before")
    if not same:
        second = _load_model(profile, origins[1], sources[1], spread, report, "after")
        pairs = zip((first, second), adapters, ("before", "after"), strict=True)
        return [_with_adapters(model, {name: a} if a else {}, name) for model, a, name in pairs]
    wanted = {n: a for n, a in zip(("before", "after"), adapters, strict=True) if a}
    if len(wanted) == 2 and adapters[0] == adapters[1]:
        del wanted["before"]
        side = _with_adapters(first, wanted, "after")
        return [side, side]
    loaded = _with_adapters(first, wanted, "after")
    return [
        LoadedSide(loaded.model, name if name in wanted else None, shared=bool(wanted))
        for name in ("before", "after")
    ]


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
            raise _misfit(source, _first_line(error)) from error
        for problem in ("missing_keys", "unexpected_keys"):
            if keys := getattr(result, problem):
                what = problem.replace("_", " ")
                raise _misfit(source, f"{len(keys)} {what}, {keys[0]} first")
    model.eval()
    return LoadedSide(model, name, shared=True)


def _misfit(adapter: Source, why: str) -> PairError:
    return PairError(
        f"The adapter {adapter.name} does not fit the model: {why}.",
        "Use it with the base model that its adapter_config.json names.",
    )


def _load_model(
    profile: Profile,
    origin: _Origin,
    source: Source,
    device_map: Any,
    report: Report,
    name: str,
) -> Model:
    try:
        with watch_loading(
            lambda done, total: report(
                Loading(stage="weights", detail=name, done=done, total=total, unit="tensors")
            )
        ):
            model, loaded = AutoModelForCausalLM.from_pretrained(
                source.folder,
                dtype=choose_dtype(profile),
                quantization_config=_quantization(profile),
                device_map=device_map,
                use_safetensors=True,
                trust_remote_code=profile.trust_remote_code,
                local_files_only=True,
                output_loading_info=True,
            )
    except torch.OutOfMemoryError as error:
        raise PairError(
            f"{origin.side.model} does not fit into the GPU's memory: {_first_line(error)}",
            "Use quantization: nf4, a smaller pair, or a larger GPU.",
        ) from error
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        raise PairError(
            f"The weights of {origin.side.model} cannot be loaded: {_first_line(error)}",
            "They must be complete safetensors files of a causal language model.",
        ) from error
    # transformers fills gaps with random weights and only warns.
    if gaps := [*loaded["missing_keys"], *loaded["mismatched_keys"]]:
        raise PairError(
            f"The weights of {origin.side.model} are incomplete: {len(gaps)} tensors are missing"
            f" or of another shape, {gaps[0]} first.",
            "Download them again; they must belong to the config.json beside them.",
        )
    return model.eval()


def choose_dtype(profile: Profile) -> torch.dtype | str:
    """`auto` is fp32 on a CPU, elsewhere "auto": as the weights are stored."""
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


def _place(
    profile: Profile, origins: list[_Origin], sources: list[Source], device: torch.device
) -> Any:
    """Where the weights go, or PairError where they cannot."""
    sides = [(s.folder, o.config) for s, o in zip(sources, origins, strict=True)]
    in_4_bits = profile.model_copy(update={"quantization": "nf4"})
    need, nf4 = (estimate(p, sides, device.type == "cuda") for p in (profile, in_4_bits))
    return place(profile, need, nf4, device)


def _info(profile: Profile, origin: _Origin, side: LoadedSide) -> SideInfo:
    return SideInfo(
        model=origin.side.model,
        revision=origin.source.revision,
        adapter=origin.side.adapter,
        adapter_revision=origin.adapter.revision if origin.adapter else None,
        dtype=str(side.model.dtype).removeprefix("torch."),
        quantization=profile.quantization,
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
