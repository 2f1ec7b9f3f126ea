"""What is known of the stages of a chain before any weight is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.described_stages import DescribedStages, describe_stages
from logit_amp_chat.core.protocol import Loading
from tests.chains import NAMES, adapter_stages, chain
from tests.models import TEMPLATE, save_side, tiny_tokenizer

OWN = TEMPLATE + "{# another one #}"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def saved(folder: Path, templates: Mapping[str, str | None]) -> Profile:
    for seed, (name, template) in enumerate(templates.items(), 1):
        save_side(folder / name, seed=seed, template=template)
    return chain({name: {"model": str(folder / name)} for name in templates})


def described(profile: Profile) -> DescribedStages:
    return describe_stages(profile, lambda _: None)


def drop_tokenizer(folder: Path) -> None:
    for name in TOKENIZER:
        (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("templates", "lent", "differing"),
    [
        ((None, None, None), None, None),
        ((None, TEMPLATE, None), TEMPLATE, None),
        ((None, TEMPLATE, TEMPLATE), TEMPLATE, None),
        ((None, TEMPLATE, OWN), OWN, "of dpo is used for all stages; that of sft differs."),
        ((TEMPLATE, OWN, None), OWN, "of sft is used for all stages; that of base differs."),
        ((TEMPLATE, OWN, TEMPLATE), TEMPLATE, "of dpo is used for all stages; that of sft differs"),
        ((TEMPLATE, TEMPLATE, OWN), OWN, "of dpo is used for all stages; that of base, sft differ"),
    ],
)
def test_the_last_stage_that_has_a_template_lends_it_to_all(
    tmp_path: Path,
    templates: tuple[str | None, ...],
    lent: str | None,
    differing: str | None,
) -> None:
    found = described(saved(tmp_path, dict(zip(NAMES, templates, strict=True))))
    assert found.template == lent
    assert len(found.notices) == (differing is not None)
    assert (differing or "") in " ".join(found.notices)


def test_of_two_sides_templates_that_differ_are_no_notice(tmp_path: Path) -> None:
    """As it was before there were chains: a base model often has one, too."""
    assert described(saved(tmp_path, {"base": TEMPLATE, "sft": OWN})).notices == ()


def test_a_stage_without_a_tokenizer_is_given_that_of_the_last_one(tmp_path: Path) -> None:
    profile = saved(tmp_path, dict.fromkeys(NAMES, TEMPLATE))
    drop_tokenizer(tmp_path / "dpo")
    found = described(profile)
    assert found.tokenizer.get_vocab() == tiny_tokenizer().get_vocab()
    assert [tokenizer is None for tokenizer in found.tokenizers] == [False, False, True]
    assert found.shared.usable == frozenset(range(len(tiny_tokenizer())))
    assert found.template == TEMPLATE


def test_without_any_tokenizer_all_stages_are_named(tmp_path: Path) -> None:
    profile = saved(tmp_path, dict.fromkeys(NAMES))
    for name in NAMES:
        drop_tokenizer(tmp_path / name)
    with pytest.raises(PairError, match=r"Neither .*base nor .*sft nor .*dpo has a tokenizer"):
        described(profile)


def test_a_stage_that_is_not_there_is_named(tmp_path: Path) -> None:
    profile = saved(tmp_path, dict.fromkeys(NAMES, TEMPLATE))
    for file in (tmp_path / "sft").iterdir():
        file.unlink()
    with pytest.raises(PairError, match="sft"):
        described(profile)


def test_adapters_on_one_model_are_stages_of_one_source(tmp_path: Path) -> None:
    found = described(adapter_stages(tmp_path))
    assert len({origin.source.weights for origin in found.origins.values()}) == 1
    assert [origin.adapter is None for origin in found.origins.values()] == [True, False, False]
    assert found.revisions == dict.fromkeys(NAMES)


def test_the_vocabulary_of_a_chain_is_compared_once(tmp_path: Path) -> None:
    told: list[Loading] = []
    profile = saved(tmp_path, dict.fromkeys(NAMES, TEMPLATE))
    describe_stages(profile, told.append)
    compared = [(one.done, one.total) for one in told if one.stage == "vocabulary"]
    assert compared == [(0, 1), (1, 1)]
