"""Texts under all stages of a chain: the numbers are those of plain forward passes."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.config.stages import prompted, selected
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import ProcessEngine
from logit_amp_chat.core.engine.stage_engine import StageEngine
from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.reading import (
    Chat,
    PlainText,
    ReadBlock,
    ReadRequest,
    Recorded,
    StageBlock,
    StageReadRequest,
)
from logit_amp_chat.core.records import Document, Finish, Message, PromptIds
from tests.chains import NAMES, adapter_stages, plain_log_probs, three_stages

TEXT = "Otters eat fish and crabs. The sea is blue, naïve café 日本語 12345."
Make = Callable[..., Profile]


@pytest.fixture(scope="module", params=[three_stages, adapter_stages])
def profile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    torch.set_num_threads(1)
    make: Make = request.param
    return make(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def engine(profile: Profile) -> Iterator[StageEngine]:
    with StageEngine.open(profile) as opened:
        yield opened


def read(
    engine: StageEngine,
    stages: tuple[str, ...],
    window: int | None = None,
    stride: int | None = None,
) -> list[StageBlock]:
    request = StageReadRequest(
        document="d", content=PlainText(text=TEXT), stages=stages, window=window, stride=stride
    )
    return [event for event in engine.read_stages(request) if isinstance(event, StageBlock)]


def columns(blocks: list[StageBlock]) -> torch.Tensor:
    return torch.tensor([row for block in blocks for row in block.logp], dtype=torch.float64)


def tokens(blocks: list[StageBlock]) -> list[int]:
    return [token for block in blocks for token in block.tokens]


def test_every_stage_is_a_plain_forward_pass(engine: StageEngine, profile: Profile) -> None:
    blocks = read(engine, NAMES)
    ids, found = tokens(blocks), columns(blocks)
    pair = engine.store.pair("base", "dpo")
    prefix = list(pair.tokenizer(TEXT, add_special_tokens=False)["input_ids"])
    assert prefix[1:] == ids  # nothing comes before the first
    valid = None if pair.valid is None else pair.valid.cpu()
    for n, stage in enumerate(profile.stages):
        plain = plain_log_probs(stage, prefix[:-1], pair.size, valid)
        expected = plain.gather(-1, torch.tensor(ids)[:, None])[:, 0]
        assert (found[:, n] - expected).abs().max() < 1e-4
        best = [one[n] for block in blocks for one in block.best]
        assert [token for token, _ in best] == plain.argmax(-1).tolist()
        assert max(abs(p - q) for (_, p), q in zip(best, plain.amax(-1), strict=True)) < 1e-4


def test_divergences_are_those_of_neighbours(engine: StageEngine, profile: Profile) -> None:
    blocks = read(engine, NAMES)
    pair = engine.store.pair("base", "dpo")
    ids = list(pair.tokenizer(TEXT, add_special_tokens=False)["input_ids"])[:-1]
    valid = None if pair.valid is None else pair.valid.cpu()
    plain = [plain_log_probs(stage, ids, pair.size, valid) for stage in profile.stages]
    for n, (earlier, later) in enumerate(itertools.pairwise(plain)):
        terms = torch.where(later.exp() > 0, later.exp() * (later - earlier), 0.0)
        found = torch.tensor([row[n] for block in blocks for row in block.kl]).double()
        assert (found - terms.nansum(-1)).abs().max() < 1e-4


@pytest.mark.parametrize("groups", [[NAMES], [NAMES[:2], NAMES[2:]], [[name] for name in NAMES]])
def test_how_many_are_held_changes_no_number(
    engine: StageEngine, groups: list[tuple[str, ...]]
) -> None:
    whole = columns(read(engine, NAMES))
    parts = torch.cat([columns(read(engine, tuple(group))) for group in groups], dim=1)
    assert (whole - parts).abs().max() < 1e-5


def test_the_sum_over_the_chain_is_the_log_ratio_of_its_ends(
    engine: StageEngine, profile: Profile
) -> None:
    found = columns(read(engine, NAMES))
    ends = LocalEngine.open(selected(profile, "base", "dpo"))
    request = ReadRequest(document="e", content=PlainText(text=TEXT))
    steps = [s for e in ends.read(request) if isinstance(e, ReadBlock) for s in e.steps]
    total = [step.logp.after - step.logp.before for step in steps]
    changes = (found[:, 1:] - found[:, :-1]).sum(1)
    assert (changes - torch.tensor(total, dtype=torch.float64)).abs().max() < 1e-4


def test_windows_are_those_of_a_diff(engine: StageEngine, profile: Profile) -> None:
    found = columns(read(engine, NAMES, window=12, stride=5))
    ends = LocalEngine.open(selected(profile, "base", "dpo"))
    request = ReadRequest(document="e", content=PlainText(text=TEXT), window=12, stride=5)
    steps = [s for e in ends.read(request) if isinstance(e, ReadBlock) for s in e.steps]
    before = torch.tensor([step.logp.before for step in steps], dtype=torch.float64)
    after = torch.tensor([step.logp.after for step in steps], dtype=torch.float64)
    assert (found[:, 0] - before).abs().max() < 1e-4
    assert (found[:, 2] - after).abs().max() < 1e-4


def test_of_a_chat_the_replies_are_scored(engine: StageEngine) -> None:
    said = (
        Message(id="u", parent=None, role="user", text="fish?"),
        Message(id="a", parent="u", role="assistant", text="The sea is blue."),
    )
    request = StageReadRequest(document="d", content=Chat(messages=said), stages=NAMES)
    events = list(engine.read_stages(request))
    (document,) = [event for event in events if isinstance(event, Document)]
    text = "".join(document.text[a:b] for a, b in document.offsets)
    assert text == "The sea is blue.<|end|>"
    (finish,) = [event for event in events if isinstance(event, Finish)]
    assert (finish.reason, finish.tokens) == ("length", len(document.offsets))


def test_a_stage_that_there_is_not_is_refused(engine: StageEngine) -> None:
    with pytest.raises(UsageError, match=r"There is no stage rl\. The stages are base, sft, dpo"):
        read(engine, ("base", "rl"))


def test_stages_with_prompts_of_their_own_are_refused(tmp_path: Path) -> None:
    profile = three_stages(tmp_path)
    first, *others = profile.stages
    stages = (first.model_copy(update={"system": "Be brief."}), *others)
    with pytest.raises(UsageError, match="read behind one prompt"):
        StageEngine.open(profile.model_copy(update={"stages": stages}))


def test_sides_with_prompts_of_their_own_are_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    profile = prompted(three_stages(tmp_path), systems=("Be brief.", None))
    with pytest.raises(UsageError, match="read behind one prompt"):
        StageEngine.open(profile)
    engine = StageEngine(profile, StageStore.look(profile))
    with pytest.raises(UsageError, match="read behind one prompt"):
        read(engine, NAMES)


def test_a_reply_is_read_behind_the_prompt_that_it_answered(engine: StageEngine) -> None:
    said = Recorded(prompt=PromptIds((5, 6), (5, 6)), tokens=(7, 8, 9))
    request = StageReadRequest(document="d", content=said, stages=NAMES)
    blocks = [event for event in engine.read_stages(request) if isinstance(event, StageBlock)]
    assert tokens(blocks) == [7, 8, 9]
    pair = engine.store.pair("base", "dpo")
    valid = None if pair.valid is None else pair.valid.cpu()
    last = engine.profile.stages[-1]
    plain = plain_log_probs(last, [5, 6, 7, 8], pair.size, valid)[1:]
    expected = plain.gather(-1, torch.tensor([7, 8, 9])[:, None])[:, 0]
    assert (columns(blocks)[:, -1] - expected).abs().max() < 1e-4


def test_a_reply_that_was_prompted_in_two_ways_is_refused(engine: StageEngine) -> None:
    said = Recorded(prompt=PromptIds((5,), (6,)), tokens=(7, 8))
    request = StageReadRequest(document="d", content=said, stages=NAMES)
    with pytest.raises(LogitAmpError, match="prompted each in a way of its own"):
        list(engine.read_stages(request))


def test_where_one_stage_fits_no_other_is_in_memory(tmp_path: Path) -> None:
    with StageEngine.open(three_stages(tmp_path)) as engine:
        store = engine.store
        store.room = max(store.needed((name,)).total for name in NAMES)
        assert engine.held() == 1
        earlier: list[weakref.ref[Any]] = []
        for name in NAMES:
            assert len(read(engine, (name,))) == 1
            assert store.loaded == (name,)
            assert [model() for model in earlier] == [None] * len(earlier)
            earlier.append(weakref.ref(store.hold((name,))[0].model))


def test_a_separate_process_answers_with_the_same_numbers() -> None:
    profile = load_profile("demo-chain")
    names = tuple(stage.name for stage in profile.stages)
    request = StageReadRequest(document="d", content=PlainText(text=TEXT), stages=names)
    with StageEngine.open(profile) as engine:
        here = [event for event in engine.read_stages(request) if isinstance(event, StageBlock)]
    process = ProcessEngine.open(profile, lambda _: None)
    try:
        there = [e for e in process.read_stages(request) if isinstance(e, StageBlock)]
    finally:
        process.close()
    assert there == here
