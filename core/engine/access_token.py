"""The token that a server asks for, and its client has: from a file or the environment.

Never from an argument, which every user of a machine can read in its list of processes.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_config_path

from logit_amp_chat.core.errors import LogitAmpError, UsageError

VARIABLE = "LOGIT_AMP_TOKEN"
SHORTEST = 16
MODE = 0o600


def usual_file() -> Path:
    """Where a server saves the token that it made itself."""
    return user_config_path("logit-amp-chat") / "server-token"


def given_token(file: Path | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token of a file, else that of the environment; None where there is neither.

    Raises UsageError for a file that others can read, and for what is no token.
    """
    if file is not None:
        return _checked(_read(file), str(file))
    found = environment.get(VARIABLE)
    return None if found is None else _checked(found, VARIABLE)


def made_token(file: Path) -> str:
    """The token of this file, which is made if it is not there. Raises LogitAmpError."""
    if file.exists():
        return _checked(_read(file), str(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except OSError as error:
        raise LogitAmpError(
            f"The token cannot be saved in {file}: {error.strerror}.",
            f"Set {VARIABLE}, or name a file with --token-file.",
        ) from error
    with os.fdopen(descriptor, "w") as opened:
        token = secrets.token_urlsafe(32)
        opened.write(f"{token}\n")
    return token


def _read(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if mode & 0o077:
                raise UsageError(f"Others can read the token in {file}.", f"Run: chmod 600 {file}")
            return opened.read(4096)
    except OSError as error:
        raise UsageError(
            f"The token cannot be read from {file}: {error.strerror}.", "Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} holds no token.", "A token is letters and digits.") from error


def _checked(text: str, place: str) -> str:
    token = text.strip()
    if len(token) < SHORTEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(
            f"{place} holds no token: {SHORTEST} or more letters and digits are needed.",
            "Make one with: openssl rand -hex 32",
        )
    return token
