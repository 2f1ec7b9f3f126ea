"""A model is quantized once; afterwards its copy is loaded, with the same bits."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import LlamaForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.models.quantized_weights import PART, STALE
from logit_amp_chat.core.protocol import Loading
from tests.models import ARCHITECTURES, save_adapter, save_pair, tiny_tokenizer

IDS = torch.tensor([[5, 6, 7, 80, 90, 100]])
MakeProfile = Callable[..., Profile]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copies"
    monkeypatch.setenv("LOGIT_AMP_QUANTIZED", str(folder))
    return folder


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """A separate pair, whose files may be changed."""
    before, after = save_pair(tmp_path / "models")
    return quantized({"model": str(before)}, {"model": str(after)})


def quantized(before: object, after: object, **changed: object) -> Profile:
    described = {"before": before, "after": after, "name": "tiny", "dtype": "bfloat16"}
    return Profile.model_validate({**described, "device": "cpu", "quantization": "nf4", **changed})


def load(profile: Profile) -> tuple[Pair, list[str]]:
    """The pair, and the sides whose copies were written."""
    written: list[str] = []

    def report(loading: Loading) -> None:
        if loading.stage == "copy" and loading.detail not in written:
            written.append(loading.detail)

    return load_pair(profile, report), written


def logits(pair: Pair) -> list[Tensor]:
    sides = (pair.before, pair.after)
    return [side.logits(IDS, side.new_cache(), IDS.shape[1]) for side in sides]


def edit(file: Path, **changed: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def same(a: Pair, b: Pair) -> bool:
    return all(torch.equal(x, y) for x, y in zip(logits(a), logits(b), strict=True))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_the_copy_gives_the_same_bits(
    folder: Path, tiny_pair: MakeProfile, architecture: str, quantization: str
) -> None:
    subject = tiny_pair(architecture, quantization=quantization, dtype="bfloat16")
    first, written = load(subject)
    again, rewritten = load(subject)
    assert (written, rewritten) == (["before", "after"], [])
    assert same(first, again)
    assert first.memory == again.memory
    assert first.infos == again.infos
    assert len(list(folder.iterdir())) == 2


def test_every_precision_has_a_copy_of_its_own(folder: Path, profile: Profile) -> None:
    kinds = [profile, profile.model_copy(update={"quantization": "int8"})]
    assert [load(kind)[1] for kind in [*kinds, *kinds]] == [["before", "after"]] * 2 + [[]] * 2


def test_a_model_that_was_saved_quantized_is_read_as_it_is(folder: Path, profile: Profile) -> None:
    first, _ = load(profile)
    (before,), (after,) = folder.glob("*before*"), folder.glob("*after*")
    for copy, side in ((before, profile.before), (after, profile.after)):
        for file in Path(side.model).glob("tokenizer*"):
            shutil.copy(file, copy)
    plain = quantized({"model": str(before)}, {"model": str(after)}, quantization="none")
    again, written = load(plain)
    assert written == []
    assert same(first, again)


def test_only_its_owner_may_look_into_a_copy(folder: Path, profile: Profile) -> None:
    load(profile)
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())} == {0o700}


def test_adapters_stand_on_the_copy_of_their_model(folder: Path, tmp_path: Path) -> None:
    base, _ = save_pair(tmp_path / "models")
    adapter = save_adapter(base, tmp_path / "adapter", seed=1)
    subject = quantized({"model": str(base)}, {"model": str(base), "adapter": str(adapter)})
    first, written = load(subject)
    again, rewritten = load(subject)
    assert (written, rewritten) == (["before"], [])
    assert same(first, again)
    assert not torch.equal(*logits(again))


def test_a_damaged_copy_is_made_anew(folder: Path, profile: Profile) -> None:
    first, _ = load(profile)
    for weights in folder.glob("*/model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-100])
    again, written = load(profile)
    assert written == ["before", "after"]
    assert same(first, again)
    assert load(profile)[1] == []


def test_other_weights_take_the_place_of_the_copy(folder: Path, profile: Profile) -> None:
    first, _ = load(profile)
    before, after = Path(profile.before.model), Path(profile.after.model)
    shutil.copy(after / "model.safetensors", before / "model.safetensors")
    again, written = load(profile)
    assert written == ["before"]
    assert len(list(folder.iterdir())) == 2
    assert torch.equal(*logits(again))
    assert not same(first, again)


def test_an_edited_end_of_turn_takes_the_place_of_the_copy(folder: Path, profile: Profile) -> None:
    first, _ = load(profile)
    edit(Path(profile.after.model) / "generation_config.json", eos_token_id=[4, 77])
    again, written = load(profile)
    assert 77 not in first.end_of_turn
    assert 77 in again.end_of_turn
    assert written == ["after"]
    assert same(first, again)
    assert len(list(folder.iterdir())) == 2


def test_an_edited_configuration_counts_whatever_its_time_is(
    folder: Path, profile: Profile
) -> None:
    first, _ = load(profile)
    config = Path(profile.after.model) / "config.json"
    time = config.stat().st_mtime_ns
    edit(config, rms_norm_eps=0.5)
    os.utime(config, ns=(time, time))
    again, written = load(profile)
    assert written == ["after"]
    assert not same(first, again)


def test_an_edited_chat_template_needs_no_other_copy(folder: Path, profile: Profile) -> None:
    load(profile)
    tiny_tokenizer("{{ messages[0]['content'] }}").save_pretrained(profile.after.model)
    again, written = load(profile)
    assert written == []
    assert again.template == "{{ messages[0]['content'] }}"


def test_what_a_killed_process_left_is_taken_away(folder: Path, profile: Profile) -> None:
    folder.mkdir()
    old, new = folder / f"{PART}old", folder / f"{PART}new"
    for part in (old, new):
        part.mkdir()
    os.utime(old, (0, old.stat().st_mtime - 2 * STALE))
    load(profile)
    assert not old.exists()
    assert new.exists()


def test_off_writes_none(tmp_path: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIT_AMP_QUANTIZED", "off")
    pair, written = load(profile)
    assert (written, pair.notices) == ([], ())
    assert not (tmp_path / "xdg_cache_home").exists()


def test_what_is_not_quantized_is_not_copied(folder: Path, tiny_pair: MakeProfile) -> None:
    assert load(tiny_pair())[1] == []
    assert not folder.exists()


def test_a_full_disk_costs_a_notice(
    folder: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 9, 1e9))
    pair, _ = load(profile)
    assert "No quantized copy was kept" in pair.notices[0]
    assert "1.0 are free" in pair.notices[0]
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_a_notice(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOGIT_AMP_QUANTIZED", str(tmp_path / "file" / "copies"))
    assert "Not a directory" in load(profile)[0].notices[0]


def test_whatever_keeps_a_copy_from_being_written_costs_a_notice(
    folder: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", fail)
    pair, _ = load(profile)
    assert "No space left on device" in pair.notices[0]
    assert list(folder.iterdir()) == []
