"""`logit-amp-chat verify`: decodes a transcript's replies again and says where they part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.export.describe import alphas
from logit_amp_chat.core.number_format import count, signed
from logit_amp_chat.core.protocol import Forget, Loading, Opened
from logit_amp_chat.core.records import Finish, Session, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts import endings
from logit_amp_chat.core.transcripts.jsonl import is_unreadable, read_records
from logit_amp_chat.core.transcripts.replay import Engine as Replayer
from logit_amp_chat.core.transcripts.replay import (
    Sitting,
    Verdict,
    pinned_profile,
    reasons,
    replay,
    sittings,
)
from logit_amp_chat.tui.commands.output import Progress, ReaderGoneError, put, say

if TYPE_CHECKING:
    from collections.abc import Iterator

DIFFERS = 8
# Two orders of adding the same fp32 numbers part by less than this, in nats.
ROUNDING = 1e-3


class Engine(Replayer, Protocol):
    """What this command needs of `logit_amp_chat.core.engine.local.Engine`."""

    opened: Opened


Opener = Callable[[Profile, Callable[[Loading], None]], Engine]


def run(path: Path, chosen: Profile | None, open_engine: Opener) -> int:
    """Replay the transcript at `path`; returns the exit code.

    `chosen` takes the place of the profiles the file names. Raises LogitAmpError.
    """
    records = read_records(path, torn=True)
    damaged = sum(map(is_unreadable, records))
    found = sittings(records)
    if not found:
        raise TranscriptError(
            f"{path} holds no reply: there is nothing to verify.", "Choose another transcript."
        )
    try:
        verdicts = list(_replayed(path, found, chosen, open_engine))
        same = sum(verdict.identical for verdict in verdicts)
        cut = sum(verdict.log.finish is None for verdict in verdicts)
        less = f"; {cut} cut off" if cut else ""
        put(f"{same} of {len(verdicts)} replies are identical{less}.\n")
    except ReaderGoneError:
        return DIFFERS  # 0 is for what is known to be identical
    if damaged:
        say(f"{count(damaged, 'line')} of the file cannot be read: what it held is not verified.")
    return 0 if same == len(verdicts) and not damaged else DIFFERS


def _replayed(
    path: Path, found: Sequence[Sitting], chosen: Profile | None, open_engine: Opener
) -> Iterator[Verdict]:
    """Every verdict, printed as soon as it is known."""
    engine: Engine | None = None
    opened: Profile | None = None
    for sitting in found:
        profile = chosen or _profile_of(path, sitting.session)
        if engine is None or profile != opened:
            engine = None  # two pairs need not fit at once
            engine, opened = _open(profile, open_engine), profile
        engine.apply(Forget())
        why = reasons(sitting.session, engine.opened.session) if sitting.session else []
        parted = False
        for request in sitting.requests:
            for verdict in replay(engine, request):
                put(report(verdict))
                if not verdict.identical:
                    put(f"    {likely(verdict, why, parted)}\n")
                    parted = True
                yield verdict


def _profile_of(path: Path, session: Session | None) -> Profile:
    profile = pinned_profile(session) if session else None
    if profile is None:
        raise TranscriptError(
            f"{path} does not say with which pair its replies were made.", "Name it with --profile."
        )
    return profile


def _open(profile: Profile, open_engine: Opener) -> Engine:
    progress = Progress()
    try:
        return open_engine(profile, progress)
    finally:
        progress.done()


# --- in words -------------------------------------------------------------------


def report(verdict: Verdict) -> str:
    """What came of one reply, with both records of the first difference."""
    log = verdict.log
    said = f"{log.id} · {log.reply.lane} · α {alphas(log)}: {_outcome(verdict)}"
    if log.finish is None:
        said += f", {endings.cut_off(log)}"
    lines = [visible(said, newlines=False)]
    if first := verdict.first:
        lines += [
            f"    recorded  {_record(first.recorded)}",
            f"    here      {_record(first.replayed)}",
        ]
        if first.fields:
            lines.append(f"    differs in {', '.join(first.fields)}")
    return "\n".join(lines) + "\n"


def _outcome(verdict: Verdict) -> str:
    tokens = count(len(verdict.log.steps), "token")
    if verdict.problem:
        return f"cannot be decoded here: {verdict.problem}"
    if verdict.first is None:
        return f"identical, {tokens}" if verdict.log.finish else "identical"
    if verdict.parted is not None:
        where = verdict.parted
        if isinstance(where.recorded, Step) and isinstance(where.replayed, Step):
            return f"another token at {where.index} of {tokens}"
        return f"another ending after {count(where.index, 'token')}"
    return (
        f"the same {tokens}, with numbers that differ from token {verdict.first.index} on,"
        f" by at most {verdict.deviation:.1g} nats"
    )


def _record(record: Step | Finish | None) -> str:
    match record:
        case None:
            return "nothing more"
        case Finish():
            return f"ended: {endings.as_recorded(record)}"
    p, rank = record.logp, record.rank
    return (
        f"{visible(record.text, newlines=False)!r} ({record.token}) at α {signed(record.alpha)},"
        f" log p {p.before:.6f} {p.after:.6f} {p.amplified:.6f},"
        f" rank {rank.before} {rank.after} {rank.amplified},"
        f" KL {record.kl:.6f} {record.kl_amplified:.6f}, H {record.entropy:.6f}"
    )


def likely(verdict: Verdict, why: Sequence[str], parted: bool) -> str:
    """The likely reason of a difference, as one sentence."""
    if why:
        return f"Likely because of {visible(', '.join(why), newlines=False)}."
    rounding = verdict.parted is None and not verdict.problem and verdict.deviation < ROUNDING
    if rounding and parted:
        return "Likely rounding: an earlier reply differs, so this one began from other caches."
    if rounding:
        return "Likely rounding: the numbers were added in another order."
    return (
        "Device, models, precision and versions are those of the file:"
        " the file or the weights were changed."
    )
