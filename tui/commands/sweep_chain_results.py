"""What becomes of a sweep over a chain: it is printed, drawn, and written as a page."""

from __future__ import annotations

import json
from pathlib import Path

from logit_amp_chat.core.experiments.sweep.chain import result_json, wording
from logit_amp_chat.core.experiments.sweep.chain.figure import draw
from logit_amp_chat.core.experiments.sweep.chain.report import to_html
from logit_amp_chat.core.experiments.sweep.chain.result import ChainResult
from logit_amp_chat.core.experiments.sweep.chain.table import COLUMNS, rows
from logit_amp_chat.tui.commands import sweep_chain_output
from logit_amp_chat.tui.commands.output import put, put_safe, say
from logit_amp_chat.tui.commands.styles import Styles, wants_colour
from logit_amp_chat.tui.commands.sweep_output import csv_text
from logit_amp_chat.tui.commands.sweep_results import Outputs, put_lines, save_figure, write


def show(result: ChainResult, outputs: Outputs) -> None:
    """Print it, and write what else was asked for. Raises LogitAmpError."""
    _print(result, outputs)
    if outputs.html is not None:
        page = to_html(result, replies=outputs.html_replies)
        write(outputs.html, page.encode(errors="replace"), "--html")
    if outputs.plot is not None:
        _figure(result, outputs.plot)


def _print(result: ChainResult, outputs: Outputs) -> None:
    if outputs.form == "--json":
        put_lines(json.dumps(result_json.as_json(result), ensure_ascii=False, indent=2))
    elif outputs.form == "--csv":
        put(csv_text(COLUMNS, rows(result, by_prompt=outputs.by_prompt)))
        for line in (*wording.scope(result), *wording.caveats(result)):
            say(f"note: {line}")
    else:
        styles = Styles(wants_colour(outputs.color))
        put_safe(sweep_chain_output.as_text(result, styles, by_prompt=outputs.by_prompt))


def _figure(result: ChainResult, path: Path) -> None:
    if not any(one.estimate for found in result.behaviours for one in found.stages):
        say("note: Without an estimate there is nothing to draw.")
        return
    save_figure(path, lambda ax: draw(result, ax))
