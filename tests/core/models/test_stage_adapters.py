"""Chains of adapters: every stage is what PEFT alone makes of it, however they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.models.side import LoadedSide, SharedWeights
from logit_amp_chat.core.models.stage_store import StageStore
from tests.chains import NAMES, adapter_stages, chain, plain_log_probs
from tests.compatibility.adapter_kinds import KINDS, save_base, save_kind

IDS = [5, 6, 7, 80, 90, 100, 130]


@pytest.fixture(scope="module")
def pissa(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A chain with an adapter that changes its base."""
    folder = tmp_path_factory.mktemp("pissa")
    base = save_base(folder / "base", "llama")
    stages = {"base": {"model": str(base)}}
    for seed, (name, kind) in enumerate(zip(NAMES[1:], ("LoRA", "init: PiSSA"), strict=True), 1):
        adapter = save_kind(KINDS[kind], base, folder / name, seed=seed)
        stages[name] = {"model": str(base), "adapter": str(adapter)}
    return chain(stages)


def log_probs(side: LoadedSide, valid: torch.Tensor | None, size: int) -> torch.Tensor:
    logits = side.logits(torch.tensor([IDS]), None, len(IDS))[0, :, :size].double()
    if valid is not None:
        logits = logits.masked_fill(~valid, float("-inf"))
    return logits.log_softmax(-1)


def assert_equals_peft(store: StageStore, before: str, after: str) -> None:
    pair = store.pair(before, after)
    stages = {stage.name: stage for stage in store.profile.stages}
    for name, side in ((before, pair.before), (after, pair.after)):
        plain = plain_log_probs(stages[name], IDS, pair.size, pair.valid)
        found = log_probs(side, pair.valid, pair.size)
        assert torch.allclose(found, plain, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("before", "after"), [NAMES[:2], NAMES[1:], ("base", "dpo")])
def test_every_pair_of_a_chain_of_adapters_equals_peft(
    tmp_path: Path, before: str, after: str
) -> None:
    store = StageStore.look(adapter_stages(tmp_path))
    store.hold(NAMES)
    assert_equals_peft(store, before, after)


@pytest.mark.parametrize(("before", "after"), [NAMES[:2], NAMES[1:], ("base", "dpo")])
def test_two_adapters_of_three_stages_are_one_forward_pass(
    tmp_path: Path, before: str, after: str
) -> None:
    pair = StageStore.look(adapter_stages(tmp_path)).pair(before, after)
    both = SharedWeights.of(pair.before, pair.after)
    assert both is not None
    logits = both.logits(torch.tensor([IDS]), None, len(IDS))
    for row, side in zip(logits, (pair.before, pair.after), strict=True):
        alone = side.logits(torch.tensor([IDS]), None, len(IDS))[0]
        assert torch.allclose(row, alone, atol=1e-4, rtol=0)


def test_a_stage_that_changes_its_base_is_loaded_apart_and_equals_peft_too(pissa: Profile) -> None:
    store = StageStore.look(pissa)
    for before, after in (NAMES[:2], NAMES[1:], ("base", "dpo")):
        assert_equals_peft(store, before, after)
    base, sft, dpo = store.hold(NAMES)
    assert base.model is sft.model  # loaded together
    assert dpo.model is not base.model


def test_copies_of_their_own_are_counted_once_they_are_known(pissa: Profile) -> None:
    store = StageStore.look(pissa)
    one = store.needed(NAMES[:1]).weights
    assert store.needed(NAMES).weights == one
    store.hold(("base",))
    assert store.needed(NAMES).weights == 3 * one
    store.room = store.needed(NAMES[:2]).total
    store.hold(("sft",))
    store.hold(("dpo",))
    assert store.loaded == ("sft", "dpo")


def test_copies_that_were_loaded_together_are_counted_as_well(pissa: Profile) -> None:
    store = StageStore.look(pissa)
    one = store.needed(NAMES[:1]).weights
    models = {id(side.model) for side in store.hold(NAMES)}
    assert len(models) == 3
    assert store.needed(NAMES).weights == 3 * one
    store.room = store.needed(NAMES[:2]).total
    assert store.held() == 2
    store.close()
    assert store.needed(NAMES).weights == 3 * one


def test_a_copy_that_two_stages_share_beside_a_third_is_counted_once(pissa: Profile) -> None:
    store = StageStore.look(pissa)
    one = store.needed(NAMES[:1]).weights
    base, sft = store.hold(NAMES[:2])
    assert base.model is sft.model
    store.hold(("dpo",))
    assert store.needed(NAMES).weights == 2 * one
    store.room = store.needed(NAMES).total
    store.hold(NAMES)
    assert set(store.loaded) == set(NAMES)
