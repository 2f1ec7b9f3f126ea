"""Tiny adapters of every kind that PEFT has, trained by chance and saved as PEFT saves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peft
import torch
from peft.tuners.lora import config as lora_config
from transformers import AutoModelForCausalLM, MixtralConfig, MixtralForCausalLM

from tests.models import save_side, tiny_model, tiny_tokenizer

LINEAR = ["q_proj", "v_proj", "down_proj"]
EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of adapter: PEFT's configuration class, what it is given, and on which model."""

    config: str
    options: Options = field(default_factory=dict)
    model: str = "llama"
    target: Options = field(default_factory=lambda: {"target_modules": LINEAR})

    def configured(self) -> Any:
        """PEFT's configuration of it."""
        options = {**self.target, **self.options}
        return getattr(peft, self.config)(task_type="CAUSAL_LM", **options)


def _lora(model: str = "llama", **options: Any) -> Kind:
    return Kind("LoraConfig", {"r": 4, **options}, model)


def _prompt(config: str, **options: Any) -> Kind:
    return Kind(config, {"num_virtual_tokens": 4, **options}, target={})


LORA_VARIANTS: dict[str, Kind] = {
    "LoRA": _lora(),
    "LoRA on all linear layers": _lora(target_modules="all-linear"),
    "rsLoRA": _lora(use_rslora=True),
    "rank_pattern, alpha_pattern": _lora(
        rank_pattern={"q_proj": 2}, alpha_pattern={"down_proj": 32}
    ),
    "lora_bias": _lora(lora_bias=True),
    "bias of the base": _lora("gpt2", bias="lora_only", target_modules=["c_attn", "c_fc"]),
    "DoRA": _lora(use_dora=True),
    "embeddings": _lora(target_modules=["q_proj", "embed_tokens"]),
    "head": _lora(target_modules=["q_proj", "lm_head"]),
    "head that is tied": _lora("llama-tied", target_modules=["q_proj", "lm_head"]),
    "modules_to_save: head": _lora(modules_to_save=["lm_head"]),
    "modules_to_save: head that is tied": _lora("llama-tied", modules_to_save=["lm_head"]),
    "modules_to_save: embeddings and head": _lora(modules_to_save=["embed_tokens", "lm_head"]),
    "modules_to_save: norms": _lora(modules_to_save=["input_layernorm"]),
    "modules_to_save: whole MLPs": _lora(target_modules=["q_proj"], modules_to_save=["mlp"]),
    "trainable_token_indices": _lora(trainable_token_indices=[6, 80, 100]),
    "trainable_token_indices, tied": _lora("llama-tied", trainable_token_indices=[6, 80, 100]),
    "target_parameters": _lora("mixtral", target_modules=["q_proj"], target_parameters=EXPERTS),
    "target_parameters alone": _lora("mixtral", target_modules=[], target_parameters=EXPERTS),
    "target_parameters: a linear weight": _lora(
        target_modules=[], target_parameters=["q_proj.weight"]
    ),
    "layer_replication": _lora(layer_replication=[[0, 2], [1, 2]]),
    "aLoRA": _lora(alora_invocation_tokens=[7, 80]),
    "init: PiSSA": _lora(init_lora_weights="pissa"),
    "init: PiSSA, fast SVD": _lora(init_lora_weights="pissa_niter_4"),
    "init: OLoRA": _lora(init_lora_weights="olora"),
    "init: EVA": _lora(init_lora_weights="eva"),
    "init: CorDA": _lora(init_lora_weights="corda"),
    "init: LoftQ": _lora(init_lora_weights="loftq", loftq_config=peft.LoftQConfig(loftq_bits=8)),
    "init: LoRA-GA": _lora(init_lora_weights="lora_ga"),
    "init: MiCA": _lora(init_lora_weights="mica"),
    "init: orthogonal": _lora(init_lora_weights="orthogonal"),
    "init: Gaussian": _lora(init_lora_weights="gaussian"),
    "BD-LoRA": _lora(
        use_bdlora=lora_config.BdLoraConfig(["q_proj"], ["down_proj"], 2, match_strict=False)
    ),
    "KaSA": _lora(kasa_config=lora_config.KasaConfig()),
    "MonteCLoRA": _lora(monteclora_config=lora_config.MontecloraConfig()),
    "VeLoRA": _lora(velora_config=lora_config.VeloraConfig()),
    "QALoRA": _lora(use_qalora=True),
}

