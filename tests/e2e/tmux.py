"""A tmux server of our own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Tmux:
    """One server, with its own socket and configuration."""

    configuration: Path
    name: str

    def start_in(self, term: str, *settings: str) -> list[str]:
        """The command line in front of a command that is to run inside it."""
        lines = (f'set -g default-terminal "{term}"', "set -g status off", *settings)
        self.configuration.write_text("\n".join(lines) + "\n")
        return ["tmux", "-u", "-L", self.name, "-f", str(self.configuration), "new-session"]

    def ask(self, *command: str) -> str:
        asked = subprocess.run(
            ["tmux", "-L", self.name, *command], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip()
