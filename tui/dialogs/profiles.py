"""Choosing a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.content import Content
from textual.message import Message

from logit_amp_chat.core.config.profile import BrokenProfile, Needs, Profile, list_profiles
from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.picker import Picker, Row, fit

if TYPE_CHECKING:
    from logit_amp_chat.core.system.hub_cache import State

FITS = {
    True: ("✓", "fits"),
    False: ("✗", "too big here"),
    None: ("?", "may not fit"),
}


DOWNLOADS: dict[State, tuple[str, str]] = {
    "here": ("↓", "on this machine"),
    "partly": ("◐", "partly downloaded"),
    "missing": (" ", "to download"),
}


class ProfileScreen(Picker[Profile]):
    """Every profile with what it needs, broken ones with their error."""

    heading = "Profiles"

    @dataclass
    class Found(Message):
        """The profiles were read and the machine looked at."""

        profiles: Sequence[Profile | BrokenProfile]
        machine: Machine
        downloads: Mapping[str, State]

    def __init__(
        self,
        current: str = "",
        profiles: Sequence[Profile | BrokenProfile] | None = None,
        machine: Machine | None = None,
        cache: Path | None = None,
    ) -> None:
        """List `profiles` from `current` on, for a machine and its cache of models.

        The default is all profiles, this machine and its own cache.
        """
        super().__init__()
        self._current = current
        self._profiles = profiles
        self._machine = machine
        self._cache = cache

    def on_mount(self) -> None:
        """Read the profiles beside the screen: asking for GPUs can take a second."""
        self.detail(Content("Reading …"))
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        profiles = list_profiles() if self._profiles is None else self._profiles
        from logit_amp_chat.core.system.hub_cache import download_state

        usable = [profile for profile in profiles if isinstance(profile, Profile)]
        downloads = {profile.name: download_state(profile, self._cache) for profile in usable}
        self.post_message(self.Found(profiles, self._machine or Machine.this(), downloads))

    @on(Found)
    def _list(self, event: Found) -> None:
        names = [profile.name for profile in event.profiles]
        width = min(26, max(map(len, names), default=0))
        self.show(
            [
                _broken(profile, width)
                if isinstance(profile, BrokenProfile)
                else _row(profile, event.machine, event.downloads[profile.name], width)
                for profile in event.profiles
            ],
            at=names.index(self._current) if self._current in names else 0,
            nothing="There are no profiles.",
        )


def _row(profile: Profile, machine: Machine, download: State, width: int) -> Row[Profile]:
    """`name  memory  fits  here  gated  title`, and the two models below."""
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
        (f" {DOWNLOADS[download][0]}", "$muted"),
        (" gated " if needs.gated else "       ", "$muted"),
        (title, "$muted"),
    )
    facts = [
        profile.dtype if profile.quantization == "none" else profile.quantization,
        f"{memory} of memory: {fitting}",
        _download(needs, download),
        "gated on the Hub" if needs.gated else "",
    ]
    detail = Content.assemble(
        (title or name, "$foreground"), "\n", " · ".join(filter(None, facts)), "\n", sides
    )
    return Row(profile, line, detail, f"{name} {title} {sides}")


def _download(needs: Needs, state: State) -> str:
    said = DOWNLOADS[state][1]
    if state == "here" or not needs.download_gb:
        return said
    return f"{said}: {needs.download_gb:.1f} GB in all"


def _broken(profile: BrokenProfile, width: int) -> Row[Profile]:
    line = Content.assemble(
        fit(visible(profile.name, newlines=False), width),
        ("  cannot be read", "$error"),
    )
    detail = Content.styled(visible(str(profile.error)), "$error")
    return Row(None, line, detail, profile.name)
