"""What is printed of a reply as it comes is what the reply says in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logit_amp_chat.core.transcripts.lane_text import LaneText
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.samples import finish, reply, step


@pytest.mark.parametrize(
    ("thinks", "said"),
    [
        (False, ("Hello", " there", "<|end|>")),
        (False, ("So ", "<|channel|>", "analysis", " and\n", "on", "<|end|>")),
        (False, ("So ", "<|channel|>", "it says " * 40, "on")),
        (False, ("<|channel|>", "final", "<|message|>", "4", "<|return|>")),
        (True, ("</think>", "\n\n", "It is", " 4", "<|end|>")),
        (True, ("Hm", "</think>", "\n\n", "It is", " 4", "<|end|>")),
    ],
    ids=["text", "no header", "too long for one", "a header", "nothing thought", "thought"],
)
def test_all_that_is_said_is_printed_once(thinks: bool, said: tuple[str, ...]) -> None:
    begun = replace(reply(), thinks=thinks)
    log, lane = ReplyLog(begun), LaneText(begun)
    printed = ""
    for n, text in enumerate(said):
        one = replace(step(n, text), special=text.startswith("<"))
        log.add(one)
        lane.add(one)
        printed += "".join(text for text, is_thought in lane.new() if not is_thought)
    log.add(finish())
    lane.finish()
    printed += "".join(text for text, is_thought in lane.new() if not is_thought)
    assert printed == log.text
