"""Adapters that change their base, that cannot be decoded with, and that do not share a model.

Their numbers are compared with PEFT alone in tests/compatibility.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.pair import Pair, load_pair
from tests.compatibility.adapter_kinds import KINDS, save_base, save_kind
from tests.core.models.test_pair import profile

SEPARATELY = "each side is loaded separately, in twice the memory"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"), "llama")


def opened(base: Path, before: Path | None, after: Path | None) -> Pair:
    sides = [
        {"model": str(base)} | ({"adapter": str(adapter)} if adapter else {})
        for adapter in (before, after)
    ]
    return load_pair(profile(*sides))


def test_an_adapter_that_changes_its_base_leaves_before_alone(base: Path, tmp_path: Path) -> None:
    adapter = save_kind(KINDS["init: PiSSA"], base, tmp_path / "pissa", seed=1)
    pair = opened(base, None, adapter)
    assert pair.before.model is not pair.after.model
    sentence = f"{adapter} changes the weights of the base model when loaded: {SEPARATELY}."
    assert sentence in pair.notices


def test_the_same_such_adapter_on_both_sides_is_held_once(base: Path, tmp_path: Path) -> None:
    adapter = save_kind(KINDS["init: PiSSA"], base, tmp_path / "pissa", seed=1)
    pair = opened(base, adapter, adapter)
    assert pair.before.model is pair.after.model
    assert not any(SEPARATELY in notice for notice in pair.notices)


def test_what_leaves_the_base_alone_shares_it(base: Path, tmp_path: Path) -> None:
    one, other = (save_kind(KINDS["DoRA"], base, tmp_path / f"{n}", seed=n) for n in (1, 2))
    pair = opened(base, one, other)
    assert pair.before.model is pair.after.model
    assert not any(SEPARATELY in notice for notice in pair.notices)


def test_two_kinds_that_peft_cannot_hold_in_one_model_are_loaded_separately(
    base: Path, tmp_path: Path
) -> None:
    one = save_kind(KINDS["LoRA"], base, tmp_path / "lora", seed=1)
    other = save_kind(KINDS["IA3"], base, tmp_path / "ia3", seed=1)
    pair = opened(base, one, other)
    assert f"PEFT cannot hold {one} and {other} in one model: {SEPARATELY}." in pair.notices


def test_of_two_adapters_the_one_that_does_not_fit_is_named(base: Path, tmp_path: Path) -> None:
    one = save_kind(KINDS["LoRA"], base, tmp_path / "lora", seed=1)
    gpt2 = save_base(tmp_path / "gpt2", "gpt2")
    other = save_kind(KINDS["bias of the base"], gpt2, tmp_path / "other", seed=1)
    with pytest.raises(PairError, match=rf"The adapter {other} does not fit the model"):
        opened(base, one, other)


def test_a_second_copy_that_does_not_fit_into_memory_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = save_kind(KINDS["init: PiSSA"], base, tmp_path / "pissa", seed=1)
    free = iter([10**12, 10])
    monkeypatch.setattr(
        "logit_amp_chat.core.models.memory_estimate.available_ram", lambda: next(free)
    )
    with pytest.raises(PairError, match=rf"{SEPARATELY}\. This pair needs about"):
        opened(base, None, adapter)


@pytest.mark.parametrize(
    ("kind", "changed", "reason"),
    [
        ("Prefix tuning", {}, "it is of type PREFIX_TUNING, which puts virtual tokens"),
        ("aLoRA", {}, "it is an aLoRA, which acts only on the text after"),
        ("PVeRA", {"sample_at_inference": True}, "it draws random numbers at every token"),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_weight_is_read(
    base: Path, tmp_path: Path, kind: str, changed: dict[str, object], reason: str
) -> None:
    adapter = save_kind(KINDS[kind], base, tmp_path / "adapter", seed=1)
    change(adapter / "adapter_config.json", changed)
    broken = save_base(tmp_path / "broken", "llama")
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(PairError, match=f"The adapter {adapter} cannot be used: {reason}"):
        opened(broken, None, adapter)


def test_a_type_that_nobody_has_compared_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = save_kind(KINDS["VeRA"], base, tmp_path / "vera", seed=1)
    monkeypatch.setattr("logit_amp_chat.core.models.adapters.COMPARED", frozenset({"LORA"}))
    with pytest.raises(PairError, match="it is of type VERA, which nobody has compared with PEFT"):
        opened(base, None, adapter)


def test_whatever_peft_raises_is_one_sentence(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LoftQ wants a package, and a GPU by an assertion."""

    def load_adapter(*_: object, **__: object) -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")

    adapter = save_kind(KINDS["LoRA"], base, tmp_path / "lora", seed=1)
    monkeypatch.setattr("peft.PeftModel.load_adapter", load_adapter)
    with pytest.raises(PairError, match=f"{adapter} cannot be loaded: Torch not compiled"):
        opened(base, None, adapter)


@pytest.mark.parametrize(("kind", "quantization"), [("IA3", "nf4"), ("DoRA", "int8")])
def test_what_peft_cannot_run_in_a_precision_is_refused_when_opened(
    base: Path, tmp_path: Path, kind: str, quantization: str
) -> None:
    adapter = save_kind(KINDS[kind], base, tmp_path / kind, seed=1)
    after = {"model": str(base), "adapter": str(adapter)}
    with pytest.raises(PairError, match=f"{adapter} was loaded, but cannot run: .*dtype"):
        load_pair(profile(base, after, dtype="bfloat16", quantization=quantization))


@pytest.mark.parametrize("kind", ["LoRA", "DoRA"])
def test_on_quantized_weights_the_base_is_shared_as_well(
    base: Path, tmp_path: Path, kind: str
) -> None:
    adapter = save_kind(KINDS[kind], base, tmp_path / kind, seed=1)
    after = {"model": str(base), "adapter": str(adapter)}
    pair = load_pair(profile(base, after, dtype="bfloat16", quantization="nf4"))
    assert pair.before.model is pair.after.model


def change(file: Path, changed: dict[str, object]) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
