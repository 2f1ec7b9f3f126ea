"""GGUF files: opened with the same numbers as safetensors, or refused where they would not be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.named_pair import pair_profile
from logit_amp_chat.core.config.profile import Profile, Side, local_or_hub
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import PairError, ProfileError
from logit_amp_chat.core.models import gguf_file, hub
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Lane, Loading, Request
from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.system.hub_cache import download_state
from tests.models import save_side, tiny_model, tiny_tokenizer

pytest.importorskip("gguf")
from tests.tiny_gguf import save_gguf


def pair(before: Path | str, after: Path | str, **changed: Any) -> Profile:
    profile = pair_profile(str(before), str(after))
    settings = {"device": "cpu", "dtype": "float32", "quantization": "none", **changed}
    return profile.model_copy(update=settings)


def answered(profile: Profile) -> list[Step]:
    request = Request(
        messages=(Message(id="m", parent=None, role="user", text="Otters, don't eat 12"),),
        lanes=(Lane(reply="r", name="", alpha=0.5),),
        sampling=Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=12),
    )
    return [e for e in LocalEngine.open(profile).generate(request) if isinstance(e, Step)]


@pytest.fixture(scope="module")
def safetensors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("safetensors")
    return save_side(folder / "1", seed=1), save_side(folder / "2", seed=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same two models, side by side in one folder."""
    folder = tmp_path_factory.mktemp("gguf")
    return (
        save_gguf(folder / "one.gguf", tiny_model(seed=1), tiny_tokenizer()),
        save_gguf(folder / "two.gguf", tiny_model(seed=2), tiny_tokenizer()),
    )


def test_a_gguf_file_gives_the_numbers_of_the_same_weights_in_safetensors(
    safetensors: tuple[Path, Path], files: tuple[Path, Path]
) -> None:
    plain = answered(pair(*safetensors))
    for found in (answered(pair(*files)), answered(pair(safetensors[0], files[1]))):
        assert [step.token for step in found] == [step.token for step in plain]
        for a, b in zip(found, plain, strict=True):
            assert a.logp.before == pytest.approx(b.logp.before, abs=1e-5)
            assert a.logp.after == pytest.approx(b.logp.after, abs=1e-5)


def test_its_tokenizer_and_chat_template_come_along(files: tuple[Path, Path]) -> None:
    opened = load_pair(pair(*files))
    text = "naïve café 123, don't 🙂<|end|>  two"
    assert opened.tokenizer(text)["input_ids"] == tiny_tokenizer()(text)["input_ids"]
    assert opened.template == tiny_tokenizer().chat_template
    assert 4 in opened.end_of_turn


def test_a_folder_with_one_gguf_file_is_that_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(files[0], tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert load_pair(pair(tmp_path, files[1])).before.model.config.num_hidden_layers == 2


def test_a_repository_without_a_config_asks_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    with pytest.raises(PairError, match=r"no config\.json.*org/name/FILE\.gguf"):
        load_pair(pair("org/name", "org/name"))


def test_a_folder_with_several_asks_for_one(files: tuple[Path, Path]) -> None:
    folder = files[0].parent
    with pytest.raises(PairError, match=r"several GGUF files: one\.gguf, two\.gguf") as refused:
        load_pair(pair(folder, folder))
    assert refused.value.remedy == f"Name one of them, as in {folder}/one.gguf."


@pytest.mark.parametrize(
    "side", [{"model": "org/name/q/m.gguf"}, {"model": "org/name", "subfolder": "q/m.gguf"}]
)
def test_a_file_on_the_hub_is_downloaded_alone(
    side: dict[str, str], files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = tmp_path / "0123abc"
    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked.update(name=name, **options)
        (commit / "q").mkdir(parents=True)
        shutil.copy(files[0], commit / "q" / "m.gguf")
        return str(commit)

    monkeypatch.setattr(hub, "snapshot_download", download)
    source = hub.model_source(Side.model_validate(side), _nothing)
    assert asked["name"] == "org/name"
    assert [p for p in asked["allow_patterns"] if "gguf" in p] == ["q/m.gguf"]
    assert source.weights == commit / "q" / "m.gguf"
    assert source.revision == "0123abc"


def _nothing(_: Loading) -> None:
    return None


def test_what_is_on_this_machine_is_known_without_the_network(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    assert download_state(pair(*files), tmp_path) == "here"
    assert download_state(pair("org/name/m.gguf", "org/name/n.gguf"), tmp_path) == "missing"


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"The file .*none\.gguf does not exist"):
        local_or_hub("none.gguf", tmp_path)


def test_without_its_package_the_package_is_named(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_file, "is_gguf_available", lambda: False)
    with pytest.raises(PairError, match=r"one\.gguf is a GGUF file.* pip install gguf"):
        load_pair(pair(*files))


def test_a_gguf_file_is_not_quantized_once_more(files: tuple[Path, Path]) -> None:
    with pytest.raises(PairError, match="Set quantization: none"):
        load_pair(pair(*files, quantization="nf4"))


def test_a_part_of_a_split_file_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    part = shutil.copy(files[0], tmp_path / "m-00001-of-00002.gguf")
    with pytest.raises(PairError, match="one part of a GGUF file"):
        load_pair(pair(part, files[1]))


def test_what_is_no_gguf_file_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"no such thing" * 99)
    with pytest.raises(PairError, match="cannot be read as a GGUF file"):
        load_pair(pair(tmp_path / "m.gguf", files[1]))


def test_a_pre_tokenizer_that_is_not_rebuilt_is_refused(tmp_path: Path) -> None:
    path = save_gguf(tmp_path / "m.gguf", tiny_model(), tiny_tokenizer(), pre="smollm")
    with pytest.raises(PairError, match=r"cuts text as smollm does.*tokenizer\.json"):
        load_pair(pair(path, path))


def test_a_scaled_rotary_embedding_needs_the_config_beside_it(
    tmp_path: Path, safetensors: tuple[Path, Path]
) -> None:
    factors = {"rope_freqs.weight": torch.ones(32)}
    path = save_gguf(tmp_path / "m.gguf", tiny_model(seed=1), tiny_tokenizer(), extra=factors)
    with pytest.raises(PairError, match=r"scales its rotary embedding.*config\.json"):
        load_pair(pair(path, path))
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(safetensors[0] / name, tmp_path)
    found, plain = answered(pair(path, safetensors[1])), answered(pair(*safetensors))
    assert [step.token for step in found] == [step.token for step in plain]
