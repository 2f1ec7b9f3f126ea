"""The memory of a sweep is estimated without loading a weight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoConfig

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.sampling_memory import sampling_memory
from logit_amp_chat.core.errors import PairError


def test_a_row_has_both_caches_twice_and_the_logits(tiny_pair: Callable[..., Profile]) -> None:
    profile = tiny_pair("llama")
    config = AutoConfig.from_pretrained(profile.after.model)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    of_token = 4 * 2 * config.num_hidden_layers * config.num_key_value_heads * head
    for tokens, alphas in ((100, 6), (300, 2)):
        found = sampling_memory(profile, tokens, alphas)
        logits = 4 * config.vocab_size * (10 + alphas)
        assert found.row == pytest.approx(2 * 2 * of_token * tokens + logits, rel=0.001)


def test_the_weights_are_those_of_both_sides(tiny_pair: Callable[..., Profile]) -> None:
    profile = tiny_pair("llama")
    files = [Path(side.model) / "model.safetensors" for side in (profile.before, profile.after)]
    stored = sum(file.stat().st_size for file in files)
    assert sampling_memory(profile, 10, 1).weights == pytest.approx(stored, rel=0.02)


def test_models_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    profile = Profile.model_validate(
        {
            "name": "x",
            "title": "x",
            "before": {"model": str(tmp_path)},
            "after": {"model": str(tmp_path)},
        }
    )
    with pytest.raises(PairError):
        sampling_memory(profile, 10, 1)
