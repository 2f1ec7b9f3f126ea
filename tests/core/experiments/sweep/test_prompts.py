"""Which prompts a sweep answers: of texts, chats, saved chats, each once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sources import read_sources
from logit_amp_chat.core.experiments.sweep.prompts import (
    Prompts,
    messages_of,
    prompts_of,
    sample_prompt,
    typed,
)


def of_file(tmp_path: Path, name: str, text: str, **options: bool | str) -> Prompts:
    path = tmp_path / name
    path.write_text(text)
    sources = read_sources([path], "all")
    return prompts_of(sources, saved=sources.saved, **options)  # type: ignore[arg-type]


def test_every_line_of_a_text_is_a_prompt_with_a_number(tmp_path: Path) -> None:
    found = of_file(tmp_path, "prompts.txt", "Tell me about owls.\n\nWhat is 2 + 2?\n")
    assert [(p.id, p.messages) for p in found.prompts] == [
        ("p1", (("user", "Tell me about owls."),)),
        ("p2", (("user", "What is 2 + 2?"),)),
    ]


def test_a_prompt_that_comes_again_is_left_out_and_named(tmp_path: Path) -> None:
    found = of_file(tmp_path, "prompts.txt", "Hello.\nHi.\nHello.\n")
    assert [p.messages[-1][1] for p in found.prompts] == ["Hello.", "Hi."]
    assert len(found.repeated) == 1
    assert "line 3" in found.repeated[0]


@pytest.mark.parametrize(
    ("row", "messages", "begin"),
    [
        ("Hello.", (("user", "Hello."),), ""),
        ({"prompt": "Hello."}, (("user", "Hello."),), ""),
        ({"prompt": "Hello.", "completion": "By the"}, (("user", "Hello."),), "By the"),
        ({"messages": [{"role": "user", "content": "Hello."}]}, (("user", "Hello."),), ""),
        (
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hello."},
                    {"role": "assistant", "content": "Hi."},
                    {"role": "user", "content": "And you?"},
                    {"role": "assistant", "content": "I am"},
                ]
            },
            (
                ("system", "Be brief."),
                ("user", "Hello."),
                ("assistant", "Hi."),
                ("user", "And you?"),
            ),
            "I am",
        ),
    ],
)
def test_rows_of_json_in_every_shape(
    tmp_path: Path, row: object, messages: tuple[tuple[str, str], ...], begin: str
) -> None:
    (prompt,) = of_file(tmp_path, "prompts.jsonl", json.dumps(row) + "\n").prompts
    assert (prompt.messages, prompt.begin) == (messages, begin)


def test_a_system_prompt_goes_before_chats_without_one(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Hello."},
        [{"role": "system", "content": "Own."}, {"role": "user", "content": "Hello."}],
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    found = of_file(tmp_path, "prompts.jsonl", text, system="Given.")
    assert [p.messages[0] for p in found.prompts] == [("system", "Given."), ("system", "Own.")]


def test_typed_prompts_are_as_they_are() -> None:
    (prompt,) = prompts_of(typed(["Tell me\nabout owls."])).prompts
    assert [text for _, text in prompt.messages] == ["Tell me\nabout owls."]


def test_what_nobody_asked_is_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(LogitAmpError, match="no message of a user"):
        of_file(tmp_path, "a.jsonl", json.dumps([{"role": "system", "content": "Be brief."}]))


def test_a_chat_needs_its_template(tmp_path: Path) -> None:
    with pytest.raises(LogitAmpError, match="without a template"):
        of_file(tmp_path, "a.jsonl", json.dumps([{"role": "user", "content": "Hi"}]), raw=True)


def test_no_prompt_is_an_error() -> None:
    with pytest.raises(LogitAmpError, match="no prompt"):
        prompts_of([])


def test_what_an_engine_gets_has_a_chain_of_messages() -> None:
    (prompt,) = prompts_of(typed(["Hello."]), system="Be brief.").prompts
    system, user = messages_of(prompt)
    assert (system.parent, user.parent) == (None, system.id)
    assert sample_prompt(prompt).messages == (system, user)
