"""How documents word a reply's settings and its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logit_amp_chat.core.export import describe
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.samples import message, reply, session


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


def test_stop_strings_and_penalties_are_named_where_they_are_on() -> None:
    """As one types them, and whatever is in them is safe to show."""
    chosen = Sampling(stop=("\nUser:", "\x1b]0;x"), repetition_penalty=1.1, dry_multiplier=0.8)
    said = describe.settings(ReplyLog(replace(reply(), sampling=chosen)))
    assert r"stop “\nUser:|␛]0;x” · repetition penalty 1.1 · dry multiplier 0.8 · dry base" in said
    assert "penalize amplified" in said
    off = describe.settings(ReplyLog(reply()))
    assert not any(word in off for word in ("stop", "repetition", "dry", "penalize"))
    change = describe.sampling_change(Sampling(), Sampling(stop=("\x1b",)))
    assert change == "stop “␛”"


@pytest.mark.parametrize("usual", [[1], "x", None, {"effort": 1}, {}])
def test_template_variables_are_named_where_they_are_not_the_profiles(usual: object) -> None:
    """Whatever a damaged file has in the profile's place."""
    log = ReplyLog(
        replace(reply(), template={"effort": 1}),
        replace(session(), profile={"template": usual}),
    )
    assert describe.own_variables(log) == ("" if usual == {"effort": 1} else "effort=1")


def test_a_place_is_a_message_and_a_lane_with_its_number_among_siblings() -> None:
    records: list[Record] = [
        message(),
        reply(),
        reply("r-2", lane="before", alpha=-1),
        message("m-2", "r-1"),
        reply("r-3", "m-2"),
        reply("r-4", "m-2"),
        reply("r-5", "m-9"),
    ]
    state = Conversation(records)
    assert [describe.place(state, log) for log in state.replies.values()] == [
        "message 1, α +1",
        "message 1, before",
        "message 2, α +1 ‹ 1/2 ›",
        "message 2, α +1 ‹ 2/2 ›",
        "message ?, α +1",
    ]


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("/home/ada/my models/base → /home/ada/tuned", "base → tuned"),
        ("~/models/base → ../tuned/", "base → tuned"),
        ("org/base → /data/tuned", "org/base → tuned"),
        ("./base → + /data/lora", "base → + lora"),
        ("/data/q/model.gguf → org/tuned", "model.gguf → org/tuned"),
        ("org/base → org/tuned", "org/base → org/tuned"),
        ("Llama 3.1 8B, base → instruct and/or not", "Llama 3.1 8B, base → instruct and/or not"),
    ],
)
def test_a_title_made_of_folders_has_their_names_alone(given: str, title: str) -> None:
    assert describe.title(replace(session(), profile={"title": given})) == title


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/data/runs/a/step-100", "…/a/step-100"),
        ("/home/ada/tuned", "…/tuned"),
        ("/Users/ada/runs/tuned", "…/runs/tuned"),
        ("/models", "…/models"),
        ("/home", "…"),
        ("./runs/tuned", "…/runs/tuned"),
        ("~/tuned", "…/tuned"),
        ("./tuned", "…/tuned"),
        ("/", "…"),
        ("org/model", "org/model"),
        ("", ""),
    ],
)
def test_a_local_path_says_not_whose_machine_it_was_on(path: str, shown: str) -> None:
    assert describe.without_way(path) == shown
