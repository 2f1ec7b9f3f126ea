"""What a file is, is seen from what is in it; its ending decides where that says too little."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments import json_values
from logit_amp_chat.core.experiments.file_formats import Format, format_of
from logit_amp_chat.core.experiments.source_files import InputFile
from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.core.samples import conversation

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
LINE = json.dumps(CHAT)
INDENTED = json.dumps(CHAT, indent=2)
LIST = json.dumps([CHAT, CHAT], indent=2)
SAVED = "".join(to_line(record) + "\n" for record in conversation())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def known_as(name: str, content: str | bytes) -> Format:
    data = content.encode() if isinstance(content, str) else content
    Path(name).write_bytes(data)
    return format_of(InputFile(name, len(data)))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt", "a", "a.JSON"])
@pytest.mark.parametrize(
    "lines", [f"{LINE}\n{LINE}\n", f"\n{LINE}\n\n{LINE}", f"\ufeff{LINE}\n{LINE}"]
)
def test_lines_of_chats_are_json_lines_whatever_the_file_is_called(name: str, lines: str) -> None:
    assert known_as(name, lines) == "JSON Lines"


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a"])
@pytest.mark.parametrize(
    "content", [LINE, INDENTED, LIST, json.dumps(CHAT["messages"]), f"\n {LIST}\n"]
)
def test_one_chat_and_a_list_of_chats_are_json(name: str, content: str) -> None:
    assert known_as(name, content) == "JSON"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt", "a"])
def test_a_saved_chat_is_one_whatever_it_is_called(name: str) -> None:
    assert known_as(name, SAVED) == "transcript"


@pytest.mark.parametrize("content", ["", "Otters\n", LINE, '{"a": 1}\n', "\xff", '{"type": "x"}\n'])
def test_a_file_that_is_called_json_lines_is_taken_at_its_word(content: str) -> None:
    assert known_as("a.jsonl", content) == "JSON Lines"
    assert known_as("a.ndjson", content) == "JSON Lines"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", '{"name": "otter", "version": "1"}'),
        ("list.json", "[1, 2, 3]"),
        ("empty.json", "[]"),
        ("comments.json", '{\n  // a comment\n  "a": 1\n}'),
        ("words.txt", '["an", "otter"]'),
        ("quoted.txt", '"Otters."'),
        ("strings.txt", '"Otters."\n"Crabs."\n'),
        ("readme.md", "[a link](of.md)\n"),
        ("example.md", f"{LINE}\nis a line of a data set.\n"),
        ("torn.txt", LINE[:-5]),
        ("a.js", "{\n  let a = 1\n}\n"),
        ("a.txt", ""),
        pytest.param("a.txt", " " * 9_000 + LINE, id="much space"),
        ("binary.json", b"{\xff\xfe"),
    ],
)
def test_anything_else_is_plain_text(name: str, content: str | bytes) -> None:
    assert known_as(name, content) == "plain text"


@pytest.mark.parametrize("content", ['"Otters."', '["Otters.", "Crabs."]'])
def test_strings_are_texts_in_json_files(content: str) -> None:
    assert known_as("a.json", content) == "JSON"
    assert known_as("b.json", '"Otters."\n"Crabs."\n') == "JSON Lines"


@pytest.mark.parametrize("name", ["a.json", "a"])
@pytest.mark.parametrize("content", [LINE[:-2], INDENTED[:-2], LIST[: len(LIST) // 3]])
def test_chats_that_were_cut_off_are_not_read_as_plain_text(name: str, content: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name}:\d+: no valid JSON"):
        known_as(name, content)


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a"])
def test_a_list_that_is_too_large_to_hold_is_refused_with_the_way_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_values, "MOST", 200)
    assert known_as(name, f"{LINE}\n" * 9) == "JSON Lines"
    with pytest.raises(UsageError, match=rf"^{name} is JSON of more than") as raised:
        known_as(name, LIST)
    assert "jq -c '.[]'" in raised.value.remedy


def test_a_large_text_is_no_json_because_of_a_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "MOST", 200)
    assert known_as("a.md", "[a link](of.md)\n" * 99) == "plain text"
    assert known_as("a.md", "[" * 999) == "plain text"
