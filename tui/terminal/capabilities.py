"""What the terminal can do, as far as it can be told without asking the user."""

from __future__ import annotations

import curses
import locale
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.tui.terminal.clipboard import multiplexer

State = Literal["good", "odd", "bad"]
SMALLEST = (40, 15)
HEADLESS = "Use `logit-amp-chat reply --prompt TEXT` for scripts and pipes."
TMUX_SETTINGS = ("version", "set-clipboard", "allow-passthrough", "escape-time", "default-terminal")


@dataclass(frozen=True)
class Finding:
    """One thing that was found: its name, what it is, and what to do where it is not good."""

    name: str
    value: str
    state: State = "good"
    advice: tuple[str, ...] = ()


def findings(environment: Mapping[str, str], *, is_terminal: bool) -> Iterator[Finding]:
    """What the chat would find, were it started here."""
    yield _term(environment, is_terminal)
    yield _size()
    yield _colours(environment)
    yield _encoding()
    inside = multiplexer(environment)
    yield from _tmux() if environment.get("TMUX") else ()
    yield _clipboard(inside)


def _term(environment: Mapping[str, str], is_terminal: bool) -> Finding:
    term = environment.get("TERM", "")
    if not is_terminal:
        hint = "The chat needs a terminal; for scripts there is logit-amp-chat reply."
        return Finding("terminal", f"none here (TERM={term or 'not set'})", "odd", (hint,))
    if term in ("", "dumb", "unknown"):
        return Finding("terminal", f"TERM is {term or 'not set'}", "bad",
                       ("export TERM=xterm-256color",))  # fmt: skip
    over = " over SSH" if environment.get("SSH_CONNECTION") else ""
    return Finding("terminal", f"{term}{over}")


def _size() -> Finding:
    columns, rows = shutil.get_terminal_size()
    small = columns < SMALLEST[0] or rows < SMALLEST[1]
    advice = (f"{SMALLEST[0]}×{SMALLEST[1]} or more is readable, 120×40 comfortable.",)
    return Finding("size", f"{columns}×{rows}", "odd" if small else "good", advice if small else ())


def _colours(environment: Mapping[str, str]) -> Finding:
    if environment.get("NO_COLOR"):
        return Finding("colours", "none, as NO_COLOR asks; letters and underlines say the same")
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Finding("colours", "16 million; the chat uses 256 of them")
    count = _terminfo_colours(environment.get("TERM", ""))
    if count >= 256:
        return Finding("colours", "256")
    advice = "export TERM=xterm-256color, or inside tmux: set -g default-terminal tmux-256color"
    return Finding("colours", str(count) if count > 0 else "not known", "odd", (advice,))


def _terminfo_colours(term: str) -> int:
    if "256color" in term:
        return 256
    try:
        curses.setupterm(term or "dumb", fd=1)
        return curses.tigetnum("colors")
    except (curses.error, OSError, ValueError):
        return 0


def _encoding() -> Finding:
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") == "utf8":
        return Finding("text", "UTF-8")
    return Finding("text", encoding, "odd", ("export LC_ALL=C.UTF-8",))


def _tmux() -> Iterator[Finding]:
    settings = _ask_tmux()
    if settings is None:
        yield Finding("tmux", "it does not answer", "odd")
        return
    yield Finding("tmux", settings["version"])
    term = settings["default-terminal"]
    if "256color" not in term:
        yield Finding("tmux colours", term, "odd", ('set -g default-terminal "tmux-256color"',))
    delay = settings["escape-time"]
    if delay.isdigit() and int(delay) > 50:
        why = "# esc acts half a second late otherwise"
        yield Finding("tmux esc", f"{delay} ms", "odd", (f"set -s escape-time 20  {why}",))
    if settings["set-clipboard"] == "off":
        yield Finding("tmux clipboard", "off", "odd", ("set -s set-clipboard on",))


def _ask_tmux() -> dict[str, str] | None:
    """tmux's version and settings by name; None where it does not answer."""
    wanted = "\t".join(f"#{{{name}}}" for name in TMUX_SETTINGS)
    try:
        answer = subprocess.run(
            ["tmux", "display-message", "-p", wanted], capture_output=True, timeout=2, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    values = answer.stdout.decode("utf-8", "replace").rstrip("\n").split("\t")
    return dict(zip(TMUX_SETTINGS, values, strict=True)) if len(values) == 5 else None


def _clipboard(inside: str) -> Finding:
    ways = {
        "none": "OSC 52, straight to the terminal",
        "tmux": "OSC 52 through tmux, and tmux's own buffer",
        "screen": "OSC 52 through screen",
        "either": "OSC 52 through what may be tmux or screen",
    }
    return Finding("clipboard", f"{ways[inside]}; --keys tries whether it arrives")


def here() -> list[Finding]:
    """The findings of this process's terminal."""
    is_terminal = os.isatty(0) and os.isatty(1)
    return list(findings(os.environ, is_terminal=is_terminal))


def check_terminal(what: str = "The chat", instead: str = HEADLESS) -> None:
    """Refuse where no screen can be drawn for `what`. Raises UsageError, which says `instead`."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(f"{what} needs a terminal, and this is a pipe or a file.", instead)
    if os.environ.get("TERM", "") in ("dumb", "unknown", ""):
        term = os.environ.get("TERM", "") or "not set"
        raise UsageError(
            f"{what} needs a terminal that can move the cursor, and TERM is {term}.",
            f"Set TERM (for example xterm-256color). {instead}",
        )
