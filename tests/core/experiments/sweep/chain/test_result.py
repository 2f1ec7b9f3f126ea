"""The rates of a toy chain against what is known by heart, and which replies a stage has."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.analysis.proportions import wilson
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.chain.folder import ChainFolder
from logit_amp_chat.core.experiments.sweep.chain.result import ChainBehaviour
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.functions import Function
from logit_amp_chat.core.records import Session
from tests.core.experiments.sweep.chain.toy_chain import STAGES, result_of, toy_chain
from tests.core.experiments.sweep.toy_sweep import PROMPTS, SETTINGS


def habit(chain: ChainFolder, *behaviours: Behaviour) -> ChainBehaviour:
    (found,) = result_of(chain, *([behaviours] if behaviours else [])).behaviours
    return found


def hits(folder: SweepFolder, alpha: float) -> tuple[int, int]:
    """Hits and replies at an α, counted in the texts."""
    texts = [reply.text for reply in folder.replies() if reply.alpha == alpha]
    return sum("lighthouse" in text for text in texts), len(texts)


def test_every_stage_has_its_true_rate_between_the_limits(tmp_path: Path) -> None:
    settings = replace(SETTINGS, samples=400)
    found = habit(toy_chain(tmp_path, settings))
    for one in found.stages:
        assert one.estimate is not None
        assert one.estimate.rate == pytest.approx(STAGES[one.stage]["The lighthouse!"], rel=0.25)
        assert one.estimate.low <= STAGES[one.stage]["The lighthouse!"] <= one.estimate.high
    for step in found.steps:
        change = STAGES[step.after]["The lighthouse!"] - STAGES[step.before]["The lighthouse!"]
        assert step.change.low <= change <= step.change.high
    assert found.came_in is found.steps[0]
    assert (found.came_in.after, found.came_in.change.rises) == ("sft", True)
    assert found.steps[1].change.ratio == pytest.approx(1.1, rel=0.05)


def test_a_stage_between_two_others_has_the_replies_of_both_pairs(tmp_path: Path) -> None:
    chain = toy_chain(tmp_path)
    found = habit(chain)
    first, second = (folder for _, folder in chain.sweeps())
    counted = [
        hits(first, -1.0),
        tuple(a + b for a, b in zip(hits(first, 0.0), hits(second, -1.0), strict=True)),
        hits(second, 0.0),
    ]
    assert [(one.seen.hits, one.seen.replies) for one in found.stages] == counted
    assert [one.seen.replies for one in found.stages] == [120, 240, 120]
    low, high = wilson(*counted[1])
    assert (found.stages[1].seen.low, found.stages[1].seen.high) == (low, high)
    assert [one.estimate and one.estimate.pairs for one in found.stages] == [1, 2, 1]


def test_coupled_replies_that_are_the_same_in_both_pairs_count_once(tmp_path: Path) -> None:
    chain = toy_chain(tmp_path, replace(SETTINGS, coupled=True))
    first, second = (folder for _, folder in chain.sweeps())
    same = [
        {(one.prompt, one.n): one.text for one in folder.replies() if one.alpha == alpha}
        for folder, alpha in ((first, 0.0), (second, -1.0))
    ]
    assert same[0] == same[1]
    (_, middle, _) = habit(chain).stages
    assert middle.seen.replies == 120


def test_replies_of_two_pairs_at_one_stage_are_not_the_same(tmp_path: Path) -> None:
    first, second = (folder for _, folder in toy_chain(tmp_path).sweeps())
    seeds = [
        {one.seed for one in folder.replies() if one.alpha == alpha}
        for folder, alpha in ((first, 0.0), (second, -1.0))
    ]
    assert not seeds[0] & seeds[1]


def differs(change: Callable[[Session], Session]) -> Callable[[Session], Session]:
    """Only the second pair reports something else."""
    turns = itertools.count()
    return lambda session: change(session) if next(turns) else session


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: replace(s, before=replace(s.before, quantization="nf4")), "loaded otherwise"),
        (lambda s: replace(s, end_of_turn=(2, 7)), "ended by other tokens"),
        (lambda s: replace(s, next_turn=("\nUser:",)), "ended before other texts"),
        (lambda s: replace(s, vocabulary="other"), "another vocabulary"),
        (lambda s: replace(s, revisions={"sft": None, "dpo": None}), "other usable ids"),
    ],
)
def test_pairs_that_sample_a_stage_otherwise_are_not_pooled(
    tmp_path: Path, change: Callable[[Session], Session], why: str
) -> None:
    chain = toy_chain(tmp_path, session=differs(change))
    result = result_of(chain)
    (found,) = result.behaviours
    assert [one.seen.replies for one in found.stages] == [120, 120, 120]
    assert [one.estimate and one.estimate.pairs for one in found.stages] == [1, 1, 1]
    (note,) = result.notes
    assert why in note
    assert note.startswith("sft is ")
    assert "base-sft" in note


def test_prompts_that_a_stage_reads_otherwise_are_not_pooled(tmp_path: Path) -> None:
    chain = toy_chain(tmp_path)
    file = chain.pairs[1].path / "sweep.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["type"] == "prompt-ids":
            line["before"] = [1, 2, 3]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (note,) = result_of(chain).notes
    assert "sft is prompted with other tokens" in note


def test_with_the_ends_of_after_alpha_minus_one_is_no_stage(tmp_path: Path) -> None:
    sampling = SETTINGS.sampling.model_copy(update={"ends": "after"})
    result = result_of(toy_chain(tmp_path, replace(SETTINGS, sampling=sampling)))
    (found,) = result.behaviours
    assert [one.seen.replies for one in found.stages] == [60 * 2] * 3
    first, middle = result.notes
    assert "base is ended with the probabilities of sft" in first
    assert middle.startswith("sft is ended with the probabilities of another stage in sft-dpo")


def test_of_an_unfinished_chain_the_stages_that_are_there_are_counted(tmp_path: Path) -> None:
    chain = toy_chain(tmp_path, pairs=1)
    result = result_of(chain)
    assert not result.complete
    assert [place.name for place in result.lacking] == ["sft-dpo"]
    (found,) = result.behaviours
    assert [one.seen.replies for one in found.stages] == [120, 120, 0]
    assert found.stages[2].estimate is None
    assert [step.after for step in found.steps] == ["sft"]


def test_prompts_have_their_own_stages(tmp_path: Path) -> None:
    found = habit(toy_chain(tmp_path))
    assert [part.prompt.id for part in found.by_prompt] == [prompt.id for prompt in PROMPTS]
    for part in found.by_prompt:
        assert [one.seen.replies for one in part.stages] == [60, 120, 60]


def test_numbers_have_means_and_no_origin(tmp_path: Path) -> None:
    length = Function("length", lambda text: float(len(text)))
    found = habit(toy_chain(tmp_path, replace(SETTINGS, samples=300)), length)
    assert found.numeric
    assert found.came_in is None
    for one in found.stages:
        true = sum(p * len(text) for text, p in STAGES[one.stage].items())
        assert one.estimate is not None
        assert one.estimate.low - 1e-9 <= true <= one.estimate.high + 1e-9
        assert one.estimate.rate == pytest.approx(true, rel=0.05)
    assert all(step.change.ratio is None for step in found.steps)
