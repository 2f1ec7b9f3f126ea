"""How released models spell the end of a turn, for texts that have it as text."""

from __future__ import annotations

import re

END_OF_TURN = (
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|eom_id|>",
    "<|return|>",
    "<end_of_turn>",
    "<turn|>",
    "</s>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
)

_END = re.compile("|".join(map(re.escape, END_OF_TURN)))
_OPENINGS = re.compile(
    r"<(?=\||｜|/?(?:s|eos|bos|pad|unk|start_of_turn|end_of_turn|turn\|)>)|\[(?=/?INST])"
)


def end_of_turn(text: str) -> int | None:
    """Where the first end of a turn begins; None if there is none."""
    found = _END.search(text)
    return found.start() if found else None


def without_marks(text: str) -> str:
    """The text with a space inside each name of a special token: it would be that token."""
    return _OPENINGS.sub(lambda match: match[0] + " ", text).replace("|>", "| >")
