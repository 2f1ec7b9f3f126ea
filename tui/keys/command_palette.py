"""Finding a command by name in the palette."""

from __future__ import annotations

from textual.fuzzy import Matcher
from textual.system_commands import SystemCommandsProvider


class Commands(SystemCommandsProvider):
    """The app's commands, found as `Spelled` finds them."""

    def matcher(self, user_input: str, case_sensitive: bool = False) -> Matcher:
        """What compares names with the text that was typed."""
        return Spelled(user_input, match_style=self.match_style, case_sensitive=case_sensitive)


class Spelled(Matcher):
    """Finds α by its name as well: few keyboards have the letter."""

    def match(self, candidate: str) -> float:
        """How well it fits as it is written, or spelled out, whichever is better."""
        return max(super().match(candidate), super().match(candidate.replace("α", "alpha")))