TUNERS: dict[str, Kind] = {
    "AdaLoRA": Kind("AdaLoraConfig", {"init_r": 4, "target_r": 2, "total_step": 10}),
    "AdaMSS": Kind("AdamssConfig", {"r": 8, "num_subspaces": 2}),
    "Adaption prompt": Kind(
        "AdaptionPromptConfig", {"adapter_len": 4, "adapter_layers": 1}, target={}
    ),
    "BEFT": Kind("BeftConfig", target={"target_modules": ["v_proj"]}),
    "BOFT": Kind("BOFTConfig", {"boft_block_size": 4}),
    "C3A": Kind("C3AConfig", {"block_size": 32}),
    "Cartridge": _prompt("CartridgeConfig"),
    "CPT": _prompt(
        "CPTConfig",
        cpt_token_ids=[5, 6, 7, 8],
        cpt_mask=[1, 1, 1, 1],
        cpt_tokens_type_mask=[1, 2, 3, 4],
    ),
    "DEFT": Kind("DeftConfig", {"r": 4}),
    "DeLoRA": Kind("DeloraConfig", {"r": 4}),
    "FourierFT": Kind("FourierFTConfig", {"n_frequency": 50}),
    "FRoD": Kind("FrodConfig", {"progressbar": False}),
    "GLoRA": Kind("GloraConfig", {"r": 4}),
    "GraLoRA": Kind("GraloraConfig", {"r": 4}),
    "HiRA": Kind("HiraConfig", {"r": 4}),
    "HRA": Kind("HRAConfig", {"r": 4}),
    "IA3": Kind("IA3Config", {"feedforward_modules": ["down_proj"]}),
    "Lily": Kind("LilyConfig", {"r": 4}),
    "LN tuning": Kind("LNTuningConfig", target={"target_modules": ["input_layernorm", "norm"]}),
    "LoHa": Kind("LoHaConfig", {"r": 4}),
    "LoKr": Kind("LoKrConfig", {"r": 4}),
    "MiSS": Kind("MissConfig", {"r": 4}),
    "Multitask prompt tuning": _prompt("MultitaskPromptTuningConfig", num_tasks=2),
    "OFT": Kind("OFTConfig", {"oft_block_size": 16}),
    "OSF": Kind("OSFConfig", {"effective_rank": 8}),
    "P-tuning": _prompt("PromptEncoderConfig", encoder_hidden_size=32),
    "PEANuT": Kind("PeanutConfig", {"r": 4}),
    "Poly": Kind("PolyConfig", {"r": 4, "n_tasks": 2, "n_skills": 2}),
    "Prefix tuning": _prompt("PrefixTuningConfig"),
    "Prompt tuning": _prompt("PromptTuningConfig"),
    "PSOFT": Kind("PsoftConfig", {"r": 8}),
    "PVeRA": Kind("PveraConfig", {"r": 8}),
    "RandLora": Kind("RandLoraConfig", {"r": 8}),
    "RoAd": Kind("RoadConfig", {"group_size": 16}),
    "Shadow": Kind("ShadowConfig", {"r": 4, "shadow_num_hidden_layers": 1}, target={}),
    "SHiRA": Kind("ShiraConfig", {"r": 4, "random_seed": 0}),
    "Super-Tuning": Kind("SupertuningConfig", {"sparsity": 0.9, "r": 4}),
    "TinyLoRA": Kind("TinyLoraConfig", {"u": 8}),
    "Trainable tokens": Kind("TrainableTokensConfig", {"token_indices": [6, 80, 100]}, target={}),
    "Trainable tokens, tied": Kind(
        "TrainableTokensConfig", {"token_indices": [6, 80, 100]}, "llama-tied", target={}
    ),
    "Uni-LoRA": Kind("UniLoraConfig", {"r": 4, "theta_d_length": 64}),
    "VB-LoRA": Kind("VBLoRAConfig", {"r": 4, "num_vectors": 16, "vector_length": 32}),
    "VeRA": Kind("VeraConfig", {"r": 8}),
    "WaveFT": Kind("WaveFTConfig", {"n_frequency": 50}),
    "X-LoRA": Kind("XLoraConfig", {"hidden_size": 64, "xlora_size": 16}, target={}),
}

KINDS = LORA_VARIANTS | TUNERS


def save_base(folder: Path, model: str) -> Path:
    """A tiny random base model with its tokenizer."""
    if model != "mixtral":
        return save_side(folder, model)
    torch.manual_seed(0)
    llama = tiny_model().config
    shape = {
        name: getattr(llama, name)
        for name in (
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "max_position_embeddings",
            "initializer_range",
            "eos_token_id",
            "bos_token_id",
            "pad_token_id",
        )
    }
    MixtralForCausalLM(MixtralConfig(**shape, num_local_experts=4)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def load_base(base: Path) -> Any:
    """The base as transformers loads it."""
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


def save_kind(kind: Kind, base: Path, folder: Path, seed: int) -> Path:
    """An adapter of `kind` for `base` whose every trained number was moved by noise."""
    torch.manual_seed(seed)
    config = kind.configured()
    if kind.config == "XLoraConfig":
        experts = save_kind(KINDS["LoRA"], base, folder.with_name(f"{folder.name}-lora"), seed)
        config.adapters = {"0": str(experts)}
    model = load_base(base)
    if kind.config == "XLoraConfig":
        model.config.use_cache = False
    if prepared := PREPARED.get(str(kind.options.get("init_lora_weights"))):
        prepared(model, config)
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.05)
    adapted.save_pretrained(folder)
    return folder


def _batch() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.arange(5, 37)[None]}


def _corda(model: Any, config: Any) -> None:
    from peft.tuners.lora.config import CordaConfig
    from peft.tuners.lora.corda import preprocess_corda

    config.corda_config = CordaConfig(corda_method="ipm")

    @torch.no_grad()
    def run() -> None:
        for _ in range(4):
            model(**_batch())

    preprocess_corda(model, config, run_model=run)


def _lora_ga(model: Any, config: Any) -> None:
    from peft.tuners.lora.config import LoraGAConfig
    from peft.tuners.lora.loraga import preprocess_loraga

    config.lora_ga_config = LoraGAConfig()

    def step() -> None:
        model(**_batch(), labels=_batch()["input_ids"]).loss.backward()

    preprocess_loraga(model, config, step)


# What PEFT wants to have been computed on the bare model before these go in.
PREPARED: dict[str, Callable[[Any, Any], None]] = {"corda": _corda, "lora_ga": _lora_ga}
