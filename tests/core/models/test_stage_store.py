"""The stages of a chain in memory."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models import memory_release
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.models.stage_store import StageStore
from tests.chains import NAMES, adapter_stages, chain, save_moved, three_stages
from tests.models import tiny_tokenizer


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return three_stages(tmp_path_factory.mktemp("chain"))


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_nothing_is_loaded_by_looking(profile: Profile) -> None:
    store = StageStore.look(profile)
    assert store.names == NAMES
    assert store.loaded == ()


def test_stages_are_loaded_once_and_shared_by_pairs(profile: Profile) -> None:
    store = StageStore.look(profile)
    first, second = store.pair("base", "sft"), store.pair("sft", "dpo")
    assert first.after.model is second.before.model
    assert store.loaded == ("base", "sft", "dpo")


def test_as_many_are_held_as_fit_and_at_least_one(profile: Profile) -> None:
    store = StageStore.look(profile)
    need = [store.needed(NAMES[:n]).total for n in (1, 2, 3)]
    held = []
    for room in (need[2], need[2] - 1, need[1], need[1] - 1, 1, None):
        store.room = room
        held.append(store.held())
    assert held == [3, 2, 2, 1, 1, 3]


def test_what_was_used_longest_ago_is_let_go_and_freed(profile: Profile) -> None:
    store = StageStore.look(profile)
    store.room = store.needed(NAMES[:2]).total
    gone: list[frozenset[str]] = []
    store.released = gone.append
    base = weakref.ref(store.hold(("base",))[0].model)
    store.hold(("sft",))
    store.hold(("base",))  # used again: sft is now the older one
    store.hold(("dpo",))
    assert store.loaded == ("base", "dpo")
    assert gone == [frozenset({"sft"})]
    store.hold(("sft", "dpo"))
    gc.collect()
    assert base() is None


def test_too_little_room_for_what_is_wanted_is_refused(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StageStore.look(profile)
    from logit_amp_chat.core.models import memory_estimate

    monkeypatch.setattr(memory_estimate, "available_ram", lambda: 1000)
    with pytest.raises(PairError, match=r"needs about .* GB free"):
        store.hold(("base", "sft"))


def test_what_others_took_meanwhile_is_made_up_for_by_letting_go(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StageStore.look(profile)
    store.hold(("base",))
    one = store.needed(("sft",)).total
    free = {True: one, False: one - 1}  # whether base is gone
    monkeypatch.setattr(memory_release, "available_ram", lambda: free["base" not in store.loaded])
    store.hold(("sft",))
    assert store.loaded == ("sft",)


def test_a_copy_that_is_in_use_is_not_loaded_again(tmp_path: Path) -> None:
    """Letting go of one of its adapters would free nothing."""
    adapters = adapter_stages(tmp_path)
    save_moved(tmp_path / "other", seed=5)
    stages = {s.name: {"model": s.model, "adapter": s.adapter} for s in adapters.stages}
    store = StageStore.look(chain(stages | {"other": {"model": str(tmp_path / "other")}}))
    store.room = store.needed(("base", "other")).total
    base = store.hold(("base",))[0]
    store.hold(("base", "other"))
    assert store.hold(("sft",))[0].model is base.model


def test_files_of_the_next_stages_are_read_ahead(profile: Profile) -> None:
    store = StageStore.look(profile)
    store.ahead(("sft",))
    assert store.reading is None  # whether it is downloaded is not known yet
    store.held()
    store.hold(("base",))
    store.ahead(("base", "sft", "dpo"))
    assert store.reading is not None
    store.reading.thread.join()
    sizes = [Path(s.model, "model.safetensors").stat().st_size for s in profile.stages[1:]]
    assert store.reading.done == sum(sizes)
    store.hold(("sft",))
    assert store.reading is None


def test_adapters_on_one_model_share_its_weights(tmp_path: Path) -> None:
    store = StageStore.look(adapter_stages(tmp_path))
    base, sft, dpo = store.hold(NAMES)
    assert base.model is sft.model is dpo.model
    assert (base.adapter, sft.adapter == dpo.adapter) == (None, False)
    assert store.needed(NAMES).weights == store.needed(NAMES[:1]).weights


def test_one_adapter_is_loaded_with_the_others_of_its_model(tmp_path: Path) -> None:
    store = StageStore.look(adapter_stages(tmp_path))
    first = store.pair("base", "sft")
    assert store.pair("sft", "dpo").after.model is first.before.model


def test_usable_ids_are_those_of_the_whole_chain(tmp_path: Path) -> None:
    """The narrowest head counts, and an id that one tokenizer alone names is an id for all."""
    for seed, (name, rows) in enumerate(zip(NAMES, (600, 520, 600), strict=True), 1):
        save_moved(tmp_path / name, seed, rows=rows)
    wider = tiny_tokenizer()
    own = len(wider)
    wider.add_tokens(["<only-sft>"])
    wider.save_pretrained(tmp_path / "sft")
    store = StageStore.look(chain({name: {"model": str(tmp_path / name)} for name in NAMES}))
    for before, after in (NAMES[:2], NAMES[1:], ("base", "dpo")):
        pair = store.pair(before, after)
        assert pair.size == 520
        assert pair.valid is not None
        assert pair.valid.nonzero().flatten().tolist() == list(range(own + 1))
        assert pair.token_bytes.raw(own) == b"<only-sft>"


def test_an_end_of_turn_of_one_stage_is_one_for_all(tmp_path: Path) -> None:
    profile = three_stages(tmp_path)
    config = tmp_path / "sft" / "generation_config.json"
    config.write_text('{"eos_token_id": [4, 7]}')
    store = StageStore.look(profile)
    assert store.pair("base", "dpo").end_of_turn == {4, 7}
    assert load_pair(profile).end_of_turn == {4, 7}


def test_an_end_that_a_configuration_alone_names_is_one_whichever_stages_are_open(
    tmp_path: Path,
) -> None:
    """Without a generation config transformers makes one of the model's."""
    profile = three_stages(tmp_path)
    for name, end in (("base", 7), ("sft", 8), ("dpo", 9)):
        (tmp_path / name / "generation_config.json").unlink()
        edit(tmp_path / name / "config.json", eos_token_id=end)
    store = StageStore.look(profile)
    assert {store.pair(*two).end_of_turn for two in (NAMES[:2], NAMES[1:])} == {
        frozenset({4, 7, 8, 9})
    }


