"""A text is read with the right numbers by every kind of pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.reading import ReadBlock, ReadRequest, Recorded
from logit_amp_chat.core.records import PromptIds, Step
from tests.models import VOCABULARY, save_adapter, save_side

TEXT = "The quick brown fox, it says, lives in the dark wood. " * 6
MakeProfile = Callable[..., Profile]


def _steps(profile: Profile, content: Recorded) -> list[Step]:
    events = LocalEngine.open(profile).read(ReadRequest(document="d-1", content=content))
    return [step for event in events if isinstance(event, ReadBlock) for step in event.steps]


def plain_numbers(
    models: Sequence[Any], ids: Sequence[int], size: int
) -> tuple[list[float], list[float]]:
    """log p of every id but the first under each of two models, over the first `size` ids."""
    found = []
    for model in models:
        with torch.inference_mode():
            logits = model(torch.tensor([list(ids)]), use_cache=False).logits[0, :, :size]
        table = logits.double().log_softmax(dim=-1)
        found.append([float(table[n, token]) for n, token in enumerate(ids[1:])])
    return found[0], found[1]


def read_ids(profile: Profile) -> tuple[list[int], list[Step]]:
    """The ids of TEXT after the beginning, and their steps."""
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    content = Recorded(prompt=PromptIds((ids[0],), (ids[0],)), tokens=tuple(ids[1:]))
    return ids, _steps(profile, content)


def assert_same(found: Sequence[Step], before: Sequence[float], after: Sequence[float]) -> None:
    assert [step.logp.before for step in found] == pytest.approx(before, abs=1e-4)
    assert [step.logp.after for step in found] == pytest.approx(after, abs=1e-4)


def test_an_adapter_on_one_model_has_the_numbers_of_peft_alone(tmp_path: Path) -> None:
    base = save_side(tmp_path / "base", seed=1)
    adapter = save_adapter(base, tmp_path / "adapter", seed=1)
    sides = (Side(model=str(base)), Side(model=str(base), adapter=str(adapter)))
    profile = Profile(
        name="tiny", before=sides[0], after=sides[1], dtype="float32", quantization="none"
    )
    ids, found = read_ids(profile)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(adapter)
    )
    assert_same(found, *plain_numbers((plain, adapted), ids, plain.config.vocab_size))


def test_padding_rows_of_a_head_are_no_tokens(tmp_path: Path) -> None:
    before = save_side(tmp_path / "before", seed=1)
    after = save_side(tmp_path / "after", seed=2, rows=VOCABULARY + 64)
    sides = (Side(model=str(before)), Side(model=str(after)))
    profile = Profile(
        name="tiny", before=sides[0], after=sides[1], dtype="float32", quantization="none"
    )
    ids, found = read_ids(profile)
    models = [
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        for folder in (before, after)
    ]
    named = len(AutoTokenizer.from_pretrained(before).get_vocab())
    assert_same(found, *plain_numbers(models, ids, named))


def test_quantized_weights_have_the_numbers_of_their_own_forward(tiny_pair: MakeProfile) -> None:
    profile = tiny_pair(quantization="nf4", dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    models = [
        AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=config, dtype=torch.float32, device_map="cpu"
        )
        for folder in (profile.before.model, profile.after.model)
    ]
    _, found = read_ids(profile)
    assert_same(found, *plain_numbers(models, ids, models[0].config.vocab_size))
