"""`logit-amp-chat verify`: decodes a transcript's replies again and reports the differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.export.describe import lane
from logit_amp_chat.core.number_format import MINUS, count, number, signed
from logit_amp_chat.core.protocol import Forget, Loading
from logit_amp_chat.core.records import Document, Finish, Record, Session, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts import reply_endings
from logit_amp_chat.core.transcripts.jsonl import is_unreadable, read_records
from logit_amp_chat.core.transcripts.replay import (
    ReplayEngine,
    ReplayResult,
    SessionRequests,
    pinned_profile,
    reasons,
    replay,
    requests_by_session,
)
from logit_amp_chat.tui.commands.output import Progress, ReaderGoneError, put, say

if TYPE_CHECKING:
    from collections.abc import Iterator

DIFFERS = 8
# Adding the same fp32 numbers in another order changes them by less than this, in nats.
ROUNDING = 1e-3


Opener = Callable[[Profile, Callable[[Loading], None]], ReplayEngine]


def run(path: Path, chosen: Profile | None, open_engine: Opener) -> int:
    """Replay the transcript at `path`; returns the exit code.

    `chosen` replaces the profiles named in the file. Raises LogitAmpError.
    """
    records = read_records(path, torn=True)
    damaged = sum(map(is_unreadable, records))
    sessions = requests_by_session(records)
    if not sessions:
        raise _nothing_to_verify(path, records)
    try:
        results = list(_replayed(path, sessions, chosen, open_engine))
        same = sum(result.identical for result in results)
        put(f"{_summary(results)}\n")
    except ReaderGoneError:
        return DIFFERS  # 0 would claim that all replies are identical
    if damaged:
        say(f"{count(damaged, 'line')} of the file cannot be read: what it held is not verified.")
    return 0 if same == len(results) and not damaged else DIFFERS


def _nothing_to_verify(path: Path, records: Sequence[Record]) -> TranscriptError:
    if any(isinstance(record, Document) for record in records):
        return TranscriptError(
            f"{path} has texts that were read and no replies: there is nothing to verify.",
            "Read the texts again with logit-amp-chat diff.",
        )
    return TranscriptError(
        f"{path} has no replies: there is nothing to verify.", "Choose another transcript."
    )


def _replayed(
    path: Path, sessions: Sequence[SessionRequests], chosen: Profile | None, open_engine: Opener
) -> Iterator[ReplayResult]:
    """Yield every result after printing it."""
    engine: ReplayEngine | None = None
    opened: Profile | None = None
    for part in sessions:
        profile = chosen or _profile_of(path, part.session)
        if engine is None or profile != opened:
            engine = None  # two pairs may not fit into memory at once
            engine, opened = _open(profile, open_engine), profile
        engine.apply(Forget())
        why = reasons(part.session, engine.opened.session) if part.session else []
        diverged = False
        for request in part.requests:
            for result in replay(engine, request):
                put(report(result))
                if not result.identical:
                    put(f"    {likely(result, why, diverged)}\n")
                    diverged = True
                yield result


def _profile_of(path: Path, session: Session | None) -> Profile:
    profile = pinned_profile(session) if session else None
    if profile is None:
        raise TranscriptError(
            f"{path} does not say which pair made its replies.", "Name it with --profile."
        )
    return profile


def _open(profile: Profile, open_engine: Opener) -> ReplayEngine:
    progress = Progress()
    try:
        return open_engine(profile, progress)
    finally:
        progress.done()


# --- in words -------------------------------------------------------------------


def _summary(results: Sequence[ReplayResult]) -> str:
    """How many replies are identical; those that were cut off apart, as they have no end."""
    whole = [result.identical for result in results if result.log.finish is not None]
    cut = [result.identical for result in results if result.log.finish is None]
    if not cut:
        return f"{sum(whole)} of {len(whole)} replies are identical."
    if not whole:
        return f"{sum(cut)} of {len(cut)} cut-off replies are identical, as far as they go."
    return (
        f"{sum(whole)} of {len(whole)} complete replies are identical,"
        f" and {sum(cut)} of {len(cut)} cut-off ones as far as they go."
    )


def report(result: ReplayResult) -> str:
    """How one reply compares, with both records of the first difference."""
    log = result.log
    said = f"{log.id} · {lane(log)}: {_outcome(result)}"
    if log.finish is None:
        said += f", {reply_endings.cut_off(log)}"
    lines = [visible(said, newlines=False)]
    if first := result.first:
        lines += [
            f"    recorded  {_record(first.recorded)}",
            f"    here      {_record(first.replayed)}",
        ]
        if first.fields:
            lines.append(f"    differs in {', '.join(first.fields)}")
    return "\n".join(lines) + "\n"


def _outcome(result: ReplayResult) -> str:
    tokens = count(len(result.log.steps), "token")
    if result.problem:
        return f"cannot be decoded here: {result.problem}"
    if result.first is None:
        return f"identical, {tokens}" if result.log.finish else "identical"
    if result.diverged is not None:
        where = result.diverged
        if isinstance(where.recorded, Step) and isinstance(where.replayed, Step):
            return f"another token at {where.index} of {tokens}"
        return f"another ending after {count(where.index, 'token')}"
    return (
        f"the same {tokens}, with numbers that differ from token {result.first.index} on,"
        f" by at most {number(result.deviation, 1)} nats"
    )


def _record(record: Step | Finish | None) -> str:
    match record:
        case None:
            return "nothing more"
        case Finish():
            return reply_endings.as_recorded(record)
    p, rank = record.logp, record.rank
    numbers = (
        f" log p {p.before:.6f} {p.after:.6f} {p.amplified:.6f},"
        f" rank {rank.before} {rank.after} {rank.amplified},"
        f" KL {record.kl:.6f} {record.kl_amplified:.6f}, H {record.entropy:.6f}"
    ).replace("-", MINUS)
    token = f"{visible(record.text, newlines=False)!r} ({record.token})"
    return f"{token} at α {signed(record.alpha)},{numbers}"


def likely(result: ReplayResult, why: Sequence[str], diverged: bool) -> str:
    """The likely reason for a difference, as one sentence."""
    if why:
        return f"Likely because of {visible(', '.join(why), newlines=False)}."
    rounding = result.diverged is None and not result.problem and result.deviation < ROUNDING
    if rounding and diverged:
        return "Likely rounding: an earlier reply differs, so this one began from other caches."
    if rounding:
        return "Likely rounding: the numbers were added in another order."
    return (
        "Device, models, precision and versions are those of the file:"
        " the file or the weights were changed."
    )
