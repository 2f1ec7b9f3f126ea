"""Which sweep of a turn: one that is there, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from textual.content import Content

from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.library import begun
from logit_amp_chat.core.number_format import sampling_line, signed
from logit_amp_chat.core.text import short_path, visible
from logit_amp_chat.tui.dialogs.picker import Picker, Row

NEW: Literal["new"] = "new"


class SavedSweepsScreen(Picker[SweepFolder | str]):
    """Lists the sweeps of one turn, newest first; the answer is one of them, or NEW."""

    heading = "Sweeps of this turn"
    keys = "↑↓ move · enter open · esc cancel"

    def __init__(self, folders: Sequence[SweepFolder]) -> None:
        super().__init__()
        self._folders = folders

    def on_mount(self) -> None:
        """List them."""
        new: Row[SweepFolder | str] = Row(NEW, Content("a new sweep"), Content(""), "new sweep")
        self.show([*map(_row, self._folders), new])


def _row(folder: SweepFolder) -> Row[SweepFolder | str]:
    settings, there = folder.settings, len(folder.contents.there)
    wanted = settings.replies_to(1)
    when = visible(begun(folder), newlines=False)
    if stages := folder.stages:
        when += f"  {visible(' → '.join(stages), newlines=False)}"
    far = (
        f"{there:,} replies" if there >= wanted else f"{there:,} of {wanted:,} replies, unfinished"
    )
    alphas = " ".join(map(signed, settings.alphas))
    where = visible(short_path(folder.path), newlines=False)
    return Row(
        value=folder,
        line=Content.assemble(when, (f"  {far}", "$muted")),
        detail=Content(f"α {alphas}\n{sampling_line(settings.sampling)}\n{where}"),
        words=f"{when} {far}",
    )
