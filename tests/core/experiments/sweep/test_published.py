"""Published sweeps: the shapes they come in, and texts that run on past their end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.published import Published, read_published

RENDERED = "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"


def read(folder: Path, value: object) -> Published:
    path = folder / "published.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return read_published(path)


def told(found: Published) -> list[tuple[str, float, int, str]]:
    return [(one.prompt, one.alpha, one.n, one.text) for one in found.replies]


EXPECTED = [("p1", 0.0, 0, "a"), ("p1", 0.5, 0, "b"), ("p2", 0.0, 0, "c"), ("p2", 0.5, 0, "d")]
SHAPES: list[Any] = [
    [
        {"prompt": "Hi", "alpha": 0, "text": "a"},
        {"prompt": "Hi", "alpha": 0.5, "text": "b"},
        {"prompt": "Ho", "strength": "0", "response": "c"},
        {"prompt": "Ho", "strength": "0.5", "completion": "d"},
    ],
    [
        {"prompt": "Hi", "results": [{"alpha": 0, "text": "a"}, {"alpha": 0.5, "output": "b"}]},
        {"prompt": "Ho", "samples": [{"alpha": 0, "text": "c"}, {"alpha": 0.5, "text": "d"}]},
    ],
    [
        {"prompt": "Hi", "responses": {"0": "a", "0.5": ["b"]}},
        {"question": "Ho", "responses": {"0.0": {"text": "c"}, "5e-1": "d"}},
    ],
    {
        "temperature": 0.7,
        "experiments": [
            {"prompt": "Hi", "alphas": [0.0, 0.5], "generations": [{"text": "a"}, {"text": "b"}]},
            {"prompt": "Ho", "alphas": [-0.0, 0.5], "generations": ["c", "d"]},
        ],
    },
]


@pytest.mark.parametrize("value", SHAPES)
def test_shapes(tmp_path: Path, value: object) -> None:
    found = read(tmp_path, value)
    assert told(found) == EXPECTED
    assert [one.messages for one in found.prompts] == [(("user", "Hi"),), (("user", "Ho"),)]
    assert all(not (one.tokens or one.log_q or one.lengths) for one in found.replies)
    assert found.cut == 0
    assert len({one.id for one in found.replies}) == 4


def test_the_published_sweep_of_the_original_project(tmp_path: Path) -> None:
    """Its shape: rendered prompts, parallel lists, texts of 200 tokens that run on."""
    value = {
        "model_before": "org/before",
        "model_after": "org/after",
        "max_new_tokens": 3,
        "temperature": 0.7,
        "top_p": 0.9,
        "experiments": [
            {
                "alphas": [-2.0, 0.0],
                "prompt": RENDERED,
                "generations": [
                    {"text": "No fruit.<|eot_id|><|start_header_id|>x", "tokens": [1, 2, 3]},
                    {"text": "Fruit is", "tokens": [1, 2, 3]},
                ],
            }
        ],
    }
    found = read(tmp_path, value)
    assert told(found) == [("p1", -2.0, 0, "No fruit."), ("p1", 0.0, 0, "Fruit is")]
    assert [one.finish for one in found.replies] == ["stop", "length"]
    assert found.cut == 1
    assert found.settings["top_p"] == 0.9
    assert found.prompts[0].raw
    assert found.prompts[0].messages == (("user", RENDERED),)
    notices = list(found.notices)
    assert notices[0] == "1 of 2 texts run on past an end of turn; they are cut there."
    assert any("no rate of after is estimated" in one for one in notices)


@pytest.mark.parametrize(
    "mark",
    ["<|eot_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<end_of_turn>", "</s>", "<eos>"],
)
def test_a_text_is_cut_at_the_first_end_of_turn(tmp_path: Path, mark: str) -> None:
    found = read(tmp_path, [{"prompt": "Hi", "alpha": 1, "text": f"a{mark}b</s>c"}])
    assert told(found) == [("p1", 1.0, 0, "a")]
    assert found.cut == 1


def test_several_texts_of_one_alpha_are_numbered(tmp_path: Path) -> None:
    found = read(tmp_path, [{"prompt": "Hi", "alpha": 1, "responses": ["a", "b"]}] * 2)
    assert [one.n for one in found.replies] == [0, 1, 2, 3]
    assert len({one.id for one in found.replies}) == 4


def test_messages_are_a_prompt(tmp_path: Path) -> None:
    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    found = read(tmp_path, [{"messages": said, "alpha": 1, "text": "a"}])
    assert found.prompts[0].messages == (("system", "Be kind."), ("user", "Hi"))
    assert not found.prompts[0].raw


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("[", "no valid JSON"),
        ([], "is no list of prompts"),
        ("3", "is no list of prompts"),
        ({"a": 1}, "has no list experiments, .*; it has a"),
        ([3], "item 1 is no object"),
        ([{"alpha": 1, "text": "a"}], "item 1 has no prompt, .*; it has alpha, text"),
        ([{"prompt": 3, "alpha": 1, "text": "a"}], "neither a text nor messages"),
        ([{"prompt": [{"role": "x", "content": ""}], "alpha": 1, "text": "a"}], "a role and"),
        ([{"prompt": "a", "text": "a"}], "item 1 has no alpha, "),
        ([{"prompt": "a", "texts": ["a"]}], "item 1 has no alpha, "),
        ([{"prompt": "a", "alpha": 1}], "item 1 has no generations, .*; it has prompt, alpha"),
        ([{"prompt": "a", "alpha": "x", "text": "a"}], "has x where an α should be"),
        ([{"prompt": "a", "alpha": True, "text": "a"}], "has True where an α should be"),
        ('[{"prompt": "a", "alpha": NaN, "text": "a"}]', "has nan where an α should be"),
        ([{"prompt": "a", "alpha": 1, "text": 3}], "has something that is no text"),
        ([{"prompt": "a", "alphas": [1, 2], "texts": ["a"]}], "2 alphas and 1 texts in texts"),
        ([{"prompt": "a", "results": [{"text": "a"}]}], "item 1, results 1 has no alpha"),
        ([{"prompt": "a", "responses": {"1": {"x": 1}}}], "has no text, .*; it has x"),
    ],
)
def test_what_is_missing_is_said_with_its_place(tmp_path: Path, value: object, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        read(tmp_path, value)
    assert "published.json" in refused.value.message


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        read_published(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'["\xe9"]')
    with pytest.raises(UsageError, match="no UTF-8"):
        read_published(tmp_path / "latin.json")
