"""What records add up to."""

from __future__ import annotations

import dataclasses

from logit_amp_chat.core.records import Candidate, Keep, Message, Name, Note, Step
from logit_amp_chat.core.transcripts.comparison import beside
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.samples import conversation, finish, message, opening, reply, session, step


def ids(thread: list[Message | ReplyLog]) -> list[str]:
    return [item.id for item in thread]


def test_the_text_is_the_join_of_bytes_without_special_tokens() -> None:
    state = Conversation(conversation())
    assert state.replies["r-1"].text == "By the wayé"


def test_a_character_in_flight_is_held_back() -> None:
    log = ReplyLog(reply())
    log.add(step(0, "a"))
    log.add(step(1, "\ufffd", data=b"\xc3"))
    assert log.text == "a"
    log.add(finish())
    assert log.text == "a\ufffd"


def test_damaged_bytes_fall_back_to_the_text() -> None:
    log = ReplyLog(reply())
    broken = step(0, "a")
    log.add(Step(**{name: getattr(broken, name) for name in Step.__slots__} | {"bytes": "xy"}))
    assert log.text == "a"


def test_the_history_holds_kept_replies_as_assistant_messages() -> None:
    history = Conversation(conversation()).history()
    assert [(m.id, m.role, m.text) for m in history] == [
        ("m-1", "user", "Otters?"),
        ("r-1", "assistant", "By the wayé"),
        ("m-2", "user", "And crabs?"),
    ]


def test_every_lane_of_a_message_is_found_in_order() -> None:
    state = Conversation(conversation())
    assert [log.id for log in state.replies_to("m-1")] == ["r-1", "r-2"]
    assert state.replies_to("m-2") == []


def test_the_conversation_goes_on_from_the_amplified_lane() -> None:
    state = Conversation([message(), reply("r-1", lane="before"), reply("r-2"), reply("r-3")])
    assert state.leaf == "r-3"
    assert state.kept("m-1") is state.replies["r-3"]


def test_other_lanes_do_not_take_its_place() -> None:
    state = Conversation([message(), reply("r-1"), reply("r-2", lane="after")])
    assert state.leaf == "r-1"


def test_a_lane_that_was_kept_is_the_history_until_a_new_attempt() -> None:
    state = Conversation([message(), reply("r-1"), reply("r-2", lane="after"), Keep(reply="r-2")])
    assert state.leaf == "r-2"
    state.add(reply("r-3"))
    assert state.leaf == "r-3"


def test_replies_to_an_older_message_do_not_move_the_leaf() -> None:
    state = Conversation([*conversation(), reply("r-9", parent="m-1")])
    assert state.leaf == "m-2"
    assert ids(state.thread()) == ["m-1", "r-1", "m-2"]


def test_an_edited_message_is_a_sibling() -> None:
    state = Conversation([*conversation(), message("m-3", "r-2", "And fish?")])
    assert ids(state.thread()) == ["m-1", "r-2", "m-3"]
    assert ids(state.thread("m-2")) == ["m-1", "r-1", "m-2"]


def test_the_last_session_counts() -> None:
    assert Conversation([session(), message(), session()]).session == session()


def test_a_strangers_tree_is_survived() -> None:
    state = Conversation(
        [
            message("a", "b"),
            message("b", "a"),
            step(0, "x", reply="nobody"),
            Keep(reply="nobody"),
            reply("r-1", parent="nowhere"),
            reply("r-1", parent="a"),
        ]
    )
    assert ids(state.thread("a")) == ["b", "a"]
    assert ids(state.thread("r-1")) == ["r-1"]
    assert state.thread("nobody") == []


def test_siblings_are_the_replies_of_one_lane_to_one_message() -> None:
    state = Conversation([*conversation(), reply("r-3"), reply("r-4", parent="m-2")])
    assert [log.id for log in state.siblings(state.replies["r-3"])] == ["r-1", "r-3"]
    assert [log.id for log in state.siblings(state.replies["r-2"])] == ["r-2"]


def test_the_newest_end_follows_what_was_said_last() -> None:
    state = Conversation(
        [*conversation(), message("m-3", "r-1", "And fish?"), reply("r-3", parent="m-3")]
    )
    assert state.newest("r-1") == "r-3"
    assert state.newest("r-2") == "r-2"
    assert Conversation([message("a", "b"), message("b", "a")]).newest("a") in {"a", "b"}


