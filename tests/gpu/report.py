"""Writes the GPU part of docs/performance.md from the results in docs/gpu."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.export.atomic_write import write_atomically
from tests.gpu import page, plan
from tests.gpu.results import read

DOCS = Path(__file__).parents[2] / "docs"
PERFORMANCE = DOCS / "performance.md"
RESULTS = DOCS / "gpu"
BEGIN, END = "<!-- tests.gpu: begin -->", "<!-- tests.gpu: end -->"
NONE = "Nothing here was run on a GPU yet."


def write(file: Path, results: Path = RESULTS) -> None:
    """Replace what stands between the marks in `file`. Raises UsageError without marks."""
    text = file.read_text()
    head, begun, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not (begun and ended):
        raise UsageError(f"{file} has no {BEGIN} and {END}.", "Put them where the part goes.")
    lines = "\n".join(generated(results)).strip()
    write_atomically(file, f"{head}{BEGIN}\n{lines}\n{END}{tail}")


def generated(results: Path = RESULTS) -> Iterator[str]:
    """The lines of the part: a section for each machine, or a sentence where there is none."""
    minutes = sum(step.minutes for step in plan.PLAN)
    yield (
        f"`python -m tests.gpu` runs all of it in some {minutes:.0f} minutes of an H100, in calls"
        " of nine that go on where the last one stopped; `--report` writes this part from"
        " [its results](gpu/)."
    )
    yield ""
    files = sorted(results.glob("*.json"))
    if not files:
        yield NONE
    for file in files:
        found = read(file)
        yield f"### {found.machine['card']}"
        yield ""
        yield from page.described(found, "####")
        yield ""
