"""Diff language models as one diffs code: the Python interface.

    from logit_amp_chat import open_pair

    with open_pair("demo") as pair:
        replies = pair.reply("Tell me about penguins.", alpha=[-1, 0, 2])
        print(replies.at(alpha=2).text)

Importing this loads no torch; opening a pair does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logit_amp_chat.core.analysis.openings import OpeningRow
    from logit_amp_chat.core.api.blame import ChainBlame, TextBlame, blame
    from logit_amp_chat.core.api.connect import connect
    from logit_amp_chat.core.api.loss import LossCurve
    from logit_amp_chat.core.api.mirror import mirror
    from logit_amp_chat.core.api.open_pair import OpenPair, open_pair
    from logit_amp_chat.core.api.openings import Openings
    from logit_amp_chat.core.api.replies import PairReply, Replies
    from logit_amp_chat.core.api.sampled_sweep import sweep
    from logit_amp_chat.core.api.sweep import PairSweep, open_sweep
    from logit_amp_chat.core.api.sweep_chain import ChainSweep, open_sweep_chain, sweep_chain
    from logit_amp_chat.core.api.text_diff import TextDiff
    from logit_amp_chat.core.config.profile import Profile, load_profile
    from logit_amp_chat.core.errors import (
        ContextError,
        EngineError,
        LogitAmpError,
        PairError,
        ProfileError,
        TranscriptError,
        UsageError,
    )
    from logit_amp_chat.core.records import Candidate, Message, Step
    from logit_amp_chat.core.sampling import Sampling
    from logit_amp_chat.core.transcripts.jsonl import read_records
    from logit_amp_chat.core.transcripts.raised_tokens import (
        TokenChange,
        most_lowered,
        most_raised,
        token_changes,
    )

_HOMES = {
    "core.analysis.openings": ("OpeningRow",),
    "core.transcripts.raised_tokens": (
        "TokenChange",
        "most_lowered",
        "most_raised",
        "token_changes",
    ),
    "core.api.blame": ("ChainBlame", "TextBlame", "blame"),
    "core.api.connect": ("connect",),
    "core.api.loss": ("LossCurve",),
    "core.api.mirror": ("mirror",),
    "core.api.open_pair": ("OpenPair", "open_pair"),
    "core.api.openings": ("Openings",),
    "core.api.replies": ("PairReply", "Replies"),
    "core.api.sampled_sweep": ("sweep",),
    "core.api.sweep": ("PairSweep", "open_sweep"),
    "core.api.sweep_chain": ("ChainSweep", "open_sweep_chain", "sweep_chain"),
    "core.api.text_diff": ("TextDiff",),
    "core.config.profile": ("Profile", "load_profile"),
    "core.errors": (
        "ContextError",
        "EngineError",
        "LogitAmpError",
        "PairError",
        "ProfileError",
        "TranscriptError",
        "UsageError",
    ),
    "core.records": ("Candidate", "Message", "Step"),
    "core.sampling": ("Sampling",),
    "core.transcripts.jsonl": ("read_records",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Candidate",
    "ChainBlame",
    "ChainSweep",
    "ContextError",
    "EngineError",
    "LogitAmpError",
    "LossCurve",
    "Message",
    "OpenPair",
    "OpeningRow",
    "Openings",
    "PairError",
    "PairReply",
    "PairSweep",
    "Profile",
    "ProfileError",
    "Replies",
    "Sampling",
    "Step",
    "TextBlame",
    "TextDiff",
    "TokenChange",
    "TranscriptError",
    "UsageError",
    "blame",
    "connect",
    "load_profile",
    "mirror",
    "most_lowered",
    "most_raised",
    "open_pair",
    "open_sweep",
    "open_sweep_chain",
    "read_records",
    "sweep",
    "sweep_chain",
    "token_changes",
]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from logit_amp_chat.core.config.folders import ensure_home, ensure_temporary_folder

    ensure_home()
    ensure_temporary_folder()
    found = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
