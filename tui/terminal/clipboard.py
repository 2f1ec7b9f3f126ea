"""The clipboard of a terminal that may be far away: OSC 52, through tmux and screen."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.text import plain

FILE = "clipboard.txt"
LIMIT = 100_000  # bytes of base64: some terminals cut or drop a longer sequence
CHUNK = 500  # bytes: GNU screen ends a control string at 768 and prints what is left

ESC = "\x1b"
ST = f"{ESC}\\"

Multiplexer = Literal["none", "tmux", "screen", "either"]


def multiplexer(environment: Mapping[str, str]) -> Multiplexer:
    """What stands between the app and the terminal.

    `either` where only TERM is left to tell, as after an ssh from inside one:
    tmux has long called itself `screen`.
    """
    term = environment.get("TERM", "")
    if term.startswith("tmux"):
        return "tmux"
    if term.startswith("screen."):
        return "screen"
    inside = [name for name, sign in (("tmux", "TMUX"), ("screen", "STY")) if environment.get(sign)]
    if inside == ["tmux"]:
        return "tmux"
    if inside == ["screen"]:
        return "screen"
    return "either" if inside or term.startswith("screen") else "none"


def sequence(text: str, inside: Multiplexer) -> str | None:
    """What puts `text` on the terminal's clipboard; None where it is too long for that.

    tmux gets it twice: bare for itself (`set-clipboard on`), and wrapped for
    the terminal around it (`allow-passthrough on`). screen passes on nothing
    but wrapped pieces. A single piece is understood by both.
    """
    data = base64.b64encode(plain(text).encode()).decode()
    if len(data) > LIMIT:
        return None
    bare = f"{ESC}]52;c;{data}\a"
    if inside == "tmux":
        return f"{bare}{ESC}Ptmux;{bare.replace(ESC, ESC * 2)}{ST}"
    if inside == "screen" or (inside == "either" and len(bare) <= CHUNK):
        pieces = (bare[start : start + CHUNK] for start in range(0, len(bare), CHUNK))
        return "".join(f"{ESC}P{piece}{ST}" for piece in pieces)
    return bare


def fits(text: str) -> bool:
    """Whether a terminal can be given all of `text`."""
    return sequence(text, "none") is not None


def keep(text: str, folder: Path) -> Path:
    """Write `text` into a file of `folder`, for terminals without a clipboard; returns its path.

    Raises TranscriptError.
    """
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TranscriptError(f"Cannot make the folder {folder}: {error.strerror}.") from error
    write_atomically(path, plain(text))
    return path


def give(text: str, write: Callable[[str], object]) -> None:
    """Put `text` on the terminal's clipboard by way of `write`; inside tmux, on tmux's too."""
    inside = multiplexer(os.environ)
    if said := sequence(text, inside):
        write(said)
    if inside == "tmux":
        threading.Thread(target=give_to_tmux, args=(text,), daemon=True).start()


def give_to_tmux(text: str) -> None:
    """Let tmux (3.2 or newer) set its buffer and the clipboard, which its defaults allow.

    A sequence is ignored by a tmux that was never configured. Blocks for up to
    two seconds; does nothing where there is no tmux to talk to.
    """
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=plain(text).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2,
            check=False,
        )
