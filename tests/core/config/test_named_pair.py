"""A pair named on one line: a file, two models, or an adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.config.named_pair import specified_profile
from logit_amp_chat.core.errors import ProfileError

YAML = "before: {model: org/a}\nafter: {model: org/b}\n"


@pytest.mark.parametrize("text", ["org/a org/b", "org/a → org/b", " org/a  org/b"])
def test_two_models_are_before_and_after(text: str) -> None:
    found = specified_profile(text)
    assert (found.before.model, found.after.model) == ("org/a", "org/b")


def test_an_adapter_goes_on_its_model() -> None:
    found = specified_profile("org/model-1.5B + org/lora")
    assert found.before.model == found.after.model == "org/model-1.5B"
    assert (found.before.adapter, found.after.adapter) == (None, "org/lora")


@pytest.mark.parametrize("text", ["+ org/lora", "org/model +"])
def test_an_adapter_without_its_model_is_refused(text: str) -> None:
    with pytest.raises(ProfileError, match=r"needs its model. Write MODEL \+ ADAPTER"):
        specified_profile(text)


@pytest.mark.parametrize("name", ["mine.yaml", "my own.yml"])
def test_a_file_is_read_wherever_it_is(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(YAML)
    assert specified_profile(str(tmp_path / name)).after.model == "org/b"
    monkeypatch.chdir(tmp_path)
    assert specified_profile(name).after.model == "org/b"


def test_a_name_is_a_profile_s() -> None:
    assert specified_profile("demo").name == "demo"


@pytest.mark.parametrize("text", ["org/model", "org/model-1.5B"])
def test_one_model_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(ProfileError, match=f"{text} is one side of a pair. Write FILE.yaml, "):
        specified_profile(text)


@pytest.mark.parametrize("text", ["./none.yaml", "~/none.yml", "/nowhere/none", "org/none.yaml"])
def test_a_file_that_is_not_there_is_called_so(text: str) -> None:
    with pytest.raises(ProfileError, match="does not exist"):
        specified_profile(text)
