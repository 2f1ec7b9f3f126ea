"""Detects an engine that is alive and has work to do, but has gone silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from logit_amp_chat.core.engine.process import ProcessStatus

SILENCE_SECONDS = 30.0
# More than this between two ticks means that the app did not run either.
TICK_SECONDS = 1.0
# Share of one processor below which a process is idle.
IDLE = 0.01

RELOAD = "Everything shown is saved. Press ctrl+l to load the models again."


@dataclass(frozen=True)
class Stalled:
    """The engine has been silent for too long: what is known, and what to do."""

    message: str
    remedy: str


@dataclass(frozen=True)
class Recovered:
    """The engine reports again: `stalled` no longer holds."""

    stalled: Stalled


class Watchdog:
    """Measures the silence of an engine that should be reporting.

    Slow and hung look alike from outside, so the watchdog only says what it
    sees, and takes it back at the next event. A tick counts for a second at
    most: time in which the app is stopped or the machine sleeps is no silence.
    """

    def __init__(
        self,
        status: Callable[[], ProcessStatus | None],
        clock: Callable[[], float],
        patience: float = SILENCE_SECONDS,
    ) -> None:
        self.stalled: Stalled | None = None
        self.silence = 0.0
        self._status = status
        self._clock = clock
        self._patience = patience
        self._last = clock()
        self._heard = False
        self._halfway: ProcessStatus | None = None

    def heard(self) -> None:
        """The engine has reported something; may be called from any thread."""
        self._heard = True

    def tick(self, *, computing: bool, loading: bool) -> Stalled | Recovered | None:
        """What has changed. Loading may be silent: it stalls only if its process is stopped."""
        now = self._clock()
        passed, self._last = min(now - self._last, TICK_SECONDS), now
        if self._heard or not (computing or loading):
            return self._reset()
        self.silence += passed
        if self._halfway is None and self.silence >= self._patience / 2:
            self._halfway = self._status()
        if self.stalled is None and self.silence >= self._patience:
            self.stalled = self._verdict(loading)
            return self.stalled
        return None

    def _reset(self) -> Recovered | None:
        self._heard = False
        self.silence = 0.0
        self._halfway = None
        stalled, self.stalled = self.stalled, None
        return Recovered(stalled) if stalled else None

    def _verdict(self, loading: bool) -> Stalled | None:
        status = self._status()
        silence = f"reported nothing for {self._patience:g} s"
        if status is None:
            return None  # its end is reported by the engine link
        if status.stopped:
            return Stalled(
                f"The engine process was stopped and has {silence}.",
                f"{RELOAD} kill -CONT {status.pid} resumes it.",
            )
        if loading:
            return None
        used = status.seconds - self._halfway.seconds if self._halfway else 0.0
        if used < IDLE * self._patience / 2:
            return Stalled(f"The engine hangs: it has {silence} and computes nothing.", RELOAD)
        return Stalled(
            f"The engine may hang: it has {silence}, although it uses the processor.", RELOAD
        )
