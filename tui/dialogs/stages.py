"""Choosing which two stages of a chain are compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from textual.content import Content

from logit_amp_chat.core.config.profile import Profile, Stage
from logit_amp_chat.core.config.stages import pair_of, selected, stages_of
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.picker import Picker, Row, fit


class StagesScreen(Picker[Profile]):
    """Every two stages of a chain: neighbours first, then those with others between them."""

    heading = "Stages to compare"
    placeholder = "Type to filter, such as two names"
    legend = "before → after · the conversation goes on with the pair"

    def __init__(self, profile: Profile) -> None:
        """List the pairs of a chain, from the one in use on."""
        super().__init__()
        self._profile = profile

    def on_mount(self) -> None:
        """List the pairs."""
        rows = [*_rows(self._profile)]
        used = [row.value is not None and _is_in_use(row.value, self._profile) for row in rows]
        self.show(rows, at=used.index(True) if True in used else 0, nothing="No such pair.")


def _rows(profile: Profile) -> Iterator[Row[Profile]]:
    stages = stages_of(profile)
    width = max(len(stage.name) for stage in stages)
    pairs = itertools.combinations(range(len(stages)), 2)
    for first, last in sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair[0])):
        yield _row(profile, stages[first], stages[last], last - first, width)


def _row(profile: Profile, before: Stage, after: Stage, apart: int, width: int) -> Row[Profile]:
    chosen = selected(profile, before.name, after.name)
    between = "one step of training" if apart == 1 else f"{apart} steps of training"
    line = Content.assemble(
        fit(before.name, width),
        " → ",
        fit(after.name, width),
        (f"  {between}", "$muted"),
        ("  in use" if _is_in_use(chosen, profile) else "", "$muted"),
    )
    detail = Content("\n".join((_model("before", before), _model("after", after))))
    return Row(chosen, line, detail, f"{before.name} {after.name}")


def _is_in_use(chosen: Profile, profile: Profile) -> bool:
    return pair_of(chosen) == pair_of(profile)


def _model(side: str, stage: Stage) -> str:
    """A stage's model, adapter and revision, safe to show."""
    parts = [stage.model, f"+ {stage.adapter}" if stage.adapter else ""]
    revision = f"@{stage.revision[:12]}" if stage.revision else ""
    return visible(f"{side}: {' '.join(filter(None, parts))}{revision}", newlines=False)
