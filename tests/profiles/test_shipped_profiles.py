"""Every profile that ships: it loads, and what it says it needs follows from the models' shapes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from logit_amp_chat.core.config.profile import Profile, Side, load_profile, shipped_folder

# bitsandbytes NF4 with double quantization: 4 bits, one byte for 64 of them,
# and 4 bytes for 256 of those. Embeddings and head stay at 16 bit.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
LANES, TOKENS = 3, 2048
WORKSPACE_GB = 1.0


@dataclass(frozen=True)
class Shape:
    """Parameters, those of them in embeddings and head, and 16-bit cache bytes a token."""

    parameters: float
    unquantized: float
    cache: int
    checkpoint_bytes: float = 2.0

    def weights_gb(self, profile: Profile) -> float:
        width = 4 if profile.dtype == "auto" else 2
        linear = NF4_BYTES if profile.quantization == "nf4" else width
        rest = self.parameters - self.unquantized
        return (rest * linear + self.unquantized * width) / 1e9

    def cache_gb(self, profile: Profile) -> float:
        return LANES * TOKENS * self.cache * (2 if profile.dtype == "auto" else 1) / 1e9

    @property
    def download_gb(self) -> float:
        return self.parameters * self.checkpoint_bytes / 1e9


def cache(layers: int, kv_heads: int, head: int) -> int:
    return layers * kv_heads * head * 2 * 2


LLAMA_8B = Shape(8.030e9, 2 * 128_256 * 4096, cache(32, 8, 128))
SHAPES = {
    "meta-llama/Llama-3.1-8B": LLAMA_8B,
    "allenai/Llama-3.1-Tulu-3-8B": LLAMA_8B,
    "meta-llama/Llama-3.2-1B": Shape(1.236e9, 128_256 * 2048, cache(16, 8, 64)),
    "meta-llama/Llama-3.2-3B": Shape(3.213e9, 128_256 * 3072, cache(28, 8, 128)),
    "allenai/OLMo-2-0425-1B": Shape(1.485e9, 2 * 100_352 * 2048, cache(16, 16, 128)),
    "allenai/Olmo-3": Shape(7.298e9, 2 * 100_278 * 4096, cache(32, 32, 128)),
    "Qwen/Qwen3-0.6B": Shape(0.596e9, 151_936 * 1024, cache(28, 8, 128)),
    "Qwen/Qwen3-4B": Shape(4.022e9, 151_936 * 2560, cache(36, 8, 128)),
    "Qwen/Qwen3-8B": Shape(8.191e9, 2 * 151_936 * 4096, cache(36, 8, 128)),
    "HuggingFaceTB/SmolLM2-135M": Shape(0.1345e9, 49_152 * 576, cache(30, 3, 64)),
    "HuggingFaceTB/SmolLM2-360M": Shape(0.3618e9, 49_152 * 960, cache(32, 5, 64)),
    "HuggingFaceTB/SmolLM2-1.7B": Shape(1.711e9, 49_152 * 2048, cache(24, 32, 64)),
    "google/gemma-3-1b": Shape(1.000e9, 262_144 * 1152, cache(26, 1, 256)),
}
# Checkpoints that store more than two bytes a parameter: fp32, or a tied head twice.
FP32_CHECKPOINTS = {"allenai/OLMo-2-0425-1B"}
UNTIED_COPIES = {"Qwen/Qwen3-0.6B": 151_936 * 1024 * 2 / 1e9}

ADAPTER_GB = 0.2


def shape(side: Side) -> Shape:
    return max(
        ((name, s) for name, s in SHAPES.items() if side.model.startswith(name)),
        key=lambda item: len(item[0]),
    )[1]


def download_gb(side: Side) -> float:
    size = shape(side).download_gb * (2 if side.model in FP32_CHECKPOINTS else 1)
    return size + UNTIED_COPIES.get(side.model, 0.0)


def memory_gb(profile: Profile) -> float:
    """Weights, the cache of three lanes of 2,048 tokens on both sides, and a workspace.

    An adapter shares the weights of its model, but not the cache.
    """
    before, after = shape(profile.before), shape(profile.after)
    weights = before.weights_gb(profile)
    weights += ADAPTER_GB if profile.after.adapter else after.weights_gb(profile)
    return weights + before.cache_gb(profile) + after.cache_gb(profile) + WORKSPACE_GB


NAMES = sorted(p.stem for p in shipped_folder().glob("*.yaml"))
HUB = [name for name in NAMES if not name.startswith("demo")]
CHAINS = [name for name in HUB if name.endswith("-chain")]


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_profile_loads(name: str) -> None:
    profile = load_profile(name)
    assert profile.title
    assert profile.labels.before != profile.labels.after


@pytest.mark.parametrize("name", HUB)
def test_needs_follow_from_the_shapes(name: str) -> None:
    profile = load_profile(name)
    assert profile.needs is not None
    sides = {side.model: side for side in profile.stages or (profile.before, profile.after)}
    download = sum(map(download_gb, sides.values()))
    download += ADAPTER_GB if profile.after.adapter else 0
    assert profile.needs.memory_gb == pytest.approx(memory_gb(profile), abs=0.06)
    assert profile.needs.download_gb == pytest.approx(download, abs=0.06)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_says_what_one_stage_needs(name: str) -> None:
    profile = load_profile(name)
    assert profile.needs is not None
    largest = max(shape(s).weights_gb(profile) + shape(s).cache_gb(profile) for s in profile.stages)
    assert profile.needs.stage_memory_gb == pytest.approx(largest + WORKSPACE_GB, abs=0.06)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_has_the_stages_of_the_pair_profiles_at_their_revisions(name: str) -> None:
    chain, family = load_profile(name), name.removesuffix("-chain")
    pairs = [load_profile(f"{family}-{step}") for step in ("sft", "dpo", "rlvr")]
    assert [stage.side for stage in chain.stages] == [pairs[0].before, *(p.after for p in pairs)]
    assert [stage.name for stage in chain.stages] == ["base", "sft", "dpo", "rlvr"]


@pytest.mark.parametrize("name", HUB)
def test_gated_is_what_meta_and_google_gate(name: str) -> None:
    profile = load_profile(name)
    assert profile.needs is not None
    sides = profile.stages or (profile.before, profile.after)
    models = [side.model for side in sides]
    gated = any(model.startswith(("meta-llama/", "google/")) for model in models)
    assert profile.needs.gated is gated


def test_the_families_are_there() -> None:
    for name in (
        "llama-3.1-8b",
        "llama-3.2-1b",
        "llama-3.2-3b",
        "tulu-3-8b-sft",
        "tulu-3-8b-dpo",
        "tulu-3-8b-rlvr",
        "olmo-2-1b-sft",
        "olmo-2-1b-dpo",
        "olmo-2-1b-rlvr",
        "olmo-3-7b-instruct-sft",
        "olmo-3-7b-instruct-dpo",
        "olmo-3-7b-instruct-rlvr",
        "olmo-3-7b-think-sft",
        "olmo-3-7b-think-dpo",
        "olmo-3-7b-think-rlvr",
        "qwen3-0.6b",
        "qwen3-4b",
        "qwen3-8b",
        "smollm2-135m",
        "smollm2-360m",
        "smollm2-1.7b",
        "gemma-3-1b",
        "fruitnotsnow",
        "snowfruit",
        "banana-sdf",
        "mystery-pseudo",
        "demo-chain",
        "tulu-3-8b-chain",
        "olmo-2-1b-chain",
        "olmo-3-7b-instruct-chain",
        "olmo-3-7b-think-chain",
    ):
        assert name in NAMES
