"""A side's text becomes ids as its adapter was trained with, where the adapter says how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.pair import Pair, load_pair
from tests.core.models.test_pair import profile
from tests.models import save_adapter, save_side, tiny_tokenizer

OWN = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}<|end|>{% endfor %}"
MODELS = tiny_tokenizer().chat_template


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_side(tmp_path_factory.mktemp("models") / "base", seed=1)


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return save_adapter(base, tmp_path / "adapter", seed=1)


def opened(base: Path, adapter: Path) -> Pair:
    return load_pair(profile(base, {"model": str(base), "adapter": str(adapter)}))


def brought(pair: Pair) -> list[str | None]:
    return [info.adapter_brings for info in pair.infos]


def test_an_adapter_without_a_tokenizer_takes_its_model_s(base: Path, adapter: Path) -> None:
    pair = opened(base, adapter)
    assert (pair.template, brought(pair)) == (MODELS, [None, None])


def test_a_tokenizer_and_template_beside_the_adapter_are_used(base: Path, adapter: Path) -> None:
    tiny_tokenizer(OWN).save_pretrained(adapter)
    pair = opened(base, adapter)
    assert pair.template == OWN
    assert pair.tokenizer.name_or_path == str(adapter)
    assert brought(pair) == [None, "tokenizer and template"]


def test_a_tokenizer_without_a_template_leaves_the_model_s(base: Path, adapter: Path) -> None:
    tiny_tokenizer(None).save_pretrained(adapter)
    pair = opened(base, adapter)
    assert (pair.template, brought(pair)) == (MODELS, [None, "tokenizer"])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("chat_template.jinja", OWN),
        ("tokenizer_config.json", json.dumps({"chat_template": OWN})),
        (
            "tokenizer_config.json",
            json.dumps({"chat_template": [{"name": "default", "template": OWN}]}),
        ),
    ],
)
def test_a_template_alone_is_used_with_the_model_s_tokenizer(
    base: Path, adapter: Path, file: str, text: str
) -> None:
    (adapter / file).write_text(text)
    pair = opened(base, adapter)
    assert pair.template == OWN
    assert pair.tokenizer.name_or_path == str(base)
    assert brought(pair) == [None, "template"]


@pytest.mark.parametrize("text", ["", "[1]", "{broken", '{"chat_template": 7}'])
def test_settings_without_a_template_change_nothing(base: Path, adapter: Path, text: str) -> None:
    (adapter / "tokenizer_config.json").write_text(text)
    assert opened(base, adapter).template == MODELS


def test_the_adapter_s_names_are_shown_where_they_differ(base: Path, adapter: Path) -> None:
    """As ChatML fine-tunes do, which rename a reserved id and end turns with it."""
    tiny_tokenizer().save_pretrained(adapter)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        path = adapter / file
        path.write_text(path.read_text().replace("<|system|>", "<|reserved_3|>"))
    pair = opened(base, adapter)
    assert pair.token_bytes.describe(3)[0] == "<|reserved_3|>"
    assert any("3: '<|system|>' / '<|reserved_3|>'" in notice for notice in pair.notices)


def test_its_end_of_turn_ends_replies(base: Path, adapter: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = "<|user|>"
    tokenizer.save_pretrained(adapter)
    assert opened(base, adapter).end_of_turn == {1, 4}


def test_one_that_calls_words_something_else_is_a_notice(base: Path, adapter: Path) -> None:
    """Both sides have the same weights: an id is one row, whatever a file calls it."""
    tiny_tokenizer().save_pretrained(adapter)
    rules = json.loads((adapter / "tokenizer.json").read_text())
    words = rules["model"]["vocab"]
    a, b = sorted(words, key=words.get)[300:302]
    words[a], words[b] = words[b], words[a]
    (adapter / "tokenizer.json").write_text(json.dumps(rules))
    pair = opened(base, adapter)
    assert any("name 2 of 512 ids differently, 2 of them ordinary" in n for n in pair.notices)
    assert pair.token_bytes.raw(300) == b.replace("Ġ", " ").encode()


def test_one_that_cuts_text_differently_is_a_notice(base: Path, adapter: Path) -> None:
    """As when another version of transformers saved it."""
    tiny_tokenizer().save_pretrained(adapter)
    rules = json.loads((adapter / "tokenizer.json").read_text())
    rules["normalizer"] = {"type": "Lowercase"}
    (adapter / "tokenizer.json").write_text(json.dumps(rules))
    (notice,) = opened(base, adapter).notices
    assert notice.startswith(f"{base} and {adapter} tokenize the same text differently: ")
    assert notice.endswith("Prompts are cut as after's tokenizer does.")


def test_one_that_cannot_be_read_leaves_the_model_s(base: Path, adapter: Path) -> None:
    (adapter / "tokenizer.json").write_text("{}")
    (adapter / "chat_template.jinja").write_text(OWN)
    pair = opened(base, adapter)
    assert pair.tokenizer.name_or_path == str(base)
    assert (pair.template, brought(pair)) == (OWN, [None, "template"])
    (notice,) = pair.notices
    assert notice.startswith(f"The tokenizer of {adapter} cannot be read: ")
    assert notice.endswith(f" That of {base} is used.")


class TestTheBaseOfAnAdapter:
    def test_is_recorded_and_no_news_where_it_is_the_model(self, base: Path, adapter: Path) -> None:
        pair = opened(base, adapter)
        assert [info.adapter_base for info in pair.infos] == [None, str(base)]
        assert pair.notices == ()

    @pytest.mark.parametrize("name", ["org/other", "/somewhere/else/other"])
    def test_is_a_notice_where_it_is_another(self, base: Path, adapter: Path, name: str) -> None:
        rename_base(adapter, name)
        assert opened(base, adapter).notices == (
            f"The adapter {adapter} was trained on {name}, and is used on {base}:"
            " its changes were made for other weights.",
        )

    @pytest.mark.parametrize("name", ["org/base", "/somewhere/else/base", "Base", None])
    def test_may_be_called_by_its_id_or_an_older_place(
        self, base: Path, adapter: Path, name: str | None
    ) -> None:
        rename_base(adapter, name)
        assert opened(base, adapter).notices == ()

    def test_does_not_make_two_recorded_sides_differ(self, base: Path, adapter: Path) -> None:
        """Chats from before it was recorded can still be compared with."""
        first = opened(base, adapter).infos[1]
        rename_base(adapter, "org/base")
        assert opened(base, adapter).infos[1] == first


def rename_base(adapter: Path, name: str | None) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": name}))


def test_the_session_says_so(base: Path, adapter: Path) -> None:
    tiny_tokenizer(OWN).save_pretrained(adapter)
    after = {"model": str(base), "adapter": str(adapter)}
    session = LocalEngine.open(profile(base, after, trust_caches=True)).opened.session
    assert (session.after.adapter_base, session.after.adapter_brings) == (
        str(base),
        "tokenizer and template",
    )
