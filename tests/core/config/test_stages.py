"""The stages of a profile, and which two of them are its pair."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.config.named_pair import pair_profile
from logit_amp_chat.core.config.profile import Profile, read_profile
from logit_amp_chat.core.config.stages import (
    between,
    own_prompts,
    prompted,
    selected,
    stages_of,
)
from logit_amp_chat.core.errors import ProfileError

CHAIN = """\
title: A chain
stages:
- {name: base, model: org/base, revision: abc}
- {name: sft, model: org/sft}
- {name: dpo, model: org/sft, adapter: org/lora}
"""


def read(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "chain.yaml"
    path.write_text(text)
    return read_profile(path, "chain")


def test_a_chain_compares_its_first_stage_with_its_last(tmp_path: Path) -> None:
    profile = read(tmp_path, CHAIN)
    assert [stage.name for stage in profile.stages] == ["base", "sft", "dpo"]
    assert profile.pair == ("base", "dpo")
    assert (profile.before.model, profile.before.revision) == ("org/base", "abc")
    assert (profile.after.model, profile.after.adapter) == ("org/sft", "org/lora")
    assert (profile.labels.before, profile.labels.after) == ("base", "dpo")


def test_a_chain_may_name_the_pair_that_it_opens_with(tmp_path: Path) -> None:
    profile = read(tmp_path, CHAIN + "pair: [sft, dpo]\n")
    assert (profile.before.model, profile.before.adapter) == ("org/sft", None)
    assert profile.pair == ("sft", "dpo")


def test_any_two_stages_are_a_pair(tmp_path: Path) -> None:
    profile = selected(read(tmp_path, CHAIN), "base", "sft")
    assert (profile.before.model, profile.after.model) == ("org/base", "org/sft")
    assert profile.labels.after == "sft"
    assert len(profile.stages) == 3


def test_one_stage_may_be_both_sides(tmp_path: Path) -> None:
    profile = selected(read(tmp_path, CHAIN), "sft", "sft")
    assert profile.before == profile.after
    assert profile.pair == ("sft", "sft")


def test_the_sides_of_a_pair_are_stages_by_their_labels_and_as_before_and_after() -> None:
    profile = pair_profile("org/base", "org/chat")
    assert [stage.name for stage in stages_of(profile)] == ["before", "after"]
    assert selected(profile, "after", "after").before.model == "org/chat"


def test_a_stage_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"no stage 'sff'.*Did you mean sft\?.*base, sft, dpo"):
        selected(read(tmp_path, CHAIN), after="sff")


@pytest.mark.parametrize(
    ("added", "why"),
    [
        ("before: {model: org/x}\n", "line 6, key before: a chain has stages instead"),
        ("labels: {before: x}\n", "line 6, key labels: a chain has stages instead"),
        ("pair: [base, rl]\n", "there is no stage rl; there are base, sft, dpo"),
        ("pair: [base]\n", "line 6, key pair"),
        (
            "- {name: sft, model: org/y}\n",
            "line 6, key stages.3.name: there is a stage sft already",
        ),
        ("- {name: two words, model: org/y}\n", "line 6, key stages.3.name"),
        *(
            (
                f"- {{name: '{name}', model: org/y}}\n",
                "line 6, key stages.3.name: .* cannot be the name",
            )
            for name in ("before", "after", "amplified", "all", "1.5", "-2", "+0.5", "1e3", "inf")
        ),
        ("- {model: org/y}\n", "line 6, key stages.3"),
        (
            "- {name: rl, model: org/y, adaptor: org/z}\n",
            "line 6, key stages.3.adaptor: unknown key; .* did you mean adapter?",
        ),
    ],
)
def test_what_is_wrong_with_a_chain_is_said_with_its_line(
    tmp_path: Path, added: str, why: str
) -> None:
    with pytest.raises(ProfileError, match=why):
        read(tmp_path, CHAIN + added)


def test_a_chain_of_one_is_none(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="a chain has two stages or more"):
        read(tmp_path, "stages:\n- {name: base, model: org/base}\n")


def test_a_profile_without_sides_is_told_what_it_may_have(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="key before: missing; expected a side, or the stages"):
        read(tmp_path, "after: {model: org/x}\n")


def test_the_pair_of_a_pair_is_not_chosen(tmp_path: Path) -> None:
    text = "before: {model: org/a}\nafter: {model: org/b}\npair: [a, b]\n"
    with pytest.raises(ProfileError, match="line 3, key pair: names stages, and there are no"):
        read(tmp_path, text)


def test_the_folders_of_stages_are_those_beside_the_profile(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = "stages:\n- {name: a, model: mine}\n- {name: b, model: org/b}\n"
    assert read(tmp_path, text).stages[0].model == str((tmp_path / "mine").resolve())


def test_which_side_the_chats_system_prompt_does_not_count_for_is_said() -> None:
    profile = pair_profile("org/chat", "org/chat")
    assert own_prompts(profile) == ""
    one = prompted(profile, systems=(None, "Be brief."))
    assert own_prompts(one) == "after has “Be brief.”: the chat's is for the other side alone."
    both = prompted(profile, systems=("", "Be brief."))
    assert own_prompts(both) == (
        "before has no system prompt and after has “Be brief.”: the chat's is for neither side."
    )


def test_a_long_system_prompt_is_cut_where_a_side_is_called_by_it() -> None:
    profile = prompted(pair_profile("org/chat", "org/chat"), systems=(None, "word " * 40))
    assert profile.labels.before == "the chat's system prompt"
    assert profile.labels.after == "“word word word word word wo…”"


def test_a_part_of_a_chain_is_from_one_stage_to_another(tmp_path: Path) -> None:
    profile = read(tmp_path, CHAIN)
    assert between(profile) == ("base", "sft", "dpo")
    assert between(profile, first="sft") == ("sft", "dpo")
    assert between(profile, last="sft") == ("base", "sft")


@pytest.mark.parametrize("ends", [("dpo", "sft"), ("sft", "sft")])
def test_a_part_of_one_stage_or_backwards_is_refused(ends: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is not before sft in chain"):
        between(read(tmp_path, CHAIN), *ends)
