"""`logit-amp-chat verify DIR`: decodes replies of a sweep again, each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.chain.folder import ChainFolder
from logit_amp_chat.core.experiments.sweep.chain.wording import pair
from logit_amp_chat.core.experiments.sweep.folder import CHAIN, SweepFolder
from logit_amp_chat.core.experiments.sweep.verification import Verified, chosen, verified
from logit_amp_chat.core.number_format import count, number
from logit_amp_chat.core.protocol import Forget
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.replay import ReplayEngine, pinned_profile, reasons
from logit_amp_chat.tui.commands.output import Progress, ReaderGoneError, put, say

if TYPE_CHECKING:
    from logit_amp_chat.core.protocol import Loading

DIFFERS = 8
SOME = 20
"""Replies that are verified where none is named."""

Opener = Callable[[Profile, "Callable[[Loading], None]"], ReplayEngine]


def run(path: Path, ids: Sequence[str], profile: Profile | None, open_engine: Opener) -> int:
    """Verify a sweep, or those of every pair of a chain, as `run_one` does; the exit code."""
    if not (path / CHAIN).exists():
        return run_one(path, ids, profile, open_engine)
    if ids or profile:
        raise UsageError(
            f"{shown(path)} has a sweep over a chain: --reply and --profile are for one of its"
            " pairs.",
            "Name the folder of the pair, or leave them out.",
        )
    chain = ChainFolder.there(path)
    assert chain is not None, "its file is there"
    codes = []
    for place, _ in chain.sweeps():
        put(f"{pair(place)}\n")
        codes.append(run_one(place.path, (), None, open_engine))
    if not codes:
        raise TranscriptError(f"{path} has no replies: there is nothing to verify.")
    return max(codes)


def run_one(path: Path, ids: Sequence[str], profile: Profile | None, open_engine: Opener) -> int:
    """Verify the replies `ids` of the sweep at `path`, else some; returns the exit code.

    Raises LogitAmpError.
    """
    folder = SweepFolder.read(path)
    replies = chosen(folder, ids, SOME)
    if not replies:
        raise TranscriptError(f"{path} has no replies: there is nothing to verify.")
    session = folder.contents.session
    opened = profile or pinned_profile(session)
    if opened is None:
        raise TranscriptError(
            f"{path} does not say which pair made its replies.", "Name it with --profile."
        )
    progress = Progress()
    try:
        engine = open_engine(opened, progress)
    finally:
        progress.done()
    engine.apply(Forget())
    same = 0
    try:
        for found in verified(engine, folder, replies):
            same += found.agrees
            put(f"{visible(found.reply.id, newlines=False)}: {_outcome(found)}\n")
        there = len(folder.contents.there)
        put(f"{same} of {len(replies):,} replies agree; the sweep has {there:,}.\n")
    except ReaderGoneError:
        return DIFFERS
    if same < len(replies) and (why := reasons(session, engine.opened.session)):
        say(f"Likely because of {visible(', '.join(why), newlines=False)}.")
    return 0 if same == len(replies) else DIFFERS


def _outcome(found: Verified) -> str:
    if found.problem:
        return f"cannot be decoded here: {found.problem}"
    tokens = count(len(found.reply.tokens), "token")
    if found.same < len(found.reply.tokens):
        return f"another token at {found.same} of {tokens}"
    return f"the same {tokens}, numbers within {number(found.deviation, 1)} nats"
