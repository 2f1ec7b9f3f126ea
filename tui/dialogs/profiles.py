"""Choosing a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.content import Content
from textual.message import Message

from logit_amp_chat.core.config.named_pair import SPECIFICATIONS, specified_profile
from logit_amp_chat.core.config.profile import (
    SUFFIXES,
    BrokenProfile,
    Needs,
    Profile,
    list_profiles,
)
from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.system.diagnosis import lacks_token
from logit_amp_chat.core.system.machine import Machine
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.dialogs.picker import Picker, Row, fit

if TYPE_CHECKING:
    from logit_amp_chat.core.system.hub_cache import State

TYPED = "what was typed"
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
LEGEND = "✓ fits · ✗ too big, or no token · ? may not fit · ↓ downloaded · ◐ partly"


class ProfileScreen(Picker[Profile]):
    """Every profile with what it needs, broken ones with their error."""

    heading = "Profiles"
    placeholder = f"Type to filter, or to open {SPECIFICATIONS}"
    legend = LEGEND

    @dataclass
    class Found(Message):
        """The profiles were read and the machine looked at."""

        profiles: Sequence[Profile | BrokenProfile]
        machine: Machine
        downloads: Sequence[State]
        token: bool

    def __init__(
        self,
        current: Profile | None = None,
        profiles: Sequence[Profile | BrokenProfile] | None = None,
        machine: Machine | None = None,
        cache: Path | None = None,
        token: bool | None = None,
    ) -> None:
        """List `profiles` from `current` on, the one in use, which may be none of them.

        The default is all profiles, this machine, its own cache of models, and whether it has
        a Hub token.
        """
        super().__init__()
        self._current = current
        self._profiles = profiles
        self._machine = machine
        self._cache = cache
        self._token = token

    def on_mount(self) -> None:
        """Read the profiles beside the screen: asking for GPUs can take a second."""
        self.detail(Content("Reading …"))
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        profiles = list_profiles() if self._profiles is None else self._profiles
        from logit_amp_chat.core.system.diagnosis import has_token
        from logit_amp_chat.core.system.hub_cache import download_state

        if self._current is not None and not any(map(self._is_in_use, profiles)):
            profiles = [self._current, *profiles]
        downloads = [
            download_state(one, self._cache) if isinstance(one, Profile) else "missing"
            for one in profiles
        ]
        token = has_token() if self._token is None else self._token
        self.post_message(self.Found(profiles, self._machine or Machine.this(), downloads, token))

    @on(Found)
    def _list(self, event: Found) -> None:
        width = min(26, max((len(profile.name) for profile in event.profiles), default=0))
        used = [self._is_in_use(profile) for profile in event.profiles]
        self.show(
            [
                _broken(profile, width)
                if isinstance(profile, BrokenProfile)
                else _row(profile, width, event, in_use=in_use, download=download)
                for profile, download, in_use in zip(
                    event.profiles, event.downloads, used, strict=True
                )
            ],
            at=used.index(True) if True in used else 0,
            nothing="There are no profiles.",
        )

    def _is_in_use(self, profile: Profile | BrokenProfile) -> bool:
        """Whether it is the pair in use, under its name."""
        own = self._current
        if own is None or not isinstance(profile, Profile):
            return False
        return (profile.name, profile.before, profile.after) == (own.name, own.before, own.after)

    # --- what is typed --------------------------------------------------------------

    def offered(self, typed: str) -> Row[Profile] | None:
        """The pair that is named by what was typed, where that is no word to filter by."""
        text = typed.strip()
        if not ("/" in text or text.startswith("~") or text.endswith(SUFFIXES)):
            return None
        shown = visible(text, newlines=False)
        line = Content.assemble(("open ", "bold"), shown)
        detail = Content.assemble((shown, "$foreground"), f"\n{SPECIFICATIONS}")
        return Row(None, line, detail, TYPED)

    def choose(self, row: Row[Profile]) -> None:
        """Answer with a profile, or with the one that was typed."""
        if row.words != TYPED:
            super().choose(row)
            return
        try:
            self.dismiss(specified_profile(self.typed))
        except ProfileError as error:
            self.problem(visible(str(error)))


def _row(
    profile: Profile, width: int, found: ProfileScreen.Found, *, in_use: bool, download: State
) -> Row[Profile]:
    """`name  memory  fits  here  gated  title`, and the two models below."""
    needs = profile.needs or Needs()
    fits = found.machine.fits(profile)
    mark, fitting = FITS[fits]
    gated = "gated on the Hub" if needs.gated else ""
    if lacks_token(profile, download, found.token):
        mark, fits = FITS[False][0], False
        gated = "gated on the Hub, and there is no token: set HF_TOKEN"
    memory = _gb(needs.memory_gb)
    title = visible(profile.title, newlines=False)
    name = visible(profile.name, newlines=False)
    models = [
        f"{side.model} + {side.adapter}" if side.adapter else side.model
        for side in profile.stages or (profile.before, profile.after)
    ]
    sides = visible(" → ".join(models), newlines=False)
    stages = visible(" → ".join(stage.name for stage in profile.stages), newlines=False)
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
        *_memory(profile, needs, fitting, found.machine),
        _download(needs, download),
        gated,
        "in use" if in_use else "",
    ]
    heading = f"{title or name}: {stages}" if stages else title or name
    detail = Content.assemble(
        (heading, "$foreground"), "\n", " · ".join(filter(None, facts)), "\n", sides
    )
    return Row(profile, line, detail, f"{name} {title} {stages} {sides}")


def _gb(amount: float | None) -> str:
    return "?" if amount is None else f"{amount:.1f} GB"


def _memory(profile: Profile, needs: Needs, fitting: str, machine: Machine) -> list[str]:
    """What two sides need; of a chain also what one stage does, which `diff --blame` needs."""
    both = _gb(needs.memory_gb)
    if not profile.stages:
        return [f"{both} of memory: {fitting}"]
    enough = ": enough for diff --blame" if machine.fits_only_one(profile) else ""
    return [
        f"two of {len(profile.stages)} stages {both}: {fitting}",
        f"one {_gb(needs.stage_memory_gb)}{enough}",
    ]


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
