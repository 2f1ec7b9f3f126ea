"""The file of a search: nothing that was measured is measured again, wherever it was cut."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.experiments.search import Search, SearchSettings, header
from logit_amp_chat.core.experiments.search_results import SearchFile, SearchResult, key_of
from logit_amp_chat.core.reading import PlainText
from logit_amp_chat.core.records import Session
from tests.core import samples
from tests.core.experiments.test_search import Scripted, prompts

TEXTS = ("one", "two", "three")
SETTINGS = SearchSettings()


def head(session: Session | None = None, **settings: Any) -> dict[str, Any]:
    return header(session or samples.session(), replace(SETTINGS, **settings))


def search(path: Path, texts: tuple[str, ...] = TEXTS) -> tuple[list[str], Search]:
    """The prompts that were measured this time, and the search."""
    engine = Scripted()
    file = SearchFile(path, head())
    found = Search(engine, prompts(*texts), SETTINGS, file=file)  # type: ignore[arg-type]
    try:
        for _ in found:
            pass
    finally:
        file.close()
    return [request.messages[-1].text for request in engine.requests], found


def ranking(found: Search) -> list[SearchResult]:
    return sorted(found.best, key=lambda result: result.text)


def test_a_second_run_measures_nothing(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    first, before = search(path)
    second, after = search(path)
    assert first == list(TEXTS)
    assert second == []
    assert after.best == before.best
    assert (after.found, after.known) == (3, 3)
    assert search(path, (*TEXTS, "four"))[0] == ["four"]


def test_a_kill_at_any_byte_costs_at_most_the_result_that_was_being_written(
    tmp_path: Path,
) -> None:
    whole = tmp_path / "whole.jsonl"
    _, expected = search(whole)
    data = whole.read_bytes()
    ends = [n + 1 for n, byte in enumerate(data) if byte == ord("\n")]
    path = tmp_path / "cut.jsonl"
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        written = sum(end <= size for end in ends)
        measured, found = search(path)
        complete = max(0, written - 1)
        # A result without its newline is whole.
        assert measured in (list(TEXTS[complete:]), list(TEXTS[complete + 1 :]))
        assert ranking(found) == ranking(expected)
        assert search(path)[0] == []
        assert len(path.read_bytes().splitlines()) <= len(ends) + 2


def test_damage_in_the_middle_costs_one_result(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    search(path)
    lines = path.read_bytes().splitlines()
    lines[2] = lines[2][:40] + b"\xff" + lines[2][41:60]
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert search(path)[0] == ["two"]
    file = SearchFile(path, head())
    assert len(list(file.results())) == 3
    assert file.damaged == 1
    file.close()


def test_a_result_is_on_the_disk_as_soon_as_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    file = SearchFile(path, head())
    found = Search(Scripted(), prompts(*TEXTS), SETTINGS, file=file)  # type: ignore[arg-type]
    for number, _ in enumerate(found, 1):
        assert len(path.read_bytes().splitlines()) == 1 + number
    file.close()


def test_every_number_and_text_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    _, found = search(path, ("naïve\x1b[31m 🙂\u2028", "b"))
    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    file = SearchFile(path, head())
    assert sorted(map(repr, file.results())) == sorted(map(repr, found.best))
    assert found.best[0].log_ratio == math.inf
    file.close()


def test_a_file_name_that_is_no_unicode_is_written(tmp_path: Path) -> None:
    file = SearchFile(tmp_path / "found.jsonl", head())
    sources = [replace(one, name="a\udcff.txt") for one in prompts("one")]
    found = Search(Scripted(), sources, SETTINGS, file=file)  # type: ignore[arg-type]
    assert len(list(found)) == len(list(file.results())) == 1
    file.close()


@pytest.mark.parametrize("name", ["before", "after"])
def test_another_pair_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "found.jsonl"
    search(path)
    kept = path.read_bytes()
    session = samples.session()
    other = replace(session, **{name: replace(getattr(session, name), revision="def")})
    with pytest.raises(UsageError, match=rf"another pair: {name}.revision was abc, now it is def"):
        SearchFile(path, head(other))
    assert path.read_bytes() == kept


@pytest.mark.parametrize(
    ("setting", "name"),
    [({"template": {"thinking": True}}, "variables.thinking"), ({"date": "2026-07-26"}, "date")],
)
def test_other_variables_of_the_template_are_refused(
    tmp_path: Path, setting: dict[str, Any], name: str
) -> None:
    path = tmp_path / "found.jsonl"
    search(path)
    session = samples.session()
    with pytest.raises(UsageError, match=f"another pair: {name} was"):
        SearchFile(path, head(replace(session, profile=session.profile | setting)))


def test_another_device_moment_or_word_of_an_adapter_is_the_same_search(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    search(path)
    later = replace(samples.session(), device="cuda", id="s-2", time="2026-01-01T00:00:00+00:00")
    later = replace(later, after=replace(later.after, adapter_base="org/b", adapter_brings="x"))
    file = SearchFile(path, head(later))
    assert file.time == samples.session().time  # what a template writes must not change
    file.close()


@pytest.mark.parametrize(
    ("name", "value"), [("tokens", 8), ("raw", True), ("texts", True), ("system", "Be kind.")]
)
def test_other_settings_are_refused(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "found.jsonl"
    search(path)
    with pytest.raises(UsageError, match=f"other settings: {name} was .*, now it is {value}"):
        SearchFile(path, head(**{name: value}))


@pytest.mark.parametrize("data", [b"my notes\n", b'{"messages": []}\n', b"{", b"\x00\n", b"1\n"])
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(data)
    if data == b"{":  # what a header that was cut off begins with
        assert search(path)[0] == list(TEXTS)
        return
    with pytest.raises(UsageError, match="something else"):
        SearchFile(path, head())
    assert path.read_bytes() == data


def test_lines_that_are_no_results_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    search(path, ("one",))
    first, result = path.read_bytes().splitlines()
    fields = json.loads(result)
    wrong = [fields | {"key": 3}, fields | {"messages": [["robot", "x"]]}, fields | {"tokens": "x"}]
    strange = [{**fields, "key": "zz", "log_ratio": "NaN"}, {"type": "search-result"}, [1], {}]
    lines = [json.dumps(one).encode() for one in (*wrong, *strange)]
    path.write_bytes(b"\n".join([first, b"", *lines, b"\xff", result, b""]))
    _, found = search(path, ())
    assert [one.key for one in found.best] == ["zz", fields["key"]]
    file = SearchFile(path, head())
    assert len(list(file.results())) == 2
    assert file.damaged == len(lines)
    file.close()


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    path.write_text(json.dumps({"type": "search", **head(), "version": 2}) + "\n")
    with pytest.raises(UsageError, match="another version"):
        SearchFile(path, head())


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    file = SearchFile(tmp_path / "found.jsonl", head())
    with pytest.raises(UsageError, match="another search writes it"):
        SearchFile(tmp_path / "found.jsonl", head())
    file.close()


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--out"):
        SearchFile(tmp_path / "none" / "found.jsonl", head())
    with pytest.raises((UsageError, TranscriptError)):
        SearchFile(tmp_path, head())


def test_a_prompt_is_known_by_its_content_alone() -> None:
    assert key_of(PlainText(text="a")) == key_of(PlainText(text="a"))
    assert key_of(PlainText(text="a")) != key_of(PlainText(text="b"))
