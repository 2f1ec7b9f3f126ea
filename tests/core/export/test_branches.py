"""What exports say of given tokens, edited messages, and lanes with histories of their own."""

from __future__ import annotations

import dataclasses

from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.records import Finish, LogProbs, Record
from tests.core.export.test_html import page
from tests.core.samples import finish, message, reply, step


def lane(name: str, lane: str, alpha: float, tokens: str, *, forced: int = 0) -> list[Record]:
    """A reply of one-letter tokens; the KL of a token is its place."""
    records: list[Record] = [
        dataclasses.replace(reply(name, lane=lane, alpha=alpha), forced=forced)
    ]
    for place, token in enumerate(tokens):
        one = step(place, token, reply=name, alpha=alpha)
        logp = LogProbs(-1.0, -float(place), -1.0)
        records.append(dataclasses.replace(one, token=ord(token), kl=float(place), logp=logp))
    return [*records, finish(name)]


def branch() -> list[Record]:
    """Two lanes that are given "ab", and go on with "cd" and "ce"."""
    one = lane("r-1", "after", 0, "abcd", forced=2)
    return [message(), *one, *lane("r-2", "amplified", 1, "abce", forced=2)]


def test_given_tokens_are_no_part_of_the_means() -> None:
    text = to_html(branch())
    assert "mean KL(after‖before) 2.50, log p after −2.50 nats" in text


def test_given_tokens_are_marked_as_given_and_not_as_agreement() -> None:
    spans = [set(a.get("class", "").split()) for a in page(*branch()).named("span")]
    assert ["f" in classes for classes in spans] == [True, True, False, False] * 2
    assert ["c" in classes for classes in spans] == [False, False, True, False] * 2
    assert ["x" in classes for classes in spans] == [False, False, False, True] * 2


def test_every_version_of_a_message_says_which_it_is() -> None:
    records: list[Record] = [message(), reply(), finish(), message("m-2", None, "Seals?")]
    for text in (to_html(records), to_document(records, markdown=False)):
        assert "1 · user · version 1 of 2" in text
        assert "2 · user · version 2 of 2" in text
    assert "version" not in to_document(records[:3], markdown=False)


def test_every_reply_says_which_of_its_siblings_it_is() -> None:
    again = [*lane("r-3", "after", 0, "abxy"), message("m-2", "r-2"), reply("r-4", "m-2")]
    text = to_document([*branch(), *again], markdown=False)
    headings = ("after · ‹ 1/2 ›\n", "α +1 · continues the chat\n", "after · ‹ 2/2 ›\n", "α +1\n")
    places = [text.find(f"\n{heading}") for heading in headings]
    assert places == sorted(places)
    assert min(places) > 0
    assert ", after ‹ 2/2 ›, token 4" in text
    found = page(*branch(), *again).text("small")
    assert "· ‹ 1/2 ›" in found
    assert "· ‹ 2/2 ›" in found


def own_histories() -> list[Record]:
    own = dataclasses.replace(reply("b-2", "m-2", "before", -1), follows="b-1")
    return [
        message(),
        reply("a-1"),
        reply("b-1", lane="before", alpha=-1),
        step(0, "a", reply="b-1", alpha=-0.5),
        finish("a-1"),
        finish("b-1"),
        message("m-2", "a-1", "And crabs?"),
        reply("a-2", "m-2"),
        own,
        finish("a-2"),
        finish("b-2"),
    ]


def test_a_lane_with_its_own_history_says_which_reply_it_continues() -> None:
    said = "own history: continues the before → α −0.5 reply to message 1"
    assert to_html(own_histories()).count(said) == 1
    assert to_document(own_histories(), markdown=False).count(said) == 1


def test_lanes_with_their_own_histories_stand_side_by_side() -> None:
    read = page(*own_histories())
    assert [a["class"] for a in read.named("div")].count("lanes") == 2
    assert not read.named("details")


def test_a_stop_string_is_marked_as_that_and_not_as_given_or_special() -> None:
    end = dataclasses.replace(finish(tokens=4), stop="cd")
    records = [message(), *lane("r-1", "after", 0, "abcd", forced=1)]
    records = [end if isinstance(record, Finish) else record for record in records]
    spans = [set(a.get("class", "").split()) for a in page(*records).named("span")]
    assert ["st" in classes for classes in spans] == [False, False, True, True]
    assert ["f" in classes for classes in spans] == [True, False, False, False]
    assert not any("sp" in classes for classes in spans)
    assert "struck out" in to_html(records)
