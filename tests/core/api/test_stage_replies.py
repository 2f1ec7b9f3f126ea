"""Replies of stages from Python: each call has the session of every stage that replied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.api.open_pair import OpenPair, open_pair
from logit_amp_chat.core.api.request import make_request
from logit_amp_chat.core.config.stages import selected
from logit_amp_chat.core.errors import PairError, UsageError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.protocol import Event, Request, Stop
from logit_amp_chat.core.records import Finish, Session
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.commands import reply
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


def test_a_lane_may_be_an_alpha_between_two_stages(tmp_path: Path) -> None:
    """The same tokens as of the pair of the two alone: base and dpo, at that α."""
    chain = three_stages(tmp_path)
    with open_pair(chain) as pair:
        (found,) = pair.reply("fish?", stages="sft>dpo -0.5", seed=3, max_new_tokens=6)
    with open_pair(chain, stages=("sft", "dpo")) as alone:
        (same,) = alone.reply("fish?", alpha=-0.5, seed=3, max_new_tokens=6)
    assert (found.record.lane, found.record.stages) == ("sft→dpo -0.5", ("sft", "dpo"))
    assert [one.token for one in found.steps] == [one.token for one in same.steps]
    with open_pair(chain) as pair, pytest.raises(UsageError, match="no stage rl"):
        pair.reply("fish?", stages="sft>rl 1")


def test_every_lane_that_is_asked_for_comes_back(tmp_path: Path) -> None:
    with open_pair(three_stages(tmp_path)) as pair:
        asked = ["sft", "dpo", "base", "sft"]
        found = pair.reply("fish?", stages=asked, seed=[3, 4], max_new_tokens=4)
        lanes = [(one.record.lane, one.seed) for one in found]
        assert lanes == [(name, seed) for name in asked for seed in (3, 4)]
        texts = [one.text for one in found]
        assert texts[:2] == texts[6:]


@pytest.mark.parametrize("stages", [5, [1], ["sft", None]])
def test_what_is_no_name_of_a_stage_is_refused(tmp_path: Path, stages: Any) -> None:
    with pytest.raises(UsageError, match="stages: expected names"):
        make_request(three_stages(tmp_path), "fish?", stages=stages)


def test_a_reply_is_found_by_its_stage_and_not_by_an_alpha_that_several_have(
    tmp_path: Path,
) -> None:
    with open_pair(three_stages(tmp_path)) as pair:
        found = pair.reply("fish?", stages=["base", "sft", "dpo"], max_new_tokens=4)
    assert found.of("sft") is found[1]
    assert found.at(-1) is found[0]
    with pytest.raises(UsageError, match=r"sft, dpo all replied at α 0\. Choose one with of"):
        found.at(0)
    with pytest.raises(UsageError, match=r"no reply of rl\. There are base with seed 0"):
        found.of("rl")
    assert repr(found[1]).startswith("<reply of sft, seed 0:")


def test_stages_that_cannot_be_loaded_are_named_and_what_was_said_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = StageStore.pair

    def refusing(store: StageStore, *stages: str) -> Pair:
        if "dpo" in stages:
            raise PairError("The weights of dpo are damaged.")
        return loaded(store, *stages)

    monkeypatch.setattr(StageStore, "pair", refusing)
    with open_pair(selected(three_stages(tmp_path), "base", "sft")) as pair:
        with pytest.warns(UserWarning, match="No reply of dpo: The weights of dpo are damaged"):
            found = pair.reply("fish?", stages=["dpo", "sft"], max_new_tokens=4)
        assert [one.record.lane for one in found] == ["sft"]


def test_what_was_decoded_is_printed_also_where_an_earlier_lane_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = selected(three_stages(tmp_path), "base", "sft")
    request = make_request(profile, "fish?", stages=["dpo", "sft"], max_new_tokens=4)
    with open_pair(profile) as pair:
        said = pair.reply("fish?", stages=["sft"], max_new_tokens=4)[0].text

        def stopping(request: Request) -> Iterator[Event]:
            for event in OpenPair.events(pair, request):
                if isinstance(event, Finish):
                    pair.engine.apply(Stop())
                yield event

        monkeypatch.setattr(pair, "events", stopping)
        assert reply.answer(pair, request, jsonl=False) == 130
    out, err = capsys.readouterr()
    assert out == f"── sft ──\n{said}\n"
    assert "dpo: not begun" in err


def test_the_sides_of_a_pair_are_found_by_their_names_too(tmp_path: Path) -> None:
    plain = three_stages(tmp_path).model_copy(update={"stages": (), "pair": None})
    with open_pair(selected(plain, "after", "before")) as pair:
        found = pair.reply("fish?", stages=["before", "after"], max_new_tokens=4)
        sides = pair.reply("fish?", alpha=[0, -1], max_new_tokens=4)
    assert [found.of(name).text for name in ("before", "after")] == [one.text for one in sides]
