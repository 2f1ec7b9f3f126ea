"""What goes wrong in vLLM, in one sentence, with what to do."""

from __future__ import annotations

RELOAD = "Everything shown is saved; reload the engine to continue."


def explained(name: str, words: str) -> tuple[str, str]:
    """The message and the remedy for an exception of this class name that said `words`."""
    return f"{name}: {_first_words(words)}", RELOAD


def _first_words(words: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in words.splitlines() if line.strip()), "")
