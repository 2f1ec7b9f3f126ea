"""Errors that a user can act on: what is wrong, where, and what to do."""

from __future__ import annotations


class LogitAmpError(Exception):
    """A failure with a remedy; shown as one message, never as a traceback.

    `exit_code` is the exit status of a headless command:
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
    """A command or call whose arguments are wrong."""

    exit_code = 2


class ProfileError(LogitAmpError):
    """A profile that is missing, unreadable or invalid."""

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
    """A transcript that can be read but not written: it is in use, or write-protected."""


class EngineError(LogitAmpError):
    """The engine process died or is gone."""

    exit_code = 7


def failure(message: str, remedy: str, exit_code: int) -> LogitAmpError:
    """Rebuild the error that an engine process reported."""
    kinds = (UsageError, ProfileError, PairError, ContextError, TranscriptError, EngineError)
    kind = next((kind for kind in kinds if kind.exit_code == exit_code), LogitAmpError)
    return kind(message, remedy)


def first_line(error: BaseException) -> str:
    """An error's message in one line, at most 300 characters."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
