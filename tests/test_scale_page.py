"""The figures of docs/scale.md are those of the memory estimate and of a card that was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding import sampling_memory as memory
from logit_amp_chat.core.decoding.row_limits import MOST_ROWS, SHARE
from logit_amp_chat.core.experiments.sweep.dry_run import BYTES, NUMBERS
from logit_amp_chat.core.experiments.sweep.settings import GRID
from logit_amp_chat.core.models.memory_estimate import CACHED_TOKENS, Estimate, estimate
from tests.sparse_models import LLAMA_8B, LLAMA_70B, save_sparse_llama

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
CARD: dict[str, Any] = json.loads((ROOT / "docs" / "gpu" / "h100.json").read_text())
COPIES = CARD["machine"]["copy_gb_per_s"] * 1e9
REPLIES, TOKENS, CONTEXT, LONGEST = 100_000, 100, 150, 300
"""Replies of 100 tokens to prompts of 100: 150 stand before the one in the middle."""

GPUS, GB = 8, 1e9


def row(title: str) -> float:
    """The figure that a table of the page has beside a title."""
    (found,) = re.findall(rf"^\| {re.escape(title)}.* \| ([\d,.]+)[^|]*\|$", PAGE, re.MULTILINE)
    return float(found.replace(",", ""))


def pair(folder: Path, shape: dict[str, int], quantization: str = "none") -> Profile:
    sides = {side: {"model": str(save_sparse_llama(folder / side, shape))}
             for side in ("before", "after")}  # fmt: skip
    return Profile.model_validate({"name": "p", "quantization": quantization, **sides})


def needed(profile: Profile) -> Estimate:
    folders = [Path(profile.before.model), Path(profile.after.model)]
    return estimate(
        profile, [(folder, LlamaConfig.from_pretrained(folder)) for folder in folders], True
    )


@pytest.fixture(autouse=True)
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "choose_device", lambda _: torch.device("cuda"))


def test_the_sweep_of_an_8b_pair_takes_what_the_page_says(tmp_path: Path) -> None:
    profile = pair(tmp_path, LLAMA_8B)
    need = memory.sampling_memory(profile, LONGEST, len(GRID))
    assert need.row is not None
    assert row("weights of both sides, on every GPU") == pytest.approx(need.weights / GB, abs=0.05)
    assert row("a reply of up to 300 tokens") == pytest.approx(need.row / GB, abs=0.0006)
    free = CARD["machine"]["free_gb"] * GB - need.weights
    rows = min(MOST_ROWS, int(SHARE * free / need.row))
    assert row("replies at once on a GPU") == rows
    read = need.weights + rows * CONTEXT * cache(needed(profile))
    assert row("a step reads") == pytest.approx(read / GB, abs=0.05)
    assert row("a step at the speed of copies on the card") == pytest.approx(
        1000 * read / COPIES, abs=0.05
    )
    steps = REPLIES * TOKENS / GPUS / rows
    assert row("10⁵ replies on eight GPUs") == pytest.approx(steps * read / COPIES / 60, abs=0.05)
    assert row("the same where a step takes 80 ms") == pytest.approx(steps * 0.08 / 60, abs=0.5)
    assert row("the folder") == pytest.approx(
        REPLIES * TOKENS * BYTES * (len(GRID) + NUMBERS) / GB, abs=0.05
    )
    assert 417 * len(GRID) * 40 == 100_080


def test_a_step_of_generate_took_80_ms() -> None:
    findings = CARD["steps"]["speed-qwen"]["findings"]
    (peer,) = (one["peer_tokens_a_second"] for one in findings if one["name"] == "captured")
    assert 1 / peer["median"] == pytest.approx(0.08, abs=0.005)


def test_a_70b_pair_takes_what_the_page_says(tmp_path: Path) -> None:
    need = needed(pair(tmp_path, LLAMA_70B))
    weights, token = need.weights, cache(need)
    assert token == 2 * 80 * 2 * 8 * 128 * 2  # both sides' layers, keys and values, heads, bytes
    assert row("KV of a token") == pytest.approx(token / 1e6, abs=0.005)
    assert weights == sum(2 * 70_553_706_496 for _ in "ab")  # the parameters of its model card
    assert f"| weights of both sides | {weights / GB:.1f} GB |" in PAGE
    assert row("of them on each GPU") == pytest.approx(weights / GPUS / GB, abs=0.05)
    left = GPUS * (0.9 * CARD["machine"]["memory_gb"] - 4) * GB - weights
    assert row("left for KV") == pytest.approx(left / GB, abs=0.05)
    assert row("conversations of 4,096 tokens") == int(left / token / 4096)
    assert row("replies of 300 tokens at once") == int(left / token / LONGEST)
    read = weights + 256 * CONTEXT * token
    seconds = read / COPIES / GPUS
    assert row("a step of 256 rows") == pytest.approx(read / GB, abs=0.05)
    assert row("such a step") == pytest.approx(1000 * seconds, abs=0.05)
    whole = REPLIES * TOKENS / 256 * seconds / 60
    assert row("10⁵ replies of 100 tokens") == pytest.approx(whole, abs=0.05)
    assert row("the same at 0.4") == pytest.approx(whole / 0.4, abs=0.5)
    assert row("download") == pytest.approx(weights * 8 / 1e9 / 60, abs=0.5)


def test_in_4_bits_it_fits_two_gpus(tmp_path: Path) -> None:
    need = needed(pair(tmp_path, LLAMA_70B, "nf4"))
    assert f"{need.weights / GB:.1f} GB, which two such GPUs hold" in " ".join(PAGE.split())
    assert need.total < 2 * CARD["machine"]["free_gb"] * GB


def cache(need: Estimate) -> int:
    """Bytes of both sides' caches for one token."""
    assert need.cache is not None
    return need.cache // CACHED_TOKENS
