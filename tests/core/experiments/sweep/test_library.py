"""The user's sweeps of a prompt: those in folders of their own, and those of chains."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.experiments.sweep.library import begun, sweeps_folder, sweeps_of
from tests.core.experiments.sweep.chain.toy_chain import engine_of, toy_chain
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import PROMPTS, SETTINGS, toy_sweep


def test_sweeps_of_a_prompt_are_found_and_pilots_are_not(tmp_path: Path) -> None:
    path = sweeps_folder() / "2026-01-02T03-04-05-x"
    toy_sweep(path, prompts=PROMPTS[:1])
    toy_sweep(path / "pilot", prompts=PROMPTS[:1])
    toy_sweep(sweeps_folder() / "2026-01-03T03-04-05-y", prompts=PROMPTS)
    found = sweeps_of(PROMPTS[0].key, ToyEngine().opened.session)
    assert [folder.path for folder in found] == [path]
    assert begun(found[0]) == "2026-01-02 03-04"
    assert found[0].stages == ()


def test_the_sweep_of_a_pair_of_a_chain_is_found_where_that_pair_is_open(tmp_path: Path) -> None:
    chain = toy_chain(tmp_path)
    for place in chain.pairs:
        (place.path / "sweep.jsonl").unlink()
        toy_sweep(place.path, SETTINGS, engine_of(chain.pair_profile(place)), PROMPTS[:1])
    sweeps_folder().mkdir(parents=True)
    chain.path.rename(sweeps_folder() / "2026-01-02T03-04-05-x")
    session = engine_of(chain.pair_profile(chain.pairs[1])).opened.session
    (found,) = sweeps_of(PROMPTS[0].key, session)
    assert found.path.name == "sft-dpo"
    assert found.stages == ("sft", "dpo")
    assert begun(found) == "2026-01-02 03-04"
