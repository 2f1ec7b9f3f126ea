"""Which tokens training raised most: ΣΔ over the steps that were sampled, each once."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from logit_amp_chat.core.records import LogProbs, Record, Reply, Step
from logit_amp_chat.core.transcripts.raised_tokens import (
    Place,
    TokenChange,
    most_lowered,
    most_raised,
    token_changes,
)
from tests.core import samples

IDS = {" otter": 7, " the": 8, "!": 9, "<|end|>": 10}
INF = math.inf


def reply(id: str, forced: int = 0) -> Reply:
    return replace(samples.reply(id), forced=forced)


def step(reply: str, index: int, text: str, before: float, after: float) -> Step:
    return replace(
        samples.step(index, text, reply=reply, special=text.startswith("<|")),
        token=IDS[text],
        logp=LogProbs(before, after, after),
    )


def rows(records: list[Record]) -> dict[str, TokenChange]:
    return {row.text: row for row in token_changes(records)}


CHAT: list[Record] = [
    samples.session(),
    samples.message(),
    reply("r-1"),
    step("r-1", 0, " otter", -3.0, -1.0),
    step("r-1", 1, " the", -1.0, -1.5),
    step("r-1", 2, " otter", -4.0, -0.5),
    step("r-1", 3, "<|end|>", -6.0, -1.0),
    samples.finish("r-1", tokens=4),
    reply("r-2"),
    step("r-2", 0, " otter", -1.0, -1.25),
]


def test_a_token_has_its_count_sum_and_mean_over_all_replies() -> None:
    row = rows(CHAT)[" otter"]
    deltas = [-1.0 - -3.0, -0.5 - -4.0, -1.25 - -1.0]
    assert (row.token, row.count) == (7, 3)
    assert row.total == pytest.approx(2.0 + 3.5 - 0.25)
    assert row.mean == pytest.approx(sum(deltas) / 3)


def test_the_places_are_those_of_its_largest_and_smallest_delta() -> None:
    row = rows(CHAT)[" otter"]
    assert row.highest == Place("r-1", 2, 3.5)
    assert row.lowest == Place("r-2", 0, -0.25)


def test_of_equal_places_it_is_the_first() -> None:
    same: list[Record] = [reply("r-1"), *(step("r-1", n, "!", -2.0, -1.0) for n in range(3))]
    assert rows(same)["!"].highest == Place("r-1", 0, 1.0)


def test_a_special_token_counts_and_is_marked() -> None:
    found = rows(CHAT)
    assert found["<|end|>"].special
    assert found["<|end|>"].total == 5.0
    assert not found[" otter"].special


def test_forced_tokens_of_a_branch_do_not_count() -> None:
    branch: list[Record] = [
        reply("r-3", forced=2),
        step("r-3", 0, " otter", -3.0, -1.0),
        step("r-3", 1, "!", -9.0, -1.0),
        step("r-3", 2, " otter", -2.0, -1.0),
    ]
    found = rows([*CHAT, *branch])
    assert found[" otter"].count == 4
    assert found[" otter"].total == pytest.approx(2.0 + 3.5 - 0.25 + 1.0)
    assert "!" not in found


def test_what_one_side_rules_out_is_counted_apart_and_never_summed() -> None:
    records: list[Record] = [
        reply("r-1"),
        step("r-1", 0, "!", -INF, -1.0),
        step("r-1", 1, "!", -2.0, -1.0),
        step("r-1", 2, "!", -1.0, -INF),
        step("r-1", 3, "!", -INF, -INF),
    ]
    row = rows(records)["!"]
    assert (row.count, row.finite, row.added, row.removed) == (4, 1, 1, 1)
    assert (row.total, row.mean) == (1.0, 1.0)
    assert (row.highest, row.lowest) == (Place("r-1", 0, INF), Place("r-1", 2, -INF))


def test_without_any_finite_delta_the_mean_is_not_a_number() -> None:
    row = rows([reply("r-1"), step("r-1", 0, "!", -INF, -INF)])["!"]
    assert row.total == 0
    assert math.isnan(row.mean)
    assert row.highest is row.lowest is None


def test_most_raised_and_most_lowered_split_the_rows_by_sign() -> None:
    found = token_changes(CHAT)
    assert [row.text for row in most_raised(found)] == [" otter", "<|end|>"]
    assert [row.text for row in most_lowered(found)] == [" the"]


def test_what_a_side_rules_out_comes_first() -> None:
    records = [*CHAT, step("r-2", 1, "!", -INF, -9.0), step("r-2", 2, " the", -1.0, -INF)]
    found = token_changes(records)
    assert [row.text for row in most_raised(found)] == ["!", " otter", "<|end|>"]
    assert [row.text for row in most_lowered(found)] == [" the"]


def test_equal_text_of_other_ids_is_another_token() -> None:
    twin = replace(step("r-2", 1, " otter", -1.0, -0.5), token=70)
    assert [row.token for row in token_changes([*CHAT, twin]) if row.text == " otter"] == [7, 70]


def test_steps_of_no_known_reply_do_not_count() -> None:
    assert token_changes([step("r-9", 0, "!", -2.0, -1.0)]) == []


def test_the_tokens_of_a_stop_string_do_not_count() -> None:
    """A token that begins inside the answer was still written there."""
    steps = [
        step("r-1", 0, " otter", -2.0, -1.0),
        step("r-1", 1, " the", -2.0, -1.0),
        step("r-1", 2, "!", -2.0, -1.0),
    ]
    end = replace(samples.finish(tokens=3), stop="the!")
    assert [*rows([reply("r-1"), *steps, end])] == [" otter", " the"]
    whole = replace(end, stop=" the!")
    assert [*rows([reply("r-1"), *steps, whole])] == [" otter"]
    assert [*rows([reply("r-1"), *steps])] == [" otter", " the", "!"]
