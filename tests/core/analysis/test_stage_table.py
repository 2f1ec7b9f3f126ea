"""Blamed tokens as a table."""

from __future__ import annotations

from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.analysis.stage_table import columns, rows
from logit_amp_chat.core.records import Document

STAGES = ("base", "sft", "dpo")
DOCUMENT = Document(
    id="d",
    source="a.txt",
    text="An\nowl",
    tokens=3,
    offsets=((2, 3), (3, 6)),
    threshold=1.0,
    window=9,
    stride=4,
)
TOKENS = (
    BlamedToken(index=0, token=5, logp=(-1.0, -1.5, -1.25), best=((5, -1.0),) * 3, kl=(0.1, None)),
    BlamedToken(index=1, token=6, logp=(-9.0, -1.0, -8.0), best=((7, -0.5),) * 3, kl=(0.2, None)),
)


def found() -> list[dict[str, object]]:
    names = columns(STAGES)
    return [dict(zip(names, row, strict=True)) for row in rows(STAGES, DOCUMENT, TOKENS)]


def test_a_row_a_token_a_column_a_stage() -> None:
    owl = found()[1]
    place = ("source", "place", "message", "line", "column", "start", "end")
    assert tuple(owl[name] for name in place) == ("a.txt", "", None, 2, 1, 3, 6)
    assert (owl["index"], owl["token"], owl["text"]) == (1, 6, "owl")
    assert (owl["logp_base"], owl["logp_sft"], owl["logp_dpo"]) == (-9.0, -1.0, -8.0)
    assert (owl["change_sft"], owl["change_dpo"], owl["total"]) == (8.0, -7.0, 1.0)
    assert (owl["kl_sft"], owl["kl_dpo"]) == (0.2, None)
    assert (owl["blamed"], owl["undone"], owl["notable"]) == ("sft", True, True)


def test_a_token_below_the_threshold_is_in_the_table_too() -> None:
    first = found()[0]
    assert (first["total"], first["blamed"], first["notable"]) == (-0.25, "sft", False)
