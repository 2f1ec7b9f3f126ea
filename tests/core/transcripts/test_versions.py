"""Versions of a message, and lanes whose history is their own."""

from __future__ import annotations

import dataclasses

from logit_amp_chat.core.records import Keep, Message, Reply
from logit_amp_chat.core.transcripts.comparison import beside
from logit_amp_chat.core.transcripts.conversation import Conversation
from tests.core.samples import finish, message, reply, step


def system(id: str, parent: str | None) -> Message:
    return Message(id=id, parent=parent, role="system", text="Be brief.")


def edited() -> Conversation:
    """A message, edited, and edited once more under another system prompt."""
    return Conversation(
        [
            message("m-1", text="Otters?"),
            reply("r-1", "m-1"),
            message("m-2", text="Seals?"),
            reply("r-2", "m-2"),
            reply("r-3", "m-2"),
            system("s-1", None),
            message("m-3", "s-1", "Seals!"),
        ]
    )


def ids(found: list[Message]) -> list[str]:
    return [item.id for item in found]


def test_an_edited_message_is_a_version_whatever_the_system_prompt() -> None:
    state = edited()
    for id in ("m-1", "m-2", "m-3"):
        assert ids(state.versions(state.messages[id])) == ["m-1", "m-2", "m-3"]
    assert ids(state.versions(state.messages["s-1"])) == ["s-1"]


def test_answers_are_all_replies_to_all_versions_in_order() -> None:
    state = edited()
    found = state.answers(state.messages["m-2"], "amplified")
    assert [(said.id, log and log.id) for said, log in found] == [
        ("m-1", "r-1"),
        ("m-2", "r-2"),
        ("m-2", "r-3"),
        ("m-3", None),
    ]


def test_a_version_that_a_lane_has_not_answered_stands_with_its_kept_reply() -> None:
    state = Conversation([message(), reply("r-1", lane="after", alpha=0)])
    found = state.answers(state.messages["m-1"], "before")
    assert [log and log.id for _, log in found] == ["r-1"]


def test_a_message_without_a_reply_can_be_kept() -> None:
    state = Conversation([message(), reply(), message("m-2"), reply("r-2", "m-2")])
    state.add(Keep(reply="m-1"))
    assert state.leaf == "m-1"
    assert state.kept("m-1") is state.replies["r-1"]


def two_turns() -> Conversation:
    """Two turns in two lanes; in the second one each lane continues its own reply."""
    own = dataclasses.replace(reply("b-2", "m-2", "before", -1), follows="b-1")
    return Conversation(
        [
            message(),
            reply("a-1"),
            reply("b-1", lane="before", alpha=-1),
            step(0, "amplified one", reply="a-1"),
            step(0, "before one", reply="b-1"),
            message("m-2", "a-1", "And crabs?"),
            reply("a-2", "m-2"),
            own,
            finish("a-2"),
            finish("b-2"),
        ]
    )


def test_the_thread_of_a_reply_goes_through_its_own_history() -> None:
    state = two_turns()
    assert [item.id for item in state.thread("a-2")] == ["m-1", "a-1", "m-2", "a-2"]
    assert [item.id for item in state.thread("b-2")] == ["m-1", "b-1", "m-2", "b-2"]
    assert [m.text for m in state.history("b-2")][:3] == ["Otters?", "before one", "And crabs?"]


def test_lanes_stand_beside_each_other_by_whose_history_they_continue() -> None:
    state = two_turns()
    newest = state.replies["a-2"]
    assert set(beside(state, newest, strict=True)) == {"amplified"}
    assert beside(state, newest, own_histories=True) == {
        "amplified": newest,
        "before": state.replies["b-2"],
    }
    state.add(reply("b-3", "m-2", "before", -1))
    assert beside(state, newest)["before"].id == "b-3"
    assert beside(state, newest, own_histories=True)["before"].id == "b-2"


def test_a_reply_from_another_history_stands_there_rather_than_none() -> None:
    state = two_turns()
    assert beside(state, state.replies["a-2"])["before"].id == "b-2"


def test_a_lanes_own_history_is_the_same_from_whichever_lane_one_looks() -> None:
    """Before was kept in the second turn, and each lane answers the third one from its own."""
    state = two_turns()
    for lane, follows in (("amplified", "a-2"), ("before", "b-2")):
        own = dataclasses.replace(reply(f"{lane}-3", "m-3", lane), follows=follows)
        state.add(message("m-3", "b-2", "And snails?")) if lane == "amplified" else None
        state.add(own)
    found = {"amplified": state.replies["amplified-3"], "before": state.replies["before-3"]}
    for log in found.values():
        assert beside(state, log, own_histories=True, strict=True) == found


def test_the_newest_leaf_below_a_reply_continues_that_reply() -> None:
    state = two_turns()
    state.add(Keep(reply="b-2"))
    assert state.newest("a-1") == "a-2"
    assert state.newest("m-2") == "b-2"


def test_a_history_that_is_not_in_the_file_is_that_of_the_message() -> None:
    lost = dataclasses.replace(reply("r-2", "m-2"), follows="gone")
    state = Conversation([message(), reply(), message("m-2", "r-1"), lost])
    assert [item.id for item in state.thread("r-2")] == ["m-1", "r-1", "m-2", "r-2"]


def test_histories_that_run_in_a_circle_end() -> None:
    one = dataclasses.replace(reply("r-1", "m-1"), follows="r-2")
    two = dataclasses.replace(reply("r-2", "m-2"), follows="r-1")
    state = Conversation([message("m-1", "r-2"), one, message("m-2", "r-1"), two])
    assert state.thread("r-2")
    assert beside(state, state.replies["r-2"], own_histories=True)


def test_a_running_reply_stands_beside_those_with_the_same_given_tokens() -> None:
    """Its given tokens are still to come; what has ended has all it will have."""

    def given(id: str, lane: str) -> Reply:
        return dataclasses.replace(reply(id, lane=lane), forced=2)

    state = Conversation([message(), given("r-1", "amplified"), given("r-2", "after")])
    log, other = state.replies["r-1"], state.replies["r-2"]
    for index in range(2):
        state.add(step(index, "x", reply="r-1"))
    assert beside(state, log)["after"] is other
    state.add(dataclasses.replace(step(0, "y", reply="r-2"), token=99))
    assert "after" not in beside(state, log)
    other.steps.clear()
    state.add(finish("r-2"))
    assert "after" not in beside(state, log)
