"""A sweep over a chain as HTML for a notebook: sentences and tables, without a script."""

from __future__ import annotations

from logit_amp_chat.core.experiments.sweep import wording as sweep_wording
from logit_amp_chat.core.experiments.sweep.chain import wording
from logit_amp_chat.core.experiments.sweep.chain.result import ChainResult
from logit_amp_chat.core.experiments.sweep.notebook import WIDE, table
from logit_amp_chat.core.export.notebook import QUIET
from logit_amp_chat.core.export.page_tokens import html_text


def fragment(result: ChainResult) -> str:
    """What each step changed of each behaviour, and its rate at every stage."""
    parts = [f'<div style="{QUIET}">{html_text(" · ".join(wording.scope(result)))}</div>']
    for found in result.behaviours:
        definition = html_text(sweep_wording.definition(found))
        parts.append(
            f'<p style="{WIDE}"><b>{html_text(found.name)}</b> <span style="{QUIET}">{definition}'
            f"</span><br>{html_text(' '.join(wording.claims(found)))}</p>"
        )
        rows = (wording.stage_text(one, found.numeric) for one in found.stages)
        parts.append(table(wording.stages_head(found.numeric), rows))
    caveats = html_text(" ".join(wording.caveats(result)))
    return "".join([*parts, f'<div style="{QUIET}">{caveats}</div>'])
