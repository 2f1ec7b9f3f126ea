"""Errors a user can act on: what is wrong, where, and what to do."""

from __future__ import annotations


class LogitAmpError(Exception):
    """A failure with a remedy; shown as one message, never as a traceback.

    `exit_code` is what a headless command ends with:
    1 an unexpected failure, 2 wrong usage, 3 a profile, 4 a pair that cannot
    be loaded, 5 a context that is used up, 6 a transcript, 7 the engine died.
    `verify` ends with 8 where a replay differs, and an interrupted command with 130.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(LogitAmpError):
    """A command that asks for what it cannot have."""

    exit_code = 2


class ProfileError(LogitAmpError):
    """A profile that is missing, unreadable or says something it may not."""

    exit_code = 3


class PairError(LogitAmpError):
    """Two sides that cannot be loaded or do not share a vocabulary."""

    exit_code = 4


class ContextError(LogitAmpError):
    """A conversation longer than the model's context."""

    exit_code = 5


class TranscriptError(LogitAmpError):
    """A transcript that cannot be read or written."""

    exit_code = 6


class ReadOnlyError(TranscriptError):
    """A transcript that can be read but not written: another has it, or it may not be changed."""


class EngineError(LogitAmpError):
    """The engine process ended without being asked to."""

    exit_code = 7


def failure(message: str, remedy: str, exit_code: int) -> LogitAmpError:
    """The error that a process ended with, as it was raised there."""
    kinds = (UsageError, ProfileError, PairError, ContextError, TranscriptError, EngineError)
    kind = next((kind for kind in kinds if kind.exit_code == exit_code), LogitAmpError)
    return kind(message, remedy)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