def test_the_context_is_the_smallest_of_the_chain(tmp_path: Path) -> None:
    """Whichever stages are read together, a text is cut into the same windows."""
    profile = three_stages(tmp_path)
    edit(tmp_path / "base" / "config.json", max_position_embeddings=100)
    store = StageStore.look(profile)
    assert {store.pair(*two).context for two in (NAMES[:2], NAMES[1:])} == {100}


def test_notices_of_a_vocabulary_name_the_stages(tmp_path: Path) -> None:
    """An id that a stage has no row for is none of theirs, whoever names it."""
    wider = tiny_tokenizer()
    own = len(wider)
    for seed, (name, rows) in enumerate(zip(NAMES, (own + 1, 520, 520), strict=True), 1):
        save_moved(tmp_path / name, seed, rows=rows)
    wider.add_tokens(["<only-sft>", "<no-row>"])
    wider.save_pretrained(tmp_path / "sft")
    stages = {name: {"model": str(tmp_path / name)} for name in NAMES}
    notices = StageStore.look(chain(stages)).described.shared.notices
    assert notices == (
        f"The heads of base and sft have {own + 1} and 520 rows; the {own + 1} in common are used.",
        f"Only one of base and sft names 1 id ({own}: '<only-sft>').",
        f"The heads of base and dpo have {own + 1} and 520 rows; the {own + 1} in common are used.",
        f"Only one of sft and dpo names 1 id ({own}: '<only-sft>').",
    )


def test_stages_with_other_vocabularies_are_refused_with_their_names(tmp_path: Path) -> None:
    profile = three_stages(tmp_path)
    vocabulary = tmp_path / "sft" / "tokenizer.json"
    data = json.loads(vocabulary.read_text())
    words = data["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    vocabulary.write_text(json.dumps(data))
    with pytest.raises(PairError, match=r"base and .*sft do not share a vocabulary: 2 ids"):
        StageStore.look(profile)


def test_one_model_twice_is_one_copy(profile: Profile) -> None:
    same = chain({"a": {"model": profile.stages[0].model}, "b": {"model": profile.stages[0].model}})
    pair = load_pair(same)
    assert pair.before.model is pair.after.model
    assert "there is nothing to amplify" in " ".join(pair.notices)


def test_one_model_with_two_prompts_is_one_copy_and_says_so(profile: Profile) -> None:
    model = profile.stages[0].model
    same = chain({"a": {"model": model}, "b": {"model": model, "system": "You are a pirate."}})
    pair = load_pair(same)
    assert pair.before.model is pair.after.model
    assert "they differ by what they are prompted with alone" in " ".join(pair.notices)


def test_unknown_memory_holds_everything(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_release, "available_ram", lambda: None)
    assert StageStore.look(profile).held() == 3
