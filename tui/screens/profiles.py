"""Choosing a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on, work
from textual.content import Content
from textual.message import Message

from core.machine import Machine
from core.profile import BrokenProfile, Needs, Profile, list_profiles
from core.text import visible
from tui.screens.picker import Picker, Row, fit

FITS = {
    True: ("✓", "fits"),
    False: ("✗", "too big here"),
    None: ("?", "may not fit"),
}


class ProfileScreen(Picker[Profile]):
    """Every profile with what it needs, broken ones with their error."""

    heading = "Profiles"

    @dataclass
    class Found(Message):
        """The profiles were read and the machine looked at."""

        profiles: Sequence[Profile | BrokenProfile]
        machine: Machine

    def __init__(
        self,
        current: str = "",
        profiles: Sequence[Profile | BrokenProfile] | None = None,
        machine: Machine | None = None,
    ) -> None:
        """List `profiles` (default: all) for `machine` (default: this one), from `current` on."""
        super().__init__()
        self._current = current
        self._profiles = profiles
        self._machine = machine

    def on_mount(self) -> None:
        """Read the profiles beside the screen: asking for GPUs can take a second."""
        self.detail(Content("Reading …"))
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        profiles = list_profiles() if self._profiles is None else self._profiles
        self.post_message(self.Found(profiles, self._machine or Machine.this()))

    @on(Found)
    def _list(self, event: Found) -> None:
        names = [profile.name for profile in event.profiles]
        width = min(26, max(map(len, names), default=0))
        self.show(
            [
                _broken(profile, width)
                if isinstance(profile, BrokenProfile)
                else _row(profile, event.machine, width)
                for profile in event.profiles
            ],
            at=names.index(self._current) if self._current in names else 0,
            nothing="There are no profiles.",
        )


def _row(profile: Profile, machine: Machine, width: int) -> Row[Profile]:
    """`name  memory  fits  gated  title`, and the two models below."""
    needs = profile.needs or Needs()
    fits = machine.fits(profile)
    mark, fitting = FITS[fits]
    memory = "?" if needs.memory_gb is None else f"{needs.memory_gb:.1f} GB"
    title = visible(profile.title, newlines=False)
    name = visible(profile.name, newlines=False)
    before, after = (
        f"{side.model} + {side.adapter}" if side.adapter else side.model
        for side in (profile.before, profile.after)
    )
    sides = visible(f"{before} → {after}", newlines=False)
    line = Content.assemble(
        fit(name, width),
        f" {memory:>8} ",
        (mark, "" if fits else "$warning"),
        (" gated " if needs.gated else "       ", "$muted"),
        (title, "$muted"),
    )
    facts = [
        profile.dtype if profile.quantization == "none" else profile.quantization,
        f"{memory} of memory: {fitting}",
        f"{needs.download_gb:.1f} GB to download" if needs.download_gb else "",
        "gated on the Hub" if needs.gated else "",
    ]
    detail = Content.assemble(
        (title or name, "$foreground"), "\n", " · ".join(filter(None, facts)), "\n", sides
    )
    return Row(profile, line, detail, f"{name} {title} {sides}")


def _broken(profile: BrokenProfile, width: int) -> Row[Profile]:
    line = Content.assemble(
        fit(visible(profile.name, newlines=False), width),
        ("  cannot be read", "$error"),
    )
    detail = Content.styled(visible(str(profile.error)), "$error")
    return Row(None, line, detail, profile.name)
