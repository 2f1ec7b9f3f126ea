"""Adapters for vLLM: an adapter is refused, or its files are what PEFT makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from logit_amp_chat.core.engine.vllm_adapters import (
    AdaptedProcess,
    AdapterPairs,
    check_adapter,
    lora_settings,
)
from logit_amp_chat.core.engine.vllm_process import VllmProcess
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.hub import Source, adapter_source
from tests.compatibility.adapter_kinds import KINDS, LORA_VARIANTS, load_base, save_base, save_kind
from tests.core.vllm.adapted_stand_in import adapted
from tests.models import save_adapter, save_side

HELD = {
    "LoRA",
    "LoRA on all linear layers",
    "rsLoRA",
    "rank_pattern, alpha_pattern",
    "init: EVA",
    "init: MiCA",
    "init: orthogonal",
    "init: Gaussian",
}
IDS = torch.tensor([[5, 6, 7, 80, 90, 100, 130]])


class Recorded(VllmProcess):
    """Keeps what it was asked, and what each side of a pair of adapters was when it was asked."""

    def __init__(self, model: Any) -> None:
        self.facts = {"context": 10}
        self.model = model
        self.asked: list[tuple[Any, ...]] = []
        self.sides: dict[int, tuple[Any, Any]] = {}
        self.folders: list[Path] = []
        self.closed = False

    def ask(self, kind: str, *arguments: Any) -> Any:
        self.asked.append((kind, *arguments[:1]))
        if kind == "use" and len(arguments) == 2:
            folder = Path(arguments[1])
            self.folders.append(folder)
            before, after = (adapted(self.model, folder, side) for side in ("before", "after"))
            self.sides[arguments[0]] = before, after

    def close(self) -> None:
        self.closed = True


def found(folder: Path) -> Source:
    return adapter_source(str(folder), lambda _: None)


@torch.inference_mode()
def logits(model: Any) -> torch.Tensor:
    result: torch.Tensor = model(IDS).logits
    return result


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_side(tmp_path_factory.mktemp("base"))


@pytest.fixture
def two(base: Path, tmp_path: Path) -> tuple[Source, Source]:
    return found(save_adapter(base, tmp_path / "a", 1)), found(
        save_adapter(base, tmp_path / "b", 2, r=16, target_modules=["q_proj", "o_proj"])
    )


# LoftQ cannot be made without a GPU.
NAMES = [*(LORA_VARIANTS.keys() - {"init: LoftQ"}), "AdaLoRA", "VeRA", "IA3"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_adapter_is_refused_or_is_what_peft_makes_of_it(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    base = save_base(tmp_path / "base", kind.model)
    source = found(save_kind(kind, base, tmp_path / "adapter", seed=1))
    model = load_base(base)
    if name not in HELD:
        with pytest.raises(PairError, match=r"vLLM cannot hold the adapter .*: .*") as caught:
            check_adapter(source, model)
        assert "engine: local" in caught.value.remedy
        return
    check_adapter(source, model)
    process = Recorded(model)
    AdapterPairs(process, [source]).use((None, source))
    before, after = process.sides[1]
    assert torch.equal(logits(before), logits(model))
    with_peft = peft.PeftModel.from_pretrained(load_base(base), str(source.folder)).eval()
    assert torch.allclose(logits(after), logits(with_peft), atol=1e-5, rtol=0)
    assert not torch.allclose(logits(after), logits(before), atol=1e-3)


def test_an_adapter_of_another_model_is_refused(base: Path, tmp_path: Path) -> None:
    other = save_base(tmp_path / "other", "gpt2")
    source = found(save_adapter(base, tmp_path / "a", 1))
    with pytest.raises(PairError, match=r"the model has no model\.layers\.0\.mlp\.up_proj"):
        check_adapter(source, load_base(other))


def test_a_mixture_of_experts_has_no_adapters(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base", "mixtral")
    source = found(save_adapter(base, tmp_path / "a", 1, target_modules=["q_proj"]))
    with pytest.raises(PairError, match="a mixture of experts"):
        check_adapter(source, load_base(base))


def test_a_rank_that_is_too_large_for_vllm_is_refused(base: Path, tmp_path: Path) -> None:
    source = found(save_adapter(base, tmp_path / "a", 1, r=600))
    with pytest.raises(PairError, match="its rank is 600, and at most 512 is possible"):
        check_adapter(source, load_base(base))


def test_each_side_has_its_own_adapter(base: Path, two: tuple[Source, Source]) -> None:
    process = Recorded(load_base(base))
    AdapterPairs(process, two).use(two)
    for side, source in zip(process.sides[1], two, strict=True):
        alone = peft.PeftModel.from_pretrained(load_base(base), str(source.folder)).eval()
        assert torch.allclose(logits(side), logits(alone), atol=1e-5, rtol=0)


def test_a_pair_of_adapters_is_written_once_and_leaves_no_file(
    base: Path, two: tuple[Source, Source]
) -> None:
    process = Recorded(load_base(base))
    pairs = AdapterPairs(process, two)
    for wanted in (two, two, (None, two[1]), two, (None, None), two):
        pairs.use(wanted)
    assert process.asked == [("use", n) for n in (1, 2, 1, 3, 1)]
    assert len(process.folders) == 3
    assert not any(folder.exists() for folder in process.folders)


def test_that_no_side_has_an_adapter_is_said_by_one_that_changes_nothing(
    base: Path, two: tuple[Source, Source]
) -> None:
    process = Recorded(load_base(base))
    AdapterPairs(process, [None, *two]).use((None, None))
    assert all(torch.equal(logits(side), logits(process.model)) for side in process.sides[1])


def test_without_adapters_nothing_is_said_of_them(base: Path) -> None:
    process = Recorded(load_base(base))
    AdapterPairs(process, [None, None]).use((None, None))
    assert not process.asked


def test_engines_that_share_a_process_have_adapters_of_their_own(
    base: Path, two: tuple[Source, Source]
) -> None:
    process = Recorded(load_base(base))
    pairs = AdapterPairs(process, two)
    one, other = (AdaptedProcess(pairs, (None, source)) for source in two)
    for each in (one, one, other, one):
        each.ask("begin")
    kinds = [kind for kind, *_ in process.asked]
    assert kinds == ["use", "begin", "begin", "use", "begin", "use", "begin"]
    one.close()
    assert not process.closed


def test_vllm_is_told_what_there_can_be(two: tuple[Source, Source]) -> None:
    assert lora_settings([None, None]) == {}
    settings = lora_settings([None, *two])
    assert settings["max_cpu_loras"] == 9
    assert (settings["max_loras"], settings["max_lora_rank"]) == (4, 16)
    assert settings["lora_target_modules"] == ["o_proj", "q_proj", "up_proj", "v_proj"]
    assert lora_settings(two[:1])["max_loras"] == 1
