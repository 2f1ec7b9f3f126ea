"""Every name has one JSON type in all records, so that tables can be read from transcripts."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.records import (
    CacheCheck,
    Candidate,
    Known,
    Name,
    Record,
    Role,
    Session,
    SideInfo,
    Title,
    Unknown,
)
from logit_amp_chat.core.transcripts.jsonl import from_line, read_records, to_line
from tests.core.read_texts import document
from tests.core.samples import conversation, finish, message, opening, reply, session, step

WORDS = (("some", 0.5), (" text", 2.5))
SPANS: tuple[tuple[int, Role, int, int], ...] = ((0, "user", 0, 2), (1, "assistant", 2, 4))
CHECK = CacheCheck(use="none", kl=math.inf, largest=math.inf, limit=0.1, failed={"turns": "far"})
GPTQ = SideInfo("org/m", "abc", "org/a", "bfloat16", "gptq 4-bit", "def", "org/b", "tokenizer")


def records() -> list[Record]:
    """Every type of record, with and without what is optional, finite and infinite."""
    return [
        *(record for record in conversation() if not isinstance(record, Unknown)),
        replace(session(), caches={"before": CHECK}, after=GPTQ, end_of_turn=(1, 2)),
        replace(message("m-3"), special=True, token_ids=(1, 2)),
        replace(reply("r-9"), follows="r-1", edits="r-2", time="2026-01-01T00:00:00+00:00"),
        replace(step(7, "a"), kl=0.5, top=(Candidate(1, "-Infinity", -1.0, -2.0, -math.inf),)),
        replace(step(8, "a"), top=()),
        replace(opening(), kl=math.inf, raw=True),
        replace(finish(), reason="error", error="CUDA"),
        replace(document(WORDS), spans=SPANS, threshold=math.inf),
        document(WORDS),
        replace(session(), revisions={"base": "abc", "sft": None}, beside="s-1"),
        replace(reply("r-8"), stages=("base", "sft")),
        Blamed(
            reply="r-1",
            chain=("base", "sft", "dpo"),
            log_probs=((-1.0, -math.inf, -0.5),),
            likeliest=(((7, -0.1), (7, -0.2), (8, -0.3)),),
            divergences=((0.5, None),),
        ),
        Name(reply="r-1", text="odd"),
        Title(text="Otters"),
    ]


def types(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSON type) of everything in a value; null may stand for any type."""
    if isinstance(value, dict):
        yield path, "object"
        for name, inner in value.items():
            yield from types(inner, f"{path}.{name}")
    elif isinstance(value, list):
        yield path, "array"
        for inner in value:
            yield from types(inner, f"{path}[]")
    elif isinstance(value, bool):
        yield path, "boolean"
    elif isinstance(value, (int, float)):
        yield path, "number"
    elif isinstance(value, str):
        yield path, "string"


def test_the_sample_has_every_type_of_record() -> None:
    assert {type(record) for record in records()} == set(get_args(Known))


def test_every_name_has_one_json_type_in_all_records() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for record in records():
        for path, kind in types(json.loads(to_line(record))):
            found[path].add(kind)
    assert {path: kinds for path, kinds in found.items() if len(kinds) > 1} == {}


@pytest.mark.parametrize("record", records(), ids=lambda record: record.type)
def test_what_is_infinite_survives_its_line(record: Record) -> None:
    assert from_line(to_line(record)) == record


def columns(text: str) -> dict[str, Any]:
    """The candidates of the samples' steps: one."""
    return {"id": [5], "text": [text], "before": [None], "after": [-1.0], "amplified": [-0.5]}


def test_log_0_is_null_and_candidates_are_columns() -> None:
    line = json.loads(to_line(step(0, "By")))
    assert line["logp"] == {"before": None, "after": -1.0, "amplified": -0.5}
    assert line["kl"] is None
    assert line["top"] == columns("By")


def test_an_escaped_surrogate_changes_no_type() -> None:
    line = json.loads(to_line(step(0, "\ud800")))
    assert line["top"] == columns("\ud800")
    assert from_line(to_line(step(0, "\ud800"))) == step(0, "\ud800")


def as_version_1(line: dict[str, Any]) -> dict[str, Any]:
    """A record as version 1 of the format had it."""

    def listed(found: dict[str, list[Any]] | None) -> list[list[Any]]:
        rows = zip(*found.values(), strict=True) if found else ()
        return [["-Infinity" if v is None else v for v in row] for row in rows]

    match line["type"]:
        case "session":
            line["version"] = 1
        case "reply":
            line["top"] = line.pop("candidates")
        case "opening":
            line["size"] = line.pop("candidates")
            line["path"], line["top"] = listed(line["path"]), listed(line["top"])
            line["kl"] = "Infinity" if line["kl"] is None else line["kl"]
        case "step":
            line["top"] = listed(line["top"])
            line["kl"] = "Infinity" if line["kl"] is None else line["kl"]
            given = line["logp"].items()
            line["logp"] = {side: "-Infinity" if p is None else p for side, p in given}
        case "document":
            line["spans"] = listed(line["spans"])
            line["threshold"] = "Infinity" if line["threshold"] is None else line["threshold"]
    return line


@pytest.mark.parametrize("record", records(), ids=lambda record: record.type)
def test_a_line_of_version_1_is_the_same_record(record: Record) -> None:
    line = as_version_1(json.loads(to_line(record)))
    found = from_line(json.dumps(line))
    assert found == (replace(record, version=1) if isinstance(record, Session) else record)


def test_a_line_of_version_1_as_it_was_written() -> None:
    line = (
        '{"type":"step","reply":"r-1","index":0,"alpha":1.0,"token":5,"text":"By","bytes":null,'
        '"special":false,"logp":{"before":"-Infinity","after":-1.0,"amplified":-0.5},'
        '"rank":{"before":9,"after":2,"amplified":1},"kl":"Infinity","kl_amplified":0.25,'
        '"entropy":1.5,"top":[[5,"By","-Infinity",-1.0,-0.5]]}'
    )
    assert from_line(line) == step(0, "By")


@pytest.mark.parametrize(
    "top",
    [
        {"id": [5]},
        {**columns("By"), "id": [5, 6]},
        {**columns("By"), "text": 7},
        {**columns("By"), "text": [7]},
        7,
        [7],
    ],
)
def test_damaged_candidates_make_the_line_unknown(top: object) -> None:
    line = json.loads(to_line(step(0, "By"))) | {"top": top}
    assert isinstance(from_line(json.dumps(line)), Unknown)


def test_no_candidates_are_null() -> None:
    none = replace(step(0, "By"), top=())
    assert json.loads(to_line(none))["top"] is None
    assert from_line(to_line(none)) == none


def write(path: Path) -> Path:
    path.write_text("".join(to_line(record) + "\n" for record in records()))
    return path


def test_polars_reads_a_transcript(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    table = polars.read_ndjson(write(tmp_path / "chat.jsonl"), infer_schema_length=None)
    assert table.height == len(records())
    assert table.filter(table["type"] == "step")["top"][0]["id"] == [5]


def test_pyarrow_reads_a_transcript(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow.json")
    table = arrow.read_json(write(tmp_path / "chat.jsonl"))
    assert table.num_rows == len(read_records(tmp_path / "chat.jsonl"))
