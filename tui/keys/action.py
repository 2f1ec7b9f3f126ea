"""What an action is, and where it acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal[
    "anywhere",
    "composer",
    "transcript",
    "candidates",
    "search",
    "chats",
    "openings",
    "prompt",
    "reading",
    "sweep",
]
# What works anywhere in the chat does not reach these.
DIALOGS: tuple[Place, ...] = ("chats", "openings", "prompt", "reading", "sweep")


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    `run` is the Textual action of the chat screen, `keys` a comma-separated
    list, `display` the first key as people write it, `label` a word for the
    footer, `help` a sentence. `rank` orders the footer (0: not there), `when`
    narrows it to a state: streaming, comparing, inspecting, jumping, failed,
    token (the cursor is on one), no token, read (a text was), sampling and stopped (a sweep),
    differing and several lanes (of a prompt).
    `opposite` is the key of the action that goes the other way, where the
    footer shows the two as one.
    """

    id: str
    run: str
    keys: str
    display: str
    label: str
    help: str
    group: str
    place: Place = "anywhere"
    rank: int = 0
    when: str = ""
    palette: bool = True
    opposite: str = ""


Actions = tuple[Action, ...]


def own_action(
    place: Place,
    id: str,
    run: str,
    keys: str,
    display: str,
    label: str,
    help: str,
    rank: int = 0,
    *,
    when: str = "",
    opposite: str = "",
) -> Action:
    """An action of a screen that has no others; its id begins with the place."""
    return Action(
        f"{place}_{id}",
        run,
        keys,
        display,
        label,
        help,
        place.capitalize(),
        place,
        rank,
        when,
        palette=False,
        opposite=opposite,
    )
