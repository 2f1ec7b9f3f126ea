"""Thinking in a token log: open while it streams, then one line."""

from __future__ import annotations

from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from tests.core.samples import finish, reply, step

QWEN = ("<think>", "\n", "Hm", " so", "\n", "</think>", "\n\n", "Four", ".")
HARMONY = (
    *("<|channel|>", "analysis", "<|message|>", "A sum.", "<|end|>", "<|start|>", "assistant"),
    *("<|channel|>", "final", "<|message|>", "It is 4.", "<|return|>"),
)


def log_of(said: tuple[str, ...], *, over: bool = True) -> ReplyLog:
    log = ReplyLog(reply())
    for n, text in enumerate(said):
        log.add(step(n, text, special=text.startswith("<|")))
    if over:
        log.add(finish(tokens=len(said)))
    return log


def shown(block: ReplyBlock) -> list[str]:
    return ["".join(span.text for span in line).rstrip() for line in block.wrapped.lines]


def block_of(log: ReplyLog) -> ReplyBlock:
    block = ReplyBlock(log, heading=False)
    block.lay_out(80)
    return block


def test_it_is_one_line_before_the_answer() -> None:
    assert shown(block_of(log_of(QWEN))) == ["thinking, 4 tokens · z unfolds", "Four."]


def test_channels_are_marked_and_not_part_of_the_answer() -> None:
    assert shown(block_of(log_of(HARMONY))) == [
        "thinking, 1 token · z unfolds",
        "<|start|>assistant<|channel|>final<|message|>It is 4.<|return|>",
    ]
    block = block_of(log_of(HARMONY))
    kinds = [span.kind for span in block.wrapped.lines[1] if span.text == "final"]
    assert kinds == ["special"]


def test_it_streams_open_and_folds_when_it_is_over() -> None:
    log = ReplyLog(reply())
    block = block_of(log)
    seen = []
    for n, text in enumerate(QWEN):
        log.add(step(n, text))
        if block.is_stale:
            block.lay_out(80)
        else:
            block.grow()
        seen.append(shown(block))
    assert seen[3] == ["<think>", "Hm so"]
    assert seen[5] == seen[6] == ["thinking, 4 tokens · z unfolds"]
    assert seen[8] == ["thinking, 4 tokens · z unfolds", "Four."]


def test_unfolded_every_token_has_its_place() -> None:
    for folded, opened in ((True, True), (False, False)):
        block = ReplyBlock(log_of(QWEN), heading=False)
        block.folded, block.opened = folded, opened
        block.lay_out(80)
        assert shown(block) == ["<think>", "Hm so", "</think>", "", "Four."]
        steps = {span.step for line in block.wrapped.lines for span in line}
        assert steps == set(range(len(QWEN)))


def test_which_tokens_are_folded() -> None:
    block = block_of(log_of(QWEN))
    assert [block.is_thought(n) for n in range(len(QWEN))] == [True] * 7 + [False] * 2


def test_thinking_that_is_not_over_stays() -> None:
    assert shown(block_of(log_of(QWEN[:4], over=False))) == ["<think>", "Hm so"]


def test_an_incomplete_last_character_is_shown_at_the_end() -> None:
    log = ReplyLog(reply())
    block = block_of(log)
    log.add(step(0, "a"))
    log.add(step(1, "�", data=b"\xc3"))
    block.grow()
    log.add(finish(tokens=2))
    assert block.is_stale
    block.lay_out(80)
    assert shown(block) == ["a�"]


def test_the_blank_before_the_first_word_is_not_shown() -> None:
    log = log_of((" Four", "."))
    assert shown(block_of(log)) == ["Four."]
    assert log.text == "Four."
