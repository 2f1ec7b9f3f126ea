"""A user's own keys: a YAML file in the config folder that names actions and keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import platformdirs
from textual.keys import Keys, _character_to_key

from logit_amp_chat.core.config.yaml_file import YamlFile
from logit_amp_chat.core.errors import ProfileError, UsageError
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.keys.actions import ACTIONS, DIALOGS, FORMER_IDS, Action, Place, changed

# What a plain terminal sends as something else.
ARRIVES_AS = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
    "ctrl+enter": "enter",
    "alt+enter": "escape and enter",
}
PLACES: tuple[Place, ...] = ("composer", "transcript", "candidates", "search", "chats", "openings")


def keymap_path() -> Path:
    """Where a user's keys are looked for."""
    return platformdirs.user_config_path("logit-amp-chat") / "keys.yaml"


def read_keymap(path: Path) -> dict[str, str]:
    """The keys of a file by action, comma-separated; nothing where there is no file.

    A line is `action: key` or `action: [key, key]`. Raises UsageError that
    names file, line and key.
    """
    if not path.exists():
        return {}
    try:
        return _checked(YamlFile.read(path))
    except ProfileError as error:
        raise UsageError(
            error.message, f"Until then the keys are the usual ones; {path.name} was left out."
        ) from None


def _checked(file: YamlFile) -> dict[str, str]:
    if file.data is None:
        return {}
    if not isinstance(file.data, dict):
        raise file.error((), "expected lines such as alpha_up: f9")
    overrides: dict[str, str] = {}
    names: dict[str, str] = {}  # what the file calls each action
    wrong: list[tuple[tuple[str], str]] = []
    for name, value in file.data.items():
        try:
            action = _action(name, names)
            overrides[action.id] = _keys(action, value)
            names[action.id] = name
        except _WrongKeyError as error:
            wrong.append(((name,), str(error)))
    wrong = wrong or list(_clashes(overrides, names))
    if wrong:
        raise file.errors(wrong)
    return overrides


class _WrongKeyError(ValueError):
    """What is wrong with one line of the file."""


def _action(name: str, names: Mapping[str, str]) -> Action:
    """The action of a line, which no line before it has; `names` are those it was called by."""
    known = {action.id: action for action in ACTIONS if action.keys}
    action = known.get(FORMER_IDS.get(str(name), str(name)))
    if action is None:
        raise _WrongKeyError(_unknown(name, known))
    if action.id in names:
        raise _WrongKeyError(f"this is the same action as {names[action.id]}")
    return action


def _keys(action: Action, value: object) -> str:
    """The keys of a line, comma-separated."""
    keys = value if isinstance(value, list) else [value]
    if not keys:
        raise _WrongKeyError("no key; leave the line out to keep the usual one")
    return ",".join(_key(action, key) for key in keys)


def _unknown(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else "docs/keys.md lists them all"
    return f"no action of that name; {hint}"


def _key(action: Action, said: object) -> str:
    """The key as Textual calls it."""
    key = str(said) if isinstance(said, str | int) and not isinstance(said, bool) else ""
    key = _character_to_key(key) if len(key) == 1 else key.strip().lower()
    shown = visible(str(said), newlines=False)
    if key in ARRIVES_AS:
        raise _WrongKeyError(f"{shown} arrives as {ARRIVES_AS[key]} on a plain terminal")
    bare = key.rpartition("+")[2]
    if bare not in _NAMED:
        raise _WrongKeyError(f"{shown} is no key; expected one such as f9, ctrl+k or x")
    if action.place in ("anywhere", "composer") and "+" not in key and key not in _WITHOUT_TEXT:
        raise _WrongKeyError(f"{shown} is needed for writing: this action works in the composer")
    return key


_NAMED = {key.value for key in Keys} | {_character_to_key(chr(code)) for code in range(33, 127)}
_WITHOUT_TEXT = {key.value for key in Keys if key.value.startswith("f") and key.value[1:].isdigit()}
_WITHOUT_TEXT |= {"escape", "tab", "pageup", "pagedown", "insert"}


def _clashes(
    overrides: Mapping[str, str], names: Mapping[str, str]
) -> Iterator[tuple[tuple[str], str]]:
    """The keys that would mean two things in one place: whose line it is, and the other."""
    actions = changed(overrides)
    seen: set[tuple[str, str]] = set()
    for place in PLACES:
        taken: dict[str, str] = {}
        for action in actions:
            if action.place != place and (action.place != "anywhere" or place in DIALOGS):
                continue  # a dialog covers what is anywhere else
            for key in filter(None, action.keys.split(",")):
                other = taken.setdefault(key, action.id)
                if other != action.id and (other, action.id) not in seen:
                    seen.add((other, action.id))
                    mine = action.id if action.id in overrides else other
                    theirs = other if mine == action.id else action.id
                    yield (names[mine],), f"{key} is already the key of {theirs}"
