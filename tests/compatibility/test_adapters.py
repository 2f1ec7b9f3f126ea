"""A sample of the kinds of adapters, and that none is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from peft import PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from tests.compatibility.adapter_kinds import KINDS
from tests.compatibility.adapters import PAGE, measure

RIGHT = (
    "LoRA on all linear layers",
    "rank_pattern, alpha_pattern",
    "lora_bias",
    "bias of the base",
    "DoRA",
    "modules_to_save: head that is tied",
    "modules_to_save: whole MLPs",
    "trainable_token_indices, tied",
    "target_parameters",
    "target_parameters: a linear weight",
    "layer_replication",
    "init: PiSSA",
    "init: PiSSA, fast SVD",
    "init: OLoRA",
    "HRA",
    "IA3",
    "PEANuT",
    "Trainable tokens, tied",
    "VB-LoRA",
)
REFUSED = (
    "aLoRA",
    "init: CorDA",
    "Adaption prompt",
    "CPT",
    "Lily",
    "P-tuning",
    "Poly",
    "Prefix tuning",
    "Prompt tuning",
    "Shadow",
    "X-LoRA",
)


@pytest.mark.parametrize("name", RIGHT)
def test_both_sides_agree_with_peft_alone(name: str, tmp_path: Path) -> None:
    assert measure(name, KINDS[name], tmp_path).verdict == "right"


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_decoded_token_by_token_is_refused(name: str, tmp_path: Path) -> None:
    row = measure(name, KINDS[name], tmp_path)
    assert row.verdict == "refused"
    assert row.sentence.startswith("The adapter NAME cannot be used: it ")


def test_every_type_that_peft_has_is_among_the_kinds() -> None:
    used = {kind.config for kind in KINDS.values()}
    types = {
        name for name, config in PEFT_TYPE_TO_CONFIG_MAPPING.items() if config.__name__ in used
    }
    assert types == set(PeftType)


def test_the_page_lists_every_kind_and_none_is_wrong() -> None:
    lines = [line.split(" | ") for line in PAGE.read_text("utf-8").splitlines() if " | " in line]
    verdicts = {line[0].removeprefix("| "): line[1] for line in lines[1:]}
    assert verdicts.keys() - {"---"} == KINDS.keys()
    assert "WRONG" not in verdicts.values()
