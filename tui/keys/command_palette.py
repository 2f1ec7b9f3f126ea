"""Finding a command in the palette: by what it does, by its label, key or id."""

from __future__ import annotations

from collections.abc import Mapping

from textual.command import Hit, Hits
from textual.fuzzy import Matcher
from textual.system_commands import SystemCommandsProvider

from logit_amp_chat.tui.keys import actions as keymap

EXACT, BEGINNING = 1000.0, 0.5  # above and below every sentence that fits


class Commands(SystemCommandsProvider):
    """The app's commands, found as `Spelled` finds them, or by a name that they have."""

    def matcher(self, user_input: str, case_sensitive: bool = False) -> Matcher:
        """What compares names with the text that was typed."""
        return Spelled(user_input, match_style=self.match_style, case_sensitive=case_sensitive)

    async def search(self, query: str) -> Hits:
        """The commands whose sentence fits, and those with a label, key or id that does."""
        matcher = self.matcher(query)
        names = names_of_commands(getattr(self.app, "actions", keymap.ACTIONS))
        for title, help_text, callback, *_ in self.app.get_system_commands(self.screen):
            score = max(matcher.match(title), _named(query, names.get(title, ())))
            if score > 0:
                yield Hit(score, matcher.highlight(title), callback, help=help_text)


def names_of_commands(actions: keymap.Actions) -> Mapping[str, tuple[str, ...]]:
    """By title, the labels, keys and ids of a command, those of its other keys too."""
    return {
        keymap.title(command): tuple(
            name.casefold()
            for action in actions
            if action.run == command.run
            for name in (action.id, action.label, action.display, *action.keys.split(","))
            if name
        )
        for command in keymap.commands(actions)
    }


def _named(query: str, names: tuple[str, ...]) -> float:
    """How well a query fits one of the names: wholly, as its beginning, or not (0)."""
    query = query.strip().casefold()
    spelled = [*names, *(name.replace("α", "alpha") for name in names)]
    if query in spelled:
        return EXACT
    return BEGINNING if any(name.startswith(query) for name in spelled) else 0.0


class Spelled(Matcher):
    """Finds α by its name as well: few keyboards have the letter."""

    def match(self, candidate: str) -> float:
        """How well it fits as it is written, or spelled out, whichever is better."""
        return max(super().match(candidate), super().match(candidate.replace("α", "alpha")))
