"""The folder of a chain: which pairs there are, what goes on with it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import ProfileError, UsageError
from logit_amp_chat.core.experiments.sweep.chain.folder import ChainFolder
from logit_amp_chat.core.experiments.sweep.folder import CHAIN, SweepFolder
from tests.core.experiments.sweep.chain.toy_chain import profile, toy_chain
from tests.core.experiments.sweep.toy_sweep import toy_sweep


def names(chain: ChainFolder) -> list[str]:
    return [place.name for place in chain.pairs]


def test_every_adjacent_pair_has_a_folder(tmp_path: Path) -> None:
    chain = ChainFolder.of(tmp_path / "c", profile(tmp_path))
    assert names(chain) == ["base-sft", "sft-dpo"]
    pair = chain.pair_profile(chain.pairs[1])
    assert (pair.before.model, pair.after.model, pair.pair) == (
        "org/sft", "org/dpo", ("sft", "dpo"),
    )  # fmt: skip
    assert not (tmp_path / "c").exists()


def test_a_chain_may_be_a_part_of_the_profile(tmp_path: Path) -> None:
    whole = profile(tmp_path)
    assert ChainFolder.of(tmp_path, whole, "sft").stages == ("sft", "dpo")
    assert ChainFolder.of(tmp_path, whole, None, "sft").stages == ("base", "sft")
    with pytest.raises(ProfileError, match="dpo is not before base"):
        ChainFolder.of(tmp_path, whole, "dpo", "base")
    with pytest.raises(ProfileError, match="sft is not before sft"):
        ChainFolder.of(tmp_path, whole, "sft", "sft")
    with pytest.raises(ProfileError, match="no stage 'rl'"):
        ChainFolder.of(tmp_path, whole, "rl")


def test_dashes_in_names_of_stages_do_not_make_two_folders_one(tmp_path: Path) -> None:
    text = "stages:\n" + "".join(
        f"- {{name: {name}, model: org/x}}\n" for name in ("a", "b-c", "a-b", "c")
    )
    chain = ChainFolder.of(tmp_path, profile(tmp_path, text))
    assert names(chain) == ["a-b-c", "b-c-a-b", "a-b-c-"]
    assert names(chain.restricted("a-b", "c")) == ["a-b-c-"]


def test_a_pair_is_no_chain(tmp_path: Path) -> None:
    pair = profile(tmp_path, "before: {model: org/a}\nafter: {model: org/b}\n")
    with pytest.raises(ProfileError, match="is one pair"):
        ChainFolder.of(tmp_path, pair)


def test_what_was_begun_is_found_again(tmp_path: Path) -> None:
    made = toy_chain(tmp_path, pairs=1)
    there = ChainFolder.there(made.path)
    assert there is not None
    assert (there.stages, there.profile.stages) == (made.stages, made.profile.stages)
    assert [place.name for place, _ in there.sweeps()] == ["base-sft"]
    assert there.restricted("sft", None).stages == ("sft", "dpo")
    assert ChainFolder.there(tmp_path / "none") is None


def test_sweeping_a_part_keeps_what_the_folder_has_of_the_whole(tmp_path: Path) -> None:
    made = toy_chain(tmp_path)
    made.restricted("sft", "dpo").begin()
    there = ChainFolder.there(made.path)
    assert there is not None
    assert [place.name for place, _ in there.sweeps()] == ["base-sft", "sft-dpo"]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    toy_sweep(tmp_path / "s")
    with pytest.raises(UsageError, match="has the sweep of one pair"):
        ChainFolder.there(tmp_path / "s")
    chain = toy_chain(tmp_path)
    other = profile(
        tmp_path, "stages:\n- {name: base, model: org/x}\n- {name: sft, model: org/y}\n"
    )
    for read in (SweepFolder.read, SweepFolder.there):
        with pytest.raises(UsageError, match="has a sweep over a chain"):
            read(chain.path)
    with pytest.raises(UsageError, match="has a sweep over a chain"):
        toy_sweep(chain.path)
    with pytest.raises(UsageError, match="another chain: base, sft, dpo"):
        ChainFolder.of(chain.path, other).begin()


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1, "stages": ["base", "sft"], "profile": {}}',
        '{"version": 1, "stages": 3}',
    ],
)
def test_a_damaged_file_is_said_and_replaced_once_the_chain_is_named(
    tmp_path: Path, damage: str
) -> None:
    chain = toy_chain(tmp_path)
    (chain.path / CHAIN).write_text(damage)
    with pytest.raises(UsageError, match=r"chain\.json cannot be read"):
        ChainFolder.there(chain.path)
    assert ChainFolder.there(chain.path, is_named=True) is None
    chain.begin()
    there = ChainFolder.there(chain.path)
    assert there is not None
    assert len(there.sweeps()) == 2


@pytest.mark.parametrize("stages", [["base"], ["base", "dpo"], ["sft", "base"], ["x", "y"], [1, 2]])
def test_stages_that_are_not_the_profiles_are_damage(tmp_path: Path, stages: list[object]) -> None:
    chain = toy_chain(tmp_path)
    record = json.loads((chain.path / CHAIN).read_text())
    (chain.path / CHAIN).write_text(json.dumps(record | {"stages": stages}))
    with pytest.raises(UsageError, match="cannot be read"):
        ChainFolder.there(chain.path)


def test_the_file_decides_nothing_about_foreign_code(tmp_path: Path) -> None:
    chain = toy_chain(tmp_path)
    record = json.loads((chain.path / CHAIN).read_text())
    record["profile"]["trust_remote_code"] = True
    (chain.path / CHAIN).write_text(json.dumps(record))
    there = ChainFolder.there(chain.path)
    assert there is not None
    assert there.profile.trust_remote_code is False
