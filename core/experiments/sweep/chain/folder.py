"""The folder of a sweep over a chain: which stages it is of, and a folder for every pair."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logit_amp_chat.core.config.profile import Profile, profile_of_record
from logit_amp_chat.core.config.stages import between, selected
from logit_amp_chat.core.errors import ProfileError, UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sweep.folder import CHAIN, SweepFolder
from logit_amp_chat.core.experiments.sweep.folder import FILE as SWEEP
from logit_amp_chat.core.export.atomic_write import write_atomically

VERSION = 1

BEFORE, AFTER = -1.0, 0.0
"""The αs at which a pair is its stages: every sweep of a chain has them."""


@dataclass(frozen=True, slots=True)
class PairPlace:
    """Two adjacent stages, and the folder that their sweep is in."""

    before: str
    after: str
    path: Path

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class ChainFolder:
    """A chain on the disk: `stages` are the names, in order, of those of the profile it is over."""

    path: Path
    profile: Profile
    stages: tuple[str, ...]

    @classmethod
    def of(
        cls, path: Path, profile: Profile, first: str | None = None, last: str | None = None
    ) -> ChainFolder:
        """The chain from one stage of a profile to another (None: its first, its last).

        Nothing is written. Raises ProfileError where that is no chain.
        """
        if not profile.stages:
            raise ProfileError(
                f"{profile.name} is one pair, not a chain of stages.",
                "Leave out --chain, or choose a profile with stages.",
            )
        return cls(path, profile, between(profile, first, last))

    @classmethod
    def there(cls, path: Path, *, is_named: bool = False) -> ChainFolder | None:
        """The chain of a folder; None where none has begun.

        Raises UsageError for a folder of one sweep, and where what the chain is cannot be read;
        not if it `is_named`: then it is known.
        """
        file = path / CHAIN
        if (path / SWEEP).exists():
            raise UsageError(
                f"{shown(path)} has the sweep of one pair.",
                "Leave out --chain, or choose another folder with --out.",
            )
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            found = None
        chain = _chain(path, found)
        if chain is None and not is_named:
            raise UsageError(
                f"{shown(file)} cannot be read: it says of which chain the sweeps beside it are.",
                "Name the chain with --profile, and the prompts: what was sampled is kept.",
            )
        return chain

    def begin(self) -> None:
        """Write down what it is over, beside the stages that the folder has sweeps of.

        Raises UsageError where the folder has another chain, UsageError and TranscriptError where
        it cannot be written.
        """
        there = ChainFolder.there(self.path, is_named=True)
        if there and there.profile.stages != self.profile.stages:
            raise UsageError(
                f"{shown(self.path)} has a sweep over another chain: {', '.join(there.stages)}.",
                "Choose another folder with --out, or the same chain.",
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"Cannot make {shown(self.path)}: {error.strerror}.",
                "Choose another folder with --out.",
            ) from error
        record = {
            "version": VERSION,
            "stages": self._joined(there) if there else list(self.stages),
            "profile": self.profile.model_dump(mode="json"),
        }
        write_atomically(self.path / CHAIN, json.dumps(record, ensure_ascii=False, indent=1))

    @property
    def pairs(self) -> tuple[PairPlace, ...]:
        """Every adjacent pair, in order."""
        names, found = set[str](), []
        for before, after in itertools.pairwise(self._every):  # a part has the folders of the whole
            name = f"{before}-{after}"
            while name in names:  # stages may have dashes in their names
                name += "-"
            names.add(name)
            found.append(PairPlace(before, after, self.path / name))
        own = {*itertools.pairwise(self.stages)}
        return tuple(place for place in found if (place.before, place.after) in own)

    @property
    def _every(self) -> list[str]:
        return [stage.name for stage in self.profile.stages]

    def _joined(self, there: ChainFolder) -> list[str]:
        """From the first to the last stage of this chain and another of its profile."""
        places = sorted(map(self._every.index, (*self.stages, *there.stages)))
        return self._every[places[0] : places[-1] + 1]

    def pair_profile(self, pair: PairPlace) -> Profile:
        """The profile with these two stages as its pair."""
        return selected(self.profile, pair.before, pair.after)

    def restricted(self, first: str | None, last: str | None) -> ChainFolder:
        """From one of its stages to another. Raises ProfileError."""
        whole = ChainFolder.of(
            self.path, self.profile, first or self.stages[0], last or self.stages[-1]
        )
        return replace(self, stages=whole.stages)

    def sweeps(self) -> list[tuple[PairPlace, SweepFolder]]:
        """The sweeps that have begun, to be counted. Raises UsageError for a damaged one."""
        found = ((pair, SweepFolder.there(pair.path)) for pair in self.pairs)
        return [(pair, folder) for pair, folder in found if folder is not None]


def _chain(path: Path, found: Any) -> ChainFolder | None:
    """What the file says; None where it cannot be read."""
    if not isinstance(found, dict) or found.get("version") != VERSION:
        return None
    record, names = found.get("profile"), found.get("stages")
    profile = profile_of_record(record) if isinstance(record, dict) else None
    if profile is None or not isinstance(names, list) or not _are_adjacent(names, profile):
        return None
    return ChainFolder(path, profile, tuple(names))


def _are_adjacent(names: list[Any], profile: Profile) -> bool:
    """Whether these are two stages or more of a profile, in its order."""
    every: Sequence[str] = [stage.name for stage in profile.stages]
    if len(names) < 2 or names[0] not in every:
        return False
    begin = every.index(names[0])
    return every[begin : begin + len(names)] == names
