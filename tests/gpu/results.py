"""The results of a run: one JSON file, written after every finding, and a page beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.export.atomic_write import write_atomically

Finding = dict[str, Any]
State = Literal["running", "done", "failed", "out of time", "cut off"]
FILE = "results.json"
SAME = ("card", "memory_gb")
"""What of a machine may not differ between calls that share a file."""


@dataclass
class StepResult:
    """What a step gave: its findings as they came, and how it ended.

    `seconds` are those of its last attempt; `error` says why it gave no more. One that is
    `running` in a file that nobody writes was cut off with its machine.
    """

    state: State
    commit: str
    date: str
    seconds: float = 0.0
    attempts: int = 1
    error: str = ""
    findings: list[Finding] = field(default_factory=list)


@dataclass
class Results:
    """The results of one machine, in a folder."""

    folder: Path
    machine: dict[str, Any]
    steps: dict[str, StepResult] = field(default_factory=dict)

    @classmethod
    def opened(cls, folder: Path, machine: dict[str, Any]) -> Results:
        """Those that are in `folder`, to go on with. Raises UsageError if they are of another card.

        Raises TranscriptError where the folder cannot be written.
        """
        path = folder / FILE
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder, machine)
        found = read(path)
        if any(found.machine.get(key) != machine.get(key) for key in SAME):
            raise UsageError(
                f"{path} has the results of another machine ({found.machine.get('card')}).",
                "Choose another --out.",
            )
        found.machine = machine
        return found

    def write(self) -> None:
        """Write the file as a whole."""
        data = {
            "machine": self.machine,
            "steps": {name: asdict(step) for name, step in self.steps.items()},
        }
        write_atomically(self.folder / FILE, json.dumps(data, indent=1) + "\n")

    def is_done(self, step: str) -> bool:
        """Whether a step has given all that it gives."""
        return step in self.steps and self.steps[step].state == "done"

    def attempts(self, step: str) -> int:
        """How often a step was begun."""
        return self.steps[step].attempts if step in self.steps else 0


def read(path: Path) -> Results:
    """The results in a file. Raises UsageError if it has none."""
    try:
        data = json.loads(path.read_text())
        steps = {name: StepResult(**step) for name, step in data["steps"].items()}
        return Results(path.parent, dict(data["machine"]), steps)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} has no results: {error}.", "Choose another --out.") from error
