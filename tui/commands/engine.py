"""Opens the pair of a command: progress and notices on stderr."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from logit_amp_chat.tui.commands.output import Progress, say

if TYPE_CHECKING:
    from logit_amp_chat.core.api.connect import Server
    from logit_amp_chat.core.api.open_pair import OpenPair
    from logit_amp_chat.core.api.open_workers import OpenWorkers
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.engine.held_stages import HeldStages
    from logit_amp_chat.core.engine.opened_engine import OpenedEngine
    from logit_amp_chat.core.engine_interface import Engine
    from logit_amp_chat.core.protocol import Loading

    Opened = OpenPair | OpenWorkers
    Opener = Callable[[Profile, Callable[[Loading], None]], Engine]


def open_engine(
    profile: Profile, report: Callable[[Loading], None], held: HeldStages | None = None
) -> OpenedEngine:
    """The engine in this process: torch is imported here and not before."""
    from logit_amp_chat.core.engine import opened_engine

    return opened_engine.open_engine(profile, report, held=held)


def opener(server: Server | None, held: HeldStages | None = None) -> Opener:
    """What opens an engine: that of a server, or else one in this process.

    The stages of a chain may be `held` for the next one.
    """
    if server is not None:
        return lambda profile, _: server.open(profile)
    return partial(open_engine, held=held) if held else open_engine


def open_pair(
    profile: Profile, held: HeldStages | None = None, server: Server | None = None
) -> OpenPair:
    """The open pair of `opener`, once its progress was shown and its notices said.

    Raises LogitAmpError.
    """
    from logit_amp_chat.core.api.open_pair import OpenPair

    progress = Progress()
    try:
        engine = opener(server, held)(profile, progress)
    finally:
        progress.done()
    pair = OpenPair(profile, engine)
    for notice in pair.notices:
        say(f"note: {notice}")
    return pair


def open_workers(profile: Profile, workers: str) -> OpenWorkers:
    """The pair in workers, as `--workers` says; shown as `open_pair` does. Raises LogitAmpError."""
    from logit_amp_chat.core.api import open_workers as api

    progress = Progress()
    try:
        opened = api.open_workers(profile, workers, progress)
    finally:
        progress.done()
    for notice in opened.notices:
        say(f"note: {notice}")
    return opened


def judge_of(pair: Opened | None) -> Engine | None:
    """The engine that can judge: workers only sample."""
    from logit_amp_chat.core.api.open_workers import OpenWorkers

    return None if pair is None or isinstance(pair, OpenWorkers) else pair.engine
