"""A text is read under several stages at once: in passes, in windows, and stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding import stage_reader
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.stage_reader import HeldStage, StageReader, held_stages
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.reading import PlainText, StageBlock, StageReadRequest
from logit_amp_chat.core.records import Document, Finish, PromptIds
from tests.chains import NAMES, plain_log_probs, save_moved, three_stages
from tests.compatibility.random_models import LONGROPE
from tests.models import tiny_model, tiny_tokenizer

IDS = tuple(range(5, 250, 6))
Events = list[Document | StageBlock | Finish]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    torch.set_num_threads(1)
    return three_stages(tmp_path_factory.mktemp("chain"))


@pytest.fixture
def store(profile: Profile) -> StageStore:
    return StageStore.look(profile)


def group(store: StageStore, names: Sequence[str]) -> tuple[Pair, list[HeldStage]]:
    """Neighbouring stages of a chain, and a pair of two of them."""
    pairs = [((a, b), store.pair(a, b)) for a, b in zip(names, names[1:] or names, strict=False)]
    return pairs[0][1], held_stages(pairs, trusts=True)


def reader(
    store: StageStore,
    names: Sequence[str] = NAMES,
    *,
    ids: tuple[int, ...] = IDS,
    scored: tuple[bool, ...] | None = None,
    window: int | None = None,
    stride: int | None = None,
) -> StageReader:
    pair, stages = group(store, names)
    found = DocumentTokens(
        text="x" * len(ids),
        prompt=PromptIds((), ()),
        tokens=ids,
        scored=scored or (True,) * len(ids),
        offsets=tuple((n, n + 1) for n in range(len(ids))),
        spans=(),
    )
    request = StageReadRequest(
        document="d",
        content=PlainText(text=found.text),
        stages=tuple(names),
        window=window,
        stride=stride,
    )
    return StageReader(pair, stages, request, found)


def events(reading: StageReader) -> Events:
    return [event for batch in reading.read(Controls({"d": 0.0})) for event in batch]


def rows(found: Events) -> list[tuple[float, ...]]:
    return [row for event in found if isinstance(event, StageBlock) for row in event.logp]


def in_windows(length: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Where a window begins, where the tokens begin that it measures, and where both end."""
    end = 0
    while end < length:
        first, end = end, min(length, window if end == 0 else end + stride)
        yield max(0, end - window), first, end


def expected(profile: Profile, pair: Pair, window: int, stride: int) -> list[list[float]]:
    """By stage, log p of every token but the first, each window a forward pass of its own."""
    found = []
    valid = None if pair.valid is None else pair.valid.cpu()
    for stage in profile.stages:
        numbers: list[float] = []
        for begin, first, end in in_windows(len(IDS), window, stride):
            ids = list(IDS[begin:end])
            plain = plain_log_probs(stage, ids[:-1], pair.size, valid)
            places = range(max(first, begin + 1), end)
            numbers += [float(plain[n - begin - 1, IDS[n]]) for n in places]
        found.append(numbers)
    return found


@pytest.mark.parametrize("passes", [(7, 3), (3, 7), (1000, 1000)])
@pytest.mark.parametrize(("window", "stride"), [(256, 100), (16, 5), (10, 9)])
def test_passes_and_windows_are_plain_forward_passes(
    profile: Profile,
    store: StageStore,
    monkeypatch: pytest.MonkeyPatch,
    passes: tuple[int, int],
    window: int,
    stride: int,
) -> None:
    monkeypatch.setattr(stage_reader, "reading_sizes", lambda pair: passes)
    found = rows(events(reader(store, window=window, stride=stride)))
    plain = expected(profile, store.pair("base", "dpo"), window, stride)
    assert len(found) == len(IDS) - 1
    for n, numbers in enumerate(plain):
        assert [row[n] for row in found] == pytest.approx(numbers, abs=1e-4)


