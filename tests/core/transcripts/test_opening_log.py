"""What tells measurements apart: everything that a number depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from logit_amp_chat.core.export.describe import same_pair
from logit_amp_chat.core.records import Session, SideInfo
from logit_amp_chat.core.transcripts.opening_log import measured_with

SIDE = SideInfo(model="m", revision="r", adapter=None, dtype="float32", quantization="none")
SESSION = Session(
    id="s",
    time="",
    profile={"before": {"model": "m"}, "after": {"model": "m"}},
    before=SIDE,
    after=SIDE,
    template_hash="t",
    versions={},
    device="cpu",
    context=8,
    revisions={"base": "1", "sft": "2"},
)


def prompted(**changed: Any) -> Session:
    return replace(SESSION, profile={"before": {"model": "m"}, "after": {"model": "m", **changed}})


@pytest.mark.parametrize(
    "other",
    [
        replace(SESSION, before=replace(SIDE, revision="other")),
        replace(SESSION, template_hash="other"),
        replace(SESSION, revisions={"base": "1", "sft": "3"}),
        replace(SESSION, revisions={"base": "1", "sft": "2", "dpo": "2"}),
        replace(SESSION, profile={**SESSION.profile, "vocabulary": "by-id"}),
        prompted(system="Be brief."),
        prompted(system=""),
        prompted(template={"enable_thinking": False}),
        prompted(subfolder="checkpoint-200"),
    ],
)
def test_what_changes_a_number_tells_sessions_apart(other: Session) -> None:
    assert measured_with(other) != measured_with(SESSION)
    assert not same_pair(other, SESSION)


def test_true_and_one_are_written_apart() -> None:
    one, true = prompted(template={"x": 1}), prompted(template={"x": True})
    assert measured_with(one) != measured_with(true)


@pytest.mark.parametrize(
    "same",
    [
        replace(SESSION, id="other", time="later"),
        replace(SESSION, before=replace(SIDE, adapter_base="known")),
        replace(SESSION, profile={**SESSION.profile, "vocabulary": "by-name", "title": "Ours"}),
        prompted(system=None, template={}, subfolder=None),
    ],
)
def test_what_changes_none_does_not(same: Session) -> None:
    assert measured_with(same) == measured_with(SESSION)
    assert same_pair(same, SESSION)