def test_the_last_note_about_a_place_counts_and_an_empty_one_takes_it_back() -> None:
    state = Conversation(
        [*conversation(), Note(about="r-1", text="all"), Note(about="m-1", text="q")]
    )
    log = state.replies["r-1"]
    assert log.notes == {2: "odd", None: "all"}
    state.add(Note(about="r-1", text="very odd", step=2))
    state.add(Note(about="r-1", text=""))
    assert log.notes == {2: "very odd"}
    assert [note.text for note in state.notes] == ["q", "very odd"]


def test_a_reply_can_be_named() -> None:
    state = Conversation([*conversation(), Name(reply="r-1", text="lighthouse")])
    assert state.replies["r-1"].name == "lighthouse"
    state.add(Name(reply="r-1", text=""))
    assert state.replies["r-1"].name == ""


def test_beside_a_reply_stand_the_lanes_of_its_message_seed_and_sampling() -> None:
    state = Conversation([message(), reply("r-1", lane="after", alpha=0), reply("r-2")])
    other = reply("r-3", lane="before", alpha=-1)
    state.add(dataclasses.replace(other, seed=other.seed + 1))
    state.add(reply("r-4"))
    assert {lane: log.id for lane, log in beside(state, state.replies["r-1"]).items()} == {
        "after": "r-1",
        "amplified": "r-4",
    }
    assert beside(state, state.replies["r-2"])["amplified"].id == "r-2"


def test_a_request_says_the_last_system_prompt_and_the_turns() -> None:
    state = Conversation(
        [
            Message(id="s-1", parent=None, role="system", text="Be brief."),
            message("m-1", parent="s-1"),
            Message(id="s-2", parent="m-1", role="system", text="Be long."),
            message("m-2", parent="s-2", text="And crabs?"),
        ]
    )
    assert [m.text for m in state.prompt("m-2")] == ["Be long.", "Otters?", "And crabs?"]
    assert state.system("m-1") == "Be brief."
    assert state.system(None) is None


def test_openings_are_found_by_path_and_alpha_and_the_newest_counts() -> None:
    by = Candidate(0, "By", -9.0, -4.0, -1.0)
    newest = dataclasses.replace(opening(), kl=0.75)
    state = Conversation([session(), message(), opening(), opening(by), opening(alpha=2.0), newest])
    assert state.opening("m-1", (), 1.0) == newest
    assert state.opening("m-1", (0,), 1.0) == opening(by)
    assert state.opening("m-1", (), 3.0) is None
    assert [log.opening.ids for log in state.openings("m-1")] == [(), (0,), ()]
    assert state.leaf == "m-1", "looking changes nothing"


def test_a_side_with_a_system_prompt_of_its_own_has_other_openings() -> None:
    first = session()
    told = dataclasses.replace(first, profile={**first.profile, "after": {"system": "Be brief."}})
    state = Conversation([first, message(), opening(), told])
    assert state.opening("m-1", (), 1.0) is None
    state.add(first)
    assert state.opening("m-1", (), 1.0) == opening()


def test_replies_of_another_pair_do_not_stand_beside_a_reply() -> None:
    first = session()
    second = dataclasses.replace(first, after=dataclasses.replace(first.after, model="org/other"))
    state = Conversation(
        [
            first,
            message(),
            reply("r-1"),
            second,
            reply("r-2", lane="before", alpha=-1),
        ]
    )
    assert list(beside(state, state.replies["r-1"])) == ["amplified"]


def test_ids_of_another_vocabulary_are_not_read_back() -> None:
    """Neither those of a reply nor those of a message that was one, as where a text goes on."""
    ours, theirs = (dataclasses.replace(session(), vocabulary=name) for name in ("ours", "theirs"))
    answer = Message(id="a", parent="m-1", role="assistant", text="By", token_ids=(1, 2))
    for other in (ours, theirs):
        state = Conversation([ours, message(), answer, message("m-2", "a"), reply("r-1", "m-2")])
        for record in (step(0, "So"), finish(), other):
            state.add(record)
        said = {m.id: m for m in state.history() if m.role == "assistant"}
        known = [said[id].token_ids is not None for id in ("a", "r-1")]
        assert known == [other is ours] * 2
        assert [said[id].text for id in ("a", "r-1")] == ["By", "So"]