def test_of_a_text_only_what_is_scored_is_measured(store: StageStore) -> None:
    whole = rows(events(reader(store)))
    scored = tuple(n % 3 == 1 for n in range(len(IDS)))
    some = events(reader(store, scored=scored))
    wanted = [row for n, row in enumerate(whole, 1) if scored[n]]
    assert rows(some) == wanted
    (document,) = [event for event in some if isinstance(event, Document)]
    assert document.offsets == tuple((n, n + 1) for n in range(len(IDS)) if scored[n])
    finish = some[-1]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.tokens) == ("length", len(wanted))


def test_stopped_it_ends_after_the_block_that_it_is_in(
    store: StageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_reader, "reading_sizes", lambda pair: (8, 4))
    controls = Controls({"d": 0.0})
    found: Events = []
    for batch in reader(store, window=16, stride=5).read(controls):
        found += batch
        if len(rows(found)) >= 8:
            controls.stopped.add("d")
    assert 8 <= len(rows(found)) < 16
    finish = found[-1]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.tokens) == ("cancelled", len(rows(found)))


def test_a_number_that_is_none_names_the_stage_and_the_token(store: StageStore) -> None:
    reading = reader(store, scored=tuple(n > 2 for n in range(len(IDS))))
    broken = store.hold(("sft",))[0].model
    with torch.no_grad():
        broken.get_output_embeddings().weight.fill_(math.nan)
    with pytest.raises(LogitAmpError, match="of the stage sft became NaN at scored token 1 of the"):
        events(reading)


def test_ids_that_the_chain_has_not_are_refused(store: StageStore) -> None:
    with pytest.raises(LogitAmpError, match=r"token ids that .* do not share: ids go up to 511"):
        reader(store, ids=(7, 600))


def test_a_text_without_tokens_is_whole(store: StageStore) -> None:
    document, finish = events(reader(store, ids=()))
    assert isinstance(document, Document)
    assert isinstance(finish, Finish)
    assert (document.offsets, finish.reason, finish.tokens) == ((), "length", 0)


def test_each_stage_is_held_once_and_its_caches_are_checked(store: StageStore) -> None:
    pairs = [((a, b), store.pair(a, b)) for a, b in (NAMES[:2], NAMES[1:])]
    found = held_stages(pairs, trusts=False)
    assert [stage.name for stage in found] == [*NAMES]
    assert [stage.side.model for stage in found] == [side.model for side in store.hold(NAMES)]
    assert {stage.use for stage in found} == {CacheUse.TURNS}


def save_longrope(folder: Path) -> None:
    """A stage that reads what is longer than 32 tokens with other frequencies."""
    config: dict[str, Any] = tiny_model().config.to_dict()
    config |= {"head_dim": 16, "num_attention_heads": 4, "rope_parameters": LONGROPE}
    torch.manual_seed(7)
    LlamaForCausalLM(LlamaConfig(**config)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


@pytest.mark.parametrize("switching", NAMES)
def test_usual_windows_are_those_of_the_whole_chain(tmp_path: Path, switching: str) -> None:
    """No text is longer than what every stage reads with one set of frequencies."""
    profile = three_stages(tmp_path)
    save_longrope(tmp_path / switching)
    store = StageStore.look(profile)
    for names in (NAMES, NAMES[:2], *[(name,) for name in NAMES]):
        document = events(reader(store, names))[0]
        assert isinstance(document, Document)
        assert (document.window, document.stride) == (32, 16)


def test_stages_with_heads_of_different_size_are_compared_over_what_all_have(
    tmp_path: Path,
) -> None:
    profile = three_stages(tmp_path)
    save_moved(tmp_path / "sft", 2, rows=640)
    store = StageStore.look(profile)
    found = rows(events(reader(store)))
    plain = expected(profile, store.pair("base", "dpo"), 256, 100)
    for n, numbers in enumerate(plain):
        assert [row[n] for row in found] == pytest.approx(numbers, abs=1e-4)
