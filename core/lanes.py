"""A lane is a reply at one α: its key in records, and the title and colour people see."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.number_format import MINUS, signed

LETTERS = {"before": "B", "after": "A", "amplified": "α"}
LANES = ("before", "after", "amplified")
FIXED_ALPHA = {"before": -1.0, "after": 0.0}  # amplified runs at the live value
_FIXED = {alpha: name for name, alpha in FIXED_ALPHA.items()}


def lane_name(alpha: float) -> str:
    """The key of the lane that stays at this α: before, after, or the number: "+0.5", "-2".

    To its last digit: lanes are told apart by their keys, which transcripts contain.
    """
    return _FIXED.get(alpha) or signed(alpha).replace(MINUS, "-")


def lane_names(alphas: Sequence[float]) -> list[str]:
    """The keys of lanes that are decoded together, wherever they are asked for.

    A single α beside before and after is the amplified lane, which a chat goes on with. In a
    comparison in the chat that is the live lane, and every other one has its `lane_name`.
    """
    others = {alpha for alpha in alphas if alpha not in FIXED_ALPHA.values()}
    alone = others if len(others) == 1 else ()
    return ["amplified" if alpha in alone else lane_name(alpha) for alpha in alphas]


def lane_title(alpha: float) -> str:
    """What a lane at this α is called wherever people read: before, after, "α +0.5", "α −2"."""
    return _FIXED.get(alpha) or f"{LETTERS['amplified']} {signed(alpha)}"


def lane_heading(alpha: float) -> str:
    """The title with its letter, for eyes and terminals without colour: "B before", "α +0.5"."""
    title = lane_title(alpha)
    return f"{LETTERS[title]} {title}" if title in LETTERS else title


class OfLane(Protocol):
    """What is decoded in one lane: a reply, or a lane that is asked for."""

    @property
    def alpha(self) -> float:
        """Its α."""

    @property
    def stages(self) -> tuple[str, str] | None:
        """The stages of a chain that are its before and after; None: those of the session."""


class LaneAt(NamedTuple):
    """Where a lane runs: at an α, between two stages of a chain where these are named."""

    alpha: float
    stages: tuple[str, str] | None = None

    @property
    def key(self) -> str:
        """The key of the lane that stays there."""
        return (
            lane_name(self.alpha) if self.stages is None else stages_name(self.stages, self.alpha)
        )


def stage_lane(names: Sequence[str], stage: str) -> tuple[tuple[str, str], float]:
    """The two stages and the α whose lane is a stage of the chain `names`.

    It is after of the stage before it; the first one is before of the second. Raises UsageError.
    """
    if stage not in names:
        raise UsageError(f"There is no stage {stage}.", f"The stages are {', '.join(names)}.")
    place = max(1, names.index(stage))
    return (names[place - 1], names[place]), FIXED_ALPHA[
        "after" if names[place] == stage else "before"
    ]


def stages_name(stages: tuple[str, str], alpha: float) -> str:
    """The key of the lane at an α between two stages: "sft", or "sft→dpo +1.5".

    The sides of a pair are stages too; theirs are "before→after before" and "before→after after",
    since the lanes of whichever pair is loaded are called before and after.
    """
    before, after = stages
    stage = stage_at(stages, alpha)
    if stage is not None and not means_lane(stage):
        return stage
    return f"{before}→{after} {lane_name(alpha)}"


def stage_at(stages: tuple[str, str], alpha: float) -> str | None:
    """The stage that a lane between two stages is; None for what is between or beyond them."""
    return {FIXED_ALPHA["before"]: stages[0], FIXED_ALPHA["after"]: stages[1]}.get(alpha)


ALL_STAGES = "all"
"""Every stage of a chain, where one may be named."""


def means_lane(word: str) -> bool:
    """Whether a word names a lane already, so that no stage of a chain may be called so."""
    if word in LANES or word == ALL_STAGES:
        return True
    try:
        float(word)
    except ValueError:
        return False
    return True


def reply_title(reply: OfLane, alpha: float | None = None) -> str:
    """What the lane of a reply is called; `alpha` is that of one of its steps."""
    alpha = reply.alpha if alpha is None else alpha
    return lane_title(alpha) if reply.stages is None else _stages_title(reply.stages, alpha)


def reply_heading(reply: OfLane) -> str:
    """The title with its letter, for eyes and terminals without colour."""
    return lane_heading(reply.alpha) if reply.stages is None else reply_title(reply)


def _stages_title(stages: tuple[str, str], alpha: float) -> str:
    if alpha in FIXED_ALPHA.values():
        return stages_name(stages, alpha)
    return f"{stages[0]} → {stages[1]} {lane_title(alpha)}"


def lane_colour(alpha: float) -> str:
    """Whose colour a lane at this α has: before's below 0, after's at 0, amplified's above."""
    return "before" if alpha < 0 else "amplified" if alpha else "after"


