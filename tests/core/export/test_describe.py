"""How documents word a reply's settings."""

from __future__ import annotations

from dataclasses import replace

from logit_amp_chat.core.export import describe
from logit_amp_chat.core.records import Sampling
from logit_amp_chat.core.transcripts.conversation import ReplyLog
from tests.core.samples import reply


def test_ends_are_named_where_they_are_not_mixed() -> None:
    kept = replace(reply(), sampling=Sampling(ends="after"))
    assert "plausibility 0.01 · ends after · max new tokens 512" in describe.settings(
        ReplyLog(kept)
    )
    assert "ends" not in describe.settings(ReplyLog(reply()))


def test_a_change_names_them_either_way() -> None:
    mixed, kept = Sampling(), Sampling(ends="after")
    assert describe.sampling_change(mixed, kept) == "ends after"
    assert describe.sampling_change(kept, mixed) == "ends mix"
