"""Samples what the folder of a sweep lacks, with a line that says how far it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.sweep import Failed, Progress, Sweep, run
from logit_amp_chat.core.number_format import duration, quantity
from logit_amp_chat.core.protocol import Drain, Noticed
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.commands.output import say
from logit_amp_chat.tui.commands.reading_progress import LiveLine

if TYPE_CHECKING:
    from logit_amp_chat.core.api.open_workers import OpenSampler


def sample(pair: OpenSampler, folder: SweepFolder, rows: int | None) -> bool:
    """Sample what is missing; whether it was stopped. Raises LogitAmpError."""
    sweep, line = Sweep(folder, rows=rows), LiveLine(live=True)
    begun = len(folder.contents.there)
    _say_where(folder, sweep)

    def stop() -> None:
        sweep.begin_no_more()
        line.clear()
        say("Finishing the replies that have begun; an interrupt more gives them up.")

    # A second interrupt: what had ended before is there.
    with (
        contextlib.suppress(KeyboardInterrupt),
        pair.interruptible(stop, command=Drain()),
    ):
        for event in run(pair.engine, sweep):
            match event:
                case Noticed(sentence):
                    line.clear()
                    say(f"note: {sentence}")
                case Failed(reply, why):
                    line.clear()
                    say(f"not sampled: {reply}: {why}")
                case Progress() if line.is_due:
                    line.draw(_progress(event, line, begun) + status(pair))
    line.clear()
    size = quantity((folder.path / FILE).stat().st_size, "bytes")
    made = len(folder.contents.there) - begun
    say(f"{made:,} replies in {duration(line.seconds)}; the folder has {size}")
    return sweep.stopping


def status(pair: OpenSampler) -> str:
    """How many workers there are; nothing of a pair that is open here."""
    found = getattr(pair.engine, "status", "")
    return f"  {found}" if found else ""


def _say_where(folder: SweepFolder, sweep: Sweep) -> None:
    say(f"saved in {visible(short_path(folder.path), newlines=False)}")
    if there := len(folder.contents.there):
        say(f"{there:,} of {sweep.wanted:,} replies are there already")
    say_damaged(folder)


def say_damaged(folder: SweepFolder) -> None:
    """Say how many lines cannot be read, if any: what they had is counted nowhere."""
    if folder.contents.damaged:
        say(f"note: damaged lines in it, left out: {folder.contents.damaged:,}")


def _progress(progress: Progress, line: LiveLine, begun: int) -> str:
    share = progress.replies / max(1, progress.wanted)
    made = progress.replies - begun
    left = line.left(made / max(1, progress.wanted - begun))
    rate = f"{made / max(line.seconds, 1e-9):.1f}/s"
    return (
        f"{share:4.0%}  {progress.replies:,} of {progress.wanted:,} replies, {rate}{left}"
        f"  {progress.rows} at once, {progress.tokens / max(line.seconds, 1e-9):,.0f} tokens/s"
    )
