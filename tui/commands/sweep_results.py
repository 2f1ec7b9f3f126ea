"""What becomes of a sweep that was sampled: it is counted, printed, drawn, written as a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from logit_amp_chat.core.analysis.true_rate import Over
from logit_amp_chat.core.api.loss import need_matplotlib
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.counted import CountedSweep, counted
from logit_amp_chat.core.experiments.sweep.discovery import FoundPhrase
from logit_amp_chat.core.experiments.sweep.figure import draw
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.report import to_html
from logit_amp_chat.core.experiments.sweep.result import SweepResult
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.number_format import quantity
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands import sweep_discovery, sweep_output
from logit_amp_chat.tui.commands.output import put, put_json, put_safe, say
from logit_amp_chat.tui.commands.output_paths import check_output
from logit_amp_chat.tui.commands.styles import Styles, When, wants_colour

PLOT_ENDINGS = (".png", ".svg", ".pdf")
PAGE_ENDINGS = (".html", ".htm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is wanted of a sweep: the form on stdout, and files beside it."""

    form: Literal["", "--json", "--csv"]
    by_prompt: bool
    color: When
    html: Path | None
    html_replies: int | None
    plot: Path | None

    def show_phrases(self, found: Sequence[FoundPhrase]) -> None:
        """Print phrases that were discovered; in JSON and CSV they are behaviours alone."""
        if not self.form:
            put_safe(sweep_discovery.as_text(found, Styles(wants_colour(self.color))))

    def check(self, inputs: Sequence[str]) -> None:
        """Raises a usage error for a file that cannot be written, and UsageError without
        matplotlib, where it is needed; `inputs` are the files that are read.
        """
        if self.html_replies is not None and self.html is None:
            raise typer.BadParameter("needs --html FILE", param_hint="--html-replies")
        if self.html is not None:
            check_output(self.html, "--html", PAGE_ENDINGS, inputs)
        if self.plot is not None:
            check_output(self.plot, "--plot", PLOT_ENDINGS, inputs)
            need_matplotlib()


def finish(
    folder: SweepFolder, behaviours: Sequence[Behaviour], over: Over, outputs: Outputs
) -> None:
    """Count and show what is in a folder. Raises LogitAmpError."""
    found = counted(folder, behaviours, over)
    _print(found.result, outputs)
    if outputs.html is not None:
        _page(found, folder, outputs.html, outputs.html_replies)
    if outputs.plot is not None:
        _figure(found.result, outputs.plot)


def _print(result: SweepResult, outputs: Outputs) -> None:
    if outputs.form == "--json":
        put_lines(sweep_output.as_json(result))
    elif outputs.form == "--csv":
        put(sweep_output.as_csv(result, by_prompt=outputs.by_prompt))
        for line in (*wording.scope(result), wording.discovery(result.settings.target)):
            say(f"note: {line}")
        if result.no_estimate:
            say(f"note: {result.no_estimate}")
    else:
        styles = Styles(wants_colour(outputs.color))
        put_safe(sweep_output.as_text(result, styles, by_prompt=outputs.by_prompt))


def put_lines(text: str) -> None:
    """JSON of several lines on stdout."""
    for line in text.split("\n"):
        put_json(line)


def _page(found: CountedSweep, folder: SweepFolder, path: Path, replies: int | None) -> None:
    page = to_html(found, folder.contents.session, replies=replies)
    write(path, page.encode(errors="replace"), "--html")


def _figure(result: SweepResult, path: Path) -> None:
    if not result.behaviours or not result.alphas:
        say("note: Without a behaviour or replies there is nothing to draw.")
        return
    save_figure(path, lambda ax: draw(result, ax))


def save_figure(path: Path, draw_into: Callable[[Any], None]) -> None:
    """Save what is drawn into matplotlib's axes as the file of --plot. Raises LogitAmpError."""
    from matplotlib.figure import Figure

    figure, data = Figure(figsize=(6.4, 4.4), layout="constrained"), io.BytesIO()
    draw_into(figure.subplots())
    figure.savefig(data, format=path.suffix[1:].lower(), dpi=200)
    write(path, data.getvalue(), "--plot")


def write(path: Path, data: bytes, option: str) -> None:
    """Write a file that was asked for, and say so. Raises LogitAmpError."""
    try:
        write_atomically(path, data)
    except LogitAmpError as error:
        raise LogitAmpError(error.message, f"Choose another place with {option}.") from error
    say(f"wrote {visible(str(path), newlines=False)} ({quantity(len(data), 'bytes')})")
