"""What a reply's block shows around the text of the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logit_amp_chat.core.records import Finish, FinishReason
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from tests.core.samples import reply, step


def lines_of(log: ReplyLog, width: int = 80) -> list[str]:
    """The lines of a block without its heading."""
    block = ReplyBlock(log, heading=False)
    block.lay_out(width)
    return ["".join(span.text for span in line).rstrip() for line in block.wrapped.lines]


def changing() -> ReplyLog:
    """A reply in which α changes inside a word, and before a space."""
    texts = (("Otters drag", 1.0), ("on", 2.0), (" rocks", 1.0), ("!", 2.0))
    steps = [step(place, text, alpha=alpha) for place, (text, alpha) in enumerate(texts)]
    return ReplyLog(reply(), steps=steps)


def test_a_mark_adds_no_space_that_the_model_did_not_write() -> None:
    assert lines_of(changing()) == ["Otters drag‹α +2›on‹α +1› rocks‹α +2›!"]


@pytest.mark.parametrize("width", range(8, 60))
def test_a_line_with_marks_is_never_too_long(width: int) -> None:
    lines = lines_of(changing(), width)
    assert max(map(len, lines)) <= width
    assert "".join("".join(lines).split()) == "Ottersdrag‹α+2›on‹α+1›rocks‹α+2›!"
    assert sum("‹α +" in line for line in lines) == sum("›" in line for line in lines)


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("length", "Cut at the limit of 1 token; u goes on, F7 raises the limit."),
        ("cancelled", "Stopped by you after 1 token; u goes on."),
        (None, "Cut off after 1 token: no more was saved; u goes on."),
    ],
)
def test_an_early_end_says_that_the_reply_can_go_on(
    reason: FinishReason | None, ending: str
) -> None:
    end = Finish(reply="r-1", reason=reason, tokens=1, seconds=0.5) if reason else None
    log = ReplyLog(reply(), steps=[step(0, "a")], finish=end, cut_off=not end)
    assert lines_of(log) == ["a", ending]


def test_a_stop_string_is_taken_back_from_the_text_once_it_is_whole() -> None:
    """Its tokens stay there to be looked at, as the name of an end of turn does."""
    log = ReplyLog(reply())
    block = ReplyBlock(log, heading=False)
    block.lay_out(80)
    for index, text in enumerate(["Otters", " eat.\nUs", "er", ": And"]):
        log.add(step(index, text))
        block.grow()
    assert len(block.wrapped.lines) == 2
    log.add(Finish(reply="r-1", reason="stop", tokens=4, seconds=0.5, stop="\nUser:"))
    assert block.is_stale
    block.lay_out(80)
    assert ["".join(span.text for span in line) for line in block.wrapped.lines] == [
        "Otters eat.␊User: And",
        'Ended by the stop string "\\nUser:".',
    ]
    spans = block.wrapped.lines[0]
    assert "".join(span.text for span in spans if span.kind == "text") == "Otters eat."
    assert {span.step for span in spans if span.kind == "special"} == {1, 2, 3}


def test_without_a_token_there_is_nothing_to_go_on_from() -> None:
    end = Finish(reply="r-1", reason="cancelled", tokens=0, seconds=0.5)
    assert lines_of(ReplyLog(reply(), finish=end))[-1] == "Stopped by you after 0 tokens."


def test_a_head_names_stop_strings_and_penalties() -> None:
    chosen = Sampling(stop=("\nUser:",), repetition_penalty=1.1, dry_multiplier=0.8)
    block = ReplyBlock(ReplyLog(replace(reply(), sampling=chosen)))
    block.lay_out(200)
    (head,) = ["".join(span.text for span in line) for line in block.wrapped.lines[:1]]
    assert head.endswith(r"repetition 1.1  DRY 0.8  stop “\nUser:”")