MOST_ALPHAS = 1000


def parse_alphas(text: str) -> list[float]:
    """The αs of numbers and ranges such as −1 0 0.5 or -1:3:0.25, whose end is included.

    Spaces, commas or semicolons stand between them. Raises UsageError.
    """
    found: list[float] = []
    for word in re.split(r"[\s,;]+", text.replace(MINUS, "-").strip(" ,;")):
        if word:
            found += _range(word)
        if len(found) > MOST_ALPHAS:
            raise UsageError(f"More than {MOST_ALPHAS:,} αs are too many: {word} goes beyond.")
    return found


def _range(word: str) -> list[float]:
    """Decimals, so that 0.1 taken three times is 0.3."""
    try:
        first, *rest = map(Decimal, word.split(":"))
        last, step = rest or (first, Decimal(1))
        if step > 0 and last >= first:
            steps = min(int((last - first) / step), MOST_ALPHAS)
            return [float(first + n * step) + 0.0 for n in range(steps + 1)]
    except (ArithmeticError, ValueError):
        pass
    raise UsageError(f"{word} is no finite number, and no range FROM:TO:STEP such as -1:3:0.25.")


def parse_lanes(text: str, stages: Sequence[str]) -> tuple[list[float], list[LaneAt]]:
    """The αs, and the lanes of stages, that a line names: −1, 0.5, sft, base>dpo 1.5, all.

    `all` are all `stages`. Raises UsageError for a word that is neither.
    """
    rest = text.replace(MINUS, "-").replace("→", ">")
    lanes = [lane_of(stages, found[0]) for found in BETWEEN.finditer(rest)]
    alphas: list[float] = []
    for word in filter(None, re.split(r"[\s,;]+", BETWEEN.sub(" ", rest))):
        if word == ALL_STAGES and stages:
            lanes += [lane_of(stages, name) for name in stages]
        elif word in stages:
            lanes.append(lane_of(stages, word))
        else:
            alphas.append(_alpha(word))
    return sorted(dict.fromkeys(alphas)), list(dict.fromkeys(lanes))


BETWEEN = re.compile(r"([\w.+-]+)\s*>\s*([\w.+-]+)\s+([+-]?[\d.]+(?:e[+-]?\d+)?)")


def lane_of(stages: Sequence[str], words: str) -> LaneAt:
    """The lane of a stage, or of an α between two: "sft", "base>dpo 1.5". Raises UsageError."""
    found = BETWEEN.fullmatch(words.replace(MINUS, "-").replace("→", ">").strip())
    if found is None:
        between, alpha = stage_lane(stages, words)
        return LaneAt(alpha, between)
    before, after, number = found.groups()
    for name in (before, after):
        stage_lane(stages, name)
    return LaneAt(_alpha(number), (before, after))


def _alpha(word: str) -> float:
    try:
        value = float(word) + 0.0
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{word} is no α and no stage.")
    return value
