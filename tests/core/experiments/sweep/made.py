"""Prompts and replies for tests: a text in tokens of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.records import FinishReason


def prompt(text: str = "Otters?", begin: str = "", id: str = "p1") -> SweepPrompt:
    return SweepPrompt(id=id, key=f"key of {text}", messages=(("user", text),), begin=begin)


def reply(
    pieces: Sequence[str] | str,
    *,
    begin: str = "",
    alpha: float = 0.0,
    n: int = 0,
    prompt: str = "p1",
    tokens: Sequence[int] | None = None,
    finish: FinishReason = "stop",
) -> SweepReply:
    """A reply whose tokens are `pieces` of text (or its characters), each of them complete."""
    said = tuple(pieces)
    return SweepReply(
        id=f"{prompt}-{alpha:g}-{n}",
        prompt=prompt,
        alpha=alpha,
        n=n,
        seed=n,
        tokens=tuple(tokens) if tokens is not None else tuple(range(len(said))),
        text=begin + "".join(said),
        lengths=tuple(len(begin) + end for end in accumulate(map(len, said))),
        finish=finish,
    )
