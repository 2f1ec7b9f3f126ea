"""Replies of stages from Python: each call has the session of every stage that replied."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.api.open_pair import open_pair
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.chains import three_stages


def test_a_second_call_knows_the_stages_as_well(tmp_path: Path) -> None:
    with open_pair(three_stages(tmp_path)) as pair:
        for number in range(2):
            found = pair.reply("fish?", stages=["base", "sft", "dpo"], max_new_tokens=4)
            assert [reply.record.lane for reply in found] == ["base", "sft", "dpo"]
            file = tmp_path / f"{number}.jsonl"
            found.save(file)
            records = list(read_records(file))
            beside = [r for r in records if isinstance(r, Session) and r.beside]
            assert [session.profile["pair"] for session in beside] == [
                ["base", "sft"],
                ["sft", "dpo"],
            ]
            sft = next(
                log for log in Conversation(records).replies.values() if log.reply.lane == "sft"
            )
            assert sft.session is not None
            assert sft.session.before.model.endswith("base")


def test_a_lane_has_an_alpha_or_is_a_stage(tmp_path: Path) -> None:
    with open_pair(three_stages(tmp_path)) as pair:
        with pytest.raises(UsageError, match="has an α or is a stage"):
            pair.reply("fish?", alpha=1.0, stages=["sft"])
        with pytest.raises(UsageError, match=r"no stage rl\. The stages are base, sft, dpo"):
            pair.reply("fish?", stages=["rl"])
