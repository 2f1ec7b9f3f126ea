"""The values of JSON files, one by one, each with the line it begins on."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments import json_values as module
from logit_amp_chat.core.experiments.json_values import json_file, json_lines

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def lines(text: str) -> list[tuple[int, int, object]]:
    return [(*value,) for value in json_lines(io.StringIO(text, newline="\n"), "a.jsonl")]


def values(text: str) -> list[tuple[int, int, object]]:
    return [(*value,) for value in json_file(text, "a.json")]


def test_every_line_is_a_value_and_blank_lines_are_none() -> None:
    assert lines('1\n\n  {"a": "\\n"}\r\n"b"') == [(1, 1, 1), (3, 3, {"a": "\n"}), (4, 4, "b")]
    assert lines("") == []


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1',
        "Otters",
        '{"a": 1} 2',
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("9" * 9_999, id="a long number"),
    ],
)
def test_a_line_that_is_no_json_is_refused_with_file_and_line(line: str) -> None:
    with pytest.raises(UsageError, match=r"^a\.jsonl:3: no valid JSON: ") as raised:
        lines(f"1\n\n{line}\n4\n")
    assert raised.value.remedy


def test_a_line_that_is_too_long_to_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 8)
    assert lines('"12345"\n') == [(1, 1, "12345")]
    with pytest.raises(UsageError, match=r"^a\.jsonl:2: longer than "):
        lines('"12345"\n"1234567"\n')


@given(st.lists(VALUES), st.sampled_from([None, 1, "\t"]))
def test_the_items_of_a_list_come_one_by_one(items: list[object], indent: int | str | None) -> None:
    found = values(json.dumps(items, indent=indent))
    assert [value for _, _, value in found] == items
    assert [number for number, _, _ in found] == list(range(1, len(items) + 1))


def test_every_item_has_the_line_it_begins_on() -> None:
    text = '\n[\n {"a":\n 1},\n\n "b", 3,\n [\n]\n]\n'
    assert values(text) == [(1, 3, {"a": 1}), (2, 6, "b"), (3, 6, 3), (4, 7, [])]


@pytest.mark.parametrize("value", [{"a": [1]}, "text", 4, {}])
def test_anything_but_a_list_is_one_value(value: object) -> None:
    assert values(f"\n\n{json.dumps(value)} ") == [(0, 3, value)]


def test_a_list_of_messages_is_one_value() -> None:
    chat = [{"role": "user", "content": "Hi"}, {"role": "tool", "content": "4"}]
    assert values(f"\n{json.dumps(chat, indent=1)}") == [(0, 3, chat)]
    assert values(json.dumps([chat, chat])) == [(1, 1, chat), (2, 1, chat)]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[", "[1", "[1,", "[1,]", "[1 2]", "[1]]", "[1] 2", "{}{}", '{"a"', "[,]"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^a\.json:\d+: no valid JSON: ") as raised:
        values(text)
    assert raised.value.remedy


def test_the_refusal_names_line_and_column() -> None:
    with pytest.raises(UsageError, match=r"^a\.json:3: .*, column 4\. "):
        values("[\n 1,\n 2 3\n]")
