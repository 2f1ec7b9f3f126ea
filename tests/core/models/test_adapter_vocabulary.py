"""An adapter whose tuner changed the vocabulary is refused with what happened and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.pair import load_pair
from tests.models import VOCABULARY, save_side, tiny_tokenizer


def resized_adapter(base: Path, folder: Path, rows: int) -> Path:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model.resize_token_embeddings(rows)
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(folder)
    return folder


def between(profile: Profile, before: Path, after: Path, adapter: Path | None = None) -> Profile:
    side = profile.before.model_copy(update={"model": str(before)})
    other = {"model": str(after), "adapter": adapter and str(adapter)}
    return profile.model_copy(
        update={"before": side, "after": profile.after.model_copy(update=other)}
    )


@pytest.mark.parametrize(("rows", "kind"), [(515, "added tokens"), (500, "fewer tokens")])
def test_both_numbers_of_rows_are_named(
    rows: int, kind: str, tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    base = save_side(tmp_path / "base")
    adapter = resized_adapter(base, tmp_path / "adapter", rows)
    with pytest.raises(PairError, match=rf"{kind}: its embeddings have {rows} rows") as refused:
        load_pair(between(tiny_pair(), base, base, adapter))
    assert f"resize_token_embeddings({rows})" in refused.value.remedy


def test_what_the_remedy_says_opens(tiny_pair: Callable[..., Profile], tmp_path: Path) -> None:
    base = save_side(tmp_path / "base")
    adapter = resized_adapter(base, tmp_path / "adapter", VOCABULARY + 3)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model.resize_token_embeddings(VOCABULARY + 3)
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    tiny_tokenizer().save_pretrained(tmp_path / "merged")
    assert load_pair(between(tiny_pair(), base, tmp_path / "merged")).size == VOCABULARY
