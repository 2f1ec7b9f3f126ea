"""Writes the tables of keys, in README.md and docs/keys.md, from the registry.

python -m docs.keys
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from logit_amp_chat.tui.keys.actions import ACTIONS, Action, Place

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- keys: python -m docs.keys -->\n", "<!-- /keys -->\n"
PLACES: dict[Place, str] = {
    "anywhere": "anywhere",
    "composer": "composer",
    "transcript": "transcript",
    "candidates": "candidates",
    "openings": "openings",
    "prompt": "a prompt",
    "reading": "a text that is read",
    "sweep": "a sweep",
    "search": "search",
    "chats": "saved chats",
}


def _own(place: Place) -> list[Action]:
    """The actions of a place; what is done in another way too stands there once."""
    seen: set[str] = set()
    own = []
    for action in ACTIONS:
        if action.place == place and (not action.run or action.run not in seen):
            seen.add(action.run)
            own.append(action)
    return own


def _labelled(place: Place) -> Iterator[str]:
    """Keys before the word for what they do."""
    keys: dict[str, list[str]] = {}
    for action in _own(place):
        keys.setdefault(action.label, []).append(action.display)
    for label, displays in keys.items():
        yield f"{' '.join(f'`{display}`' for display in displays)} {label}"


def summary() -> str:
    """A row a place: its keys, with a word for each."""
    rows = [f"| {name} | {' · '.join(_labelled(place))} |" for place, name in PLACES.items()]
    return "\n".join(["| where | keys |", "| --- | --- |", *rows]) + "\n"


def _reference() -> Iterator[str]:
    yield "# Keys"
    yield (
        "Made from the registry of actions by `python -m docs.keys`. The names are those for"
        " `keys.yaml` in the config folder (on Linux `~/.config/logit-amp-chat/keys.yaml`), which"
        " gives an action other keys:"
    )
    yield "```yaml\nalpha_up: f12\nkeep: [K, ctrl+k]\n```"
    for place, name in PLACES.items():
        yield f"## {name.capitalize()}"
        rows = [
            f"| `{a.display}` | {f'`{a.id}`' if a.keys else ''} | {_cell(a.help)} |"
            for a in ACTIONS
            if a.place == place
        ]
        yield "\n".join(["| key | name | what it does |", "| --- | --- | --- |", *rows])


def _cell(text: str) -> str:
    """Text of a table, in which a bare | would begin the next cell."""
    return text.replace("|", r"\|")


def reference() -> str:
    """Every action with its name and what it does."""
    return "\n\n".join(_reference()) + "\n"


def readme(text: str) -> str:
    """README with the table between its two marks made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{summary()}{END}{tail}"


def main() -> None:
    """Write both."""
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))
    (ROOT / "docs" / "keys.md").write_text(reference())


if __name__ == "__main__":
    main()
