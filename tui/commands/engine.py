"""Opens the pair of a command: progress and notices on stderr."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from logit_amp_chat.tui.commands.output import Progress, say

if TYPE_CHECKING:
    from logit_amp_chat.core.api.open_pair import OpenPair
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.engine.held_stages import HeldStages
    from logit_amp_chat.core.engine.opened_engine import OpenedEngine
    from logit_amp_chat.core.protocol import Loading


def open_engine(
    profile: Profile, report: Callable[[Loading], None], held: HeldStages | None = None
) -> OpenedEngine:
    """The engine in this process: torch is imported here and not before."""
    from logit_amp_chat.core.engine import opened_engine

    return opened_engine.open_engine(profile, report, held=held)


def open_pair(profile: Profile, held: HeldStages | None = None) -> OpenPair:
    """The open pair, once its progress was shown and its notices said.

    The stages of a chain may be `held` for the next one. Raises LogitAmpError.
    """
    from logit_amp_chat.core.api.open_pair import OpenPair

    progress = Progress()
    try:
        engine = open_engine(profile, progress, *([held] if held else []))
    finally:
        progress.done()
    pair = OpenPair(profile, engine)
    for notice in pair.notices:
        say(f"note: {notice}")
    return pair
