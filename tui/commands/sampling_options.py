"""The options that say how tokens are chosen, for every command that samples.

Only light imports here: `--help` reads this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from logit_amp_chat.core.text import unescaped
from logit_amp_chat.tui.commands.added_options import with_options


def _texts(typed: Sequence[str] | None) -> list[str] | None:
    """Texts with their escapes replaced; None where there are none."""
    return [unescaped(text) for text in typed] if typed else None


def _number(kind: type, metavar: str, help: str) -> Any:
    return Annotated[kind | None, typer.Option(metavar=metavar, help=help)]


def _several(metavar: str, help: str) -> Any:
    return Annotated[list[str] | None, typer.Option(metavar=metavar, help=help, callback=_texts)]


OPTIONS = {
    "seed": _number(int, "S", "Seed of the sampling noise that lanes share."),
    "temperature": _number(float, "T", "0 takes the most likely token."),
    "top_p": _number(float, "P", "Nucleus sampling; 1 is off."),
    "top_k": _number(int, "K", "Keep the K most likely tokens; 0 is off."),
    "min_p": _number(float, "M", "Keep tokens with p ≥ M · max p; 0 is off."),
    "plausibility": _number(
        float, "TAU", "For α > 0, mask tokens with p_after < TAU · max p_after; 0 is off."
    ),
    "ends": _number(
        str, "mix|after", "after: end-of-turn tokens keep after's probability at every α."
    ),
    "max_new_tokens": _number(int, "N", "Longest reply, in tokens."),
    "stop": _several("TEXT", r"End a reply before this text, such as '\nUser:'; may be repeated."),
    "repetition_penalty": _number(
        float, "R", "Multiply log p of tokens that stand before by R; 1 is off."
    ),
    "dry_multiplier": _number(
        float, "M", "Penalize what goes on with a repetition, by M nats or more (DRY); 0 is off."
    ),
    "dry_base": _number(float, "B", "DRY: what each further repeated token multiplies that by."),
    "dry_allowed_length": _number(int, "N", "DRY: the tokens of a repetition that costs M."),
    "dry_breakers": _several(
        "TEXT", r"DRY: no repetition goes across this text, such as '\n'; may be repeated."
    ),
    "penalize": _number(
        str, "amplified|all", "Penalize lanes other than α = −1 and 0, or all of them."
    ),
}
"""By the field of `Sampling` that each sets."""


with_sampling = with_options(OPTIONS)
"""Give a command these options; it finds their values in its context."""
