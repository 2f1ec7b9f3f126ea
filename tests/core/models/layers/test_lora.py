"""Adapters chosen per row: PEFT's numbers, both sides in one pass, and what is left to PEFT."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.models.layers.lora import with_rows
from logit_amp_chat.core.models.layers.packed_linear import pack
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.models.side import LoadedSide, SharedWeights
from logit_amp_chat.core.records import PromptIds
from tests.models import save_adapter, save_pair, tiny_model

IDS = torch.tensor([[5, 6, 7, 80, 90, 100]])
NF4 = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
)
Model = Any
MakeProfile = Callable[..., Profile]


def adapted(model: Model, **options: Any) -> Model:
    """`model` with two adapters of random factors, a and b."""
    options = {"r": 4, "target_modules": "all-linear", **options}
    model = get_peft_model(model, LoraConfig(**options), adapter_name="a")
    model.add_adapter("b", LoraConfig(**{**options, "r": 2, "lora_alpha": 3}))
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return model.eval()


@torch.inference_mode()
def peft_logits(model: PeftModel, adapter: str | None) -> Any:
    if adapter is None:
        with model.disable_adapter():
            return model(IDS).logits
    model.set_adapter(adapter)
    return model(IDS).logits


def assert_peft_agrees(model: Model, within: float = 1e-5, packed: bool = False) -> None:
    reference = copy.deepcopy(model)
    found = with_rows(model)
    assert found is not None
    converted, rows = found
    if packed:
        pack(converted)
    for adapter in (None, "a", "b", None):
        side = LoadedSide(converted, adapter, shared=True, rows=rows)
        ours = side.logits(IDS, side.new_cache(), IDS.shape[1])
        theirs = peft_logits(reference, adapter)
        torch.testing.assert_close(ours, theirs.float(), atol=within, rtol=within)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma3", "qwen3"])
def test_each_adapter_gives_peft_s_numbers(architecture: str, packed: bool) -> None:
    assert_peft_agrees(adapted(copy.deepcopy(tiny_model(architecture))), packed=packed)


def test_so_it_does_where_it_changes_some_of_the_layers_of_one_input() -> None:
    model = adapted(copy.deepcopy(tiny_model()), target_modules=["k_proj", "up_proj"])
    assert_peft_agrees(model, packed=True)


def test_factors_are_more_precise_than_the_weights() -> None:
    """As in PEFT: fp32 on a model in bf16."""
    model = adapted(copy.deepcopy(tiny_model()).to(torch.bfloat16))
    assert {p.dtype for n, p in model.named_parameters() if "lora_" in n} == {torch.float32}
    assert_peft_agrees(model, within=0.02)


def test_rank_stabilized_scaling_is_peft_s() -> None:
    assert_peft_agrees(adapted(copy.deepcopy(tiny_model()), use_rslora=True))


def test_on_four_bit_weights_too(tmp_path: Path) -> None:
    before, _ = save_pair(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(
        before, quantization_config=NF4, device_map="cpu", dtype=torch.float32
    )
    assert_peft_agrees(adapted(model))


@pytest.mark.parametrize(
    "more",
    [
        {"use_dora": True},
        {"lora_bias": True},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"modules_to_save": ["lm_head"]},
    ],
    ids=["dora", "biases", "embeddings", "modules of its own"],
)
def test_what_is_more_than_factors_on_linear_layers_stays_peft_s(more: dict[str, Any]) -> None:
    options = {"r": 4, "target_modules": ["q_proj"], **more}
    model = get_peft_model(copy.deepcopy(tiny_model()), LoraConfig(**options), adapter_name="a")
    kinds = [type(module) for module in model.modules()]
    assert with_rows(model) is None
    assert [type(module) for module in model.modules()] == kinds


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("lora")
    base, _ = save_pair(folder)
    adapters = [save_adapter(base, folder / f"adapter-{n}", seed=n) for n in (1, 2)]
    before, after = ({"model": str(base), "adapter": str(one)} for one in adapters)
    described = {"before": before, "after": after, "name": "lora", "dtype": "float32"}
    return load_pair(Profile.model_validate({**described, "device": "cpu"}))


def apart(pair: Pair) -> Pair:
    """The same sides as two models, not as rows of one."""
    after = replace(pair.after, rows=copy.deepcopy(pair.after.rows))
    model = copy.deepcopy(pair.after.model)
    for module in model.modules():
        if hasattr(module, "_rows"):
            module._rows = after.rows
    return replace(pair, after=replace(after, model=model))


def decoded(
    sides: PairRunner, prompt: PromptIds, forced: tuple[int, ...], lanes: Sequence[Sequence[int]]
) -> list[Tensor]:
    """All logits of a reply in these lanes, before's and after's in turn."""
    assert [*sides.prefill(prompt, forced)][-1][0] > 0
    seen = [*sides.logits]
    sides.expand(len(lanes))
    for tokens in zip(*lanes, strict=True):
        seen += sides.decode(torch.tensor(tokens))
        sides.append_tokens(tokens)
    sides.keep()
    return seen


def test_one_forward_for_both_gives_the_numbers_of_two(pair: Pair) -> None:
    """Over several turns: prefill, decode three lanes, continue from one of them."""
    one, two = PairRunner(pair), PairRunner(apart(pair))
    assert len(one.caches) == 3
    assert len(two.caches) == 2
    prompt, lanes = tuple(range(5, 25)), ((30, 31), (40, 41), (50, 51))
    other = (*prompt, 40, 41, 60, 61)
    for ids, forced in ((prompt, ()), (other, (70, 71)), (prompt, (30, 99))):
        both = PromptIds(before=ids, after=ids)
        ours, theirs = (decoded(sides, both, forced, lanes) for sides in (one, two))
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_of_a_prompt_that_goes_on_only_what_is_new_is_read(pair: Pair) -> None:
    sides, prompt = PairRunner(pair), tuple(range(5, 25))
    decoded(sides, PromptIds(before=prompt, after=prompt), (), ((30, 31), (40, 41)))
    longer = (*prompt, 40, 41, 60)
    assert [*sides.prefill(PromptIds(before=longer, after=longer), ())] == [(1, 1)]


def test_other_prompts_are_read_apart(pair: Pair) -> None:
    """When a side has its own system prompt, nothing can be shared."""
    sides = PairRunner(pair)
    prompts = PromptIds(before=tuple(range(5, 25)), after=tuple(range(7, 20)))
    ours = decoded(sides, prompts, (), ((30,),))
    both = ((pair.before, prompts.before, ours[0]), (pair.after, prompts.after, ours[1]))
    for side, ids, logits in both:
        alone = side.logits(torch.tensor([ids]), side.new_cache(), 1)
        torch.testing.assert_close(logits, alone[0], atol=1e-4, rtol=1e-4)


def test_two_models_are_no_twins(tiny_pair: MakeProfile) -> None:
    pair = load_pair(tiny_pair())
    assert SharedWeights.of(pair.before, pair.after) is None


def test_the_factors_count_as_memory(pair: Pair) -> None:
    bare = sum(p.nbytes for p in tiny_model().parameters())
    factors = sum(m.nbytes for n, m in pair.after.model.named_buffers() if "updates" in n)
    assert factors > 0
    assert pair.memory == pytest.approx(bare + factors, rel=0.01)
