"""In low precision right models keep all caches, and wrong states are found all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.cache_guard import check_caches
from logit_amp_chat.core.models import quantized_weights
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.records import CacheCheck
from tests.compatibility.random_models import save_random_pair

NF4 = {"dtype": "bfloat16", "quantization": "nf4"}
BFLOAT16 = {"dtype": "bfloat16"}
FLOAT16 = {"dtype": "float16"}
DEEP = {"num_hidden_layers": 32}


@pytest.fixture(autouse=True)
def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(quantized_weights.FOLDER, "off")


def checked(folder: Path, precision: dict[str, str]) -> dict[str, CacheCheck]:
    sides = {side: {"model": str(folder / side)} for side in ("before", "after")}
    pair = load_pair(Profile.model_validate({**sides, **precision, "name": "t", "device": "cpu"}))
    return check_caches(pair)


def uses(checks: dict[str, CacheCheck]) -> dict[str, str]:
    return {name: check.use for name, check in checks.items()}


ALL = {"before": "turns", "after": "turns"}


@pytest.mark.parametrize(
    ("kind", "precision", "changed"),
    [
        ("llama", BFLOAT16, {}),
        ("llama", NF4, {}),
        ("mixtral", BFLOAT16, DEEP),
        ("qwen3_next", BFLOAT16, {"linear_num_value_heads": 16}),
        ("qwen3_next", FLOAT16, {"linear_num_value_heads": 16}),
    ],
    ids=["bfloat16", "nf4", "deep-experts", "exact-states-bfloat16", "exact-states-float16"],
)
def test_a_right_model_keeps_all_caches(
    tmp_path: Path, kind: str, precision: dict[str, str], changed: dict[str, Any]
) -> None:
    """Tokens of a deep mixture are sent to other experts by rounding; states can be exact."""
    save_random_pair(kind, tmp_path, **changed)
    assert uses(checked(tmp_path, precision)) == ALL


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_wrong_states_are_found_in_bfloat16_too(tmp_path: Path, seed: int) -> None:
    """Jamba's, in chunks: replies differ by less than the limit of models without states."""
    save_random_pair("jamba", tmp_path, seed)
    checks = checked(tmp_path, BFLOAT16)
    assert uses(checks) == {"before": "lanes", "after": "lanes"}
    assert all("chunks" in check.failed for check in checks.values())


@pytest.mark.parametrize("precision", [BFLOAT16, NF4], ids=["bfloat16", "nf4"])
def test_experts_do_not_excuse_what_rounding_does_not_explain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: dict[str, str]
) -> None:
    real = LoadedSide.logits

    def wrong(self: LoadedSide, ids: Any, cache: Any, last: int, start: int = 0) -> torch.Tensor:
        logits = real(self, ids, cache, last, start)
        in_chunks = cache is not None and start > 0 and ids.shape[1] > 1
        return logits + torch.linspace(0, 3, logits.shape[-1]) if in_chunks else logits

    monkeypatch.setattr(LoadedSide, "logits", wrong)
    save_random_pair("mixtral", tmp_path)
    assert uses(checked(tmp_path, precision)) == {"before": "lanes", "after": "lanes"}
