"""The stages of a chain in memory: loaded as they are needed, let go as room is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import pair_of
from logit_amp_chat.core.models.described_stages import DescribedStages, describe_stages
from logit_amp_chat.core.models.hub import complete
from logit_amp_chat.core.models.loader import Loader, Report, choose_device, load_sides
from logit_amp_chat.core.models.memory_estimate import Estimate, estimate
from logit_amp_chat.core.models.memory_release import free_memory, give_back
from logit_amp_chat.core.models.pair import Pair, assemble, check_machine
from logit_amp_chat.core.models.read_ahead import ReadAhead
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.system.hub_cache import download_state

Released = Callable[[frozenset[str]], None]


@dataclass
class StageStore:
    """The stages of a profile; those that are loaded, the least recently used first.

    `room` is how many bytes were free before any was loaded, None if that is unknown.
    `released` is told which stages were let go, so that nothing else keeps them. `reading` are the
    files that are read ahead.
    """

    profile: Profile
    described: DescribedStages
    device: torch.device
    report: Report
    room: int | None
    released: Released = lambda _: None
    notices: list[str] = field(default_factory=list)
    reading: ReadAhead | None = None
    _loaded: dict[str, LoadedSide] = field(default_factory=dict)
    _folders: dict[str, Path] = field(default_factory=dict)
    _separate: set[str] = field(default_factory=set)

    @classmethod
    def look(cls, profile: Profile, report: Report = lambda _: None) -> Self:
        """Read what describes all stages; no weights. Raises PairError."""
        check_machine()
        device = choose_device(profile.device)
        described = describe_stages(profile, report)
        return cls(profile, described, device, report, free_memory(device))

    @property
    def names(self) -> tuple[str, ...]:
        """The stages, in order of training."""
        return tuple(self.described.origins)

    @property
    def loaded(self) -> tuple[str, ...]:
        """The stages that are in memory, the least recently used first."""
        return tuple(self._loaded)

    def needed(self, names: Sequence[str]) -> Estimate:
        """What stages take together once loaded. Downloads them; raises PairError."""
        origins, names = self.described.origins, list(dict.fromkeys(names))
        folders = [(self._folder(name), origins[name].config) for name in names]
        copies = [self._copy(name) for name in names]
        return estimate(self.profile, folders, self.device.type == "cuda", copies)

    def lacking(self, names: Sequence[str]) -> int | None:
        """How many bytes of stages are to be downloaded; None where that cannot be known."""
        loader = Loader(self.profile, self.device, self.report)
        models = {
            (origin.source.name, origin.source.requested, origin.source.subfolder): origin
            for origin in (self.described.origins[name] for name in names)
        }
        found = [loader.lacking(origin) for origin in models.values()]
        return None if None in found else sum(size for size in found if size is not None)

    def held(self, names: Sequence[str] | None = None) -> int:
        """How many neighbours of the stages `names` (None: all) fit into memory at once.

        Whichever these are; at least 1. Downloads `names`. Raises PairError.
        """
        names = self.names if names is None else names
        for count in range(len(names), 1, -1):
            windows = [names[n : n + count] for n in range(len(names) - count + 1)]
            if all(self._fits(window) for window in windows):
                return count
        return 1

    def hold(self, names: Sequence[str]) -> tuple[LoadedSide, ...]:
        """These stages, loaded together; others are let go where memory needs it.

        Raises PairError where there is no room for them.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self._loaded]
        if missing:
            self._stop_reading()
            self._make_room(names, missing)
            sides, notices = load_sides(
                self.profile, self.described.origins, missing, self.device, self.report
            )
            self._loaded = sides | self._loaded
            self._separate |= self._unshared(missing, sides)
            for name in missing:  # a quantized copy may be loaded the next time
                self._folders.pop(name, None)
            self.notices += [notice for notice in notices if notice not in self.notices]
        for name in names:
            self._loaded[name] = self._loaded.pop(name)
        return tuple(self._loaded[name] for name in names)

    def pair(self, before: str, after: str) -> Pair:
        """The pair of two stages, both loaded. Raises PairError."""
        sides = self.hold((before, after))
        profile = self.profile
        if (before, after) != pair_of(profile):
            profile = profile.model_copy(
                update={
                    "before": self.described.origins[before].side,
                    "after": self.described.origins[after].side,
                }
            )
        two = sides[0], sides[1]
        # Models without weights are on no device: the numbers still are.
        device = self.device if two[1].device.type == "meta" else None
        return assemble(profile, self.described, (before, after), two, self.notices, device)

    def turn_to(self, profile: Profile, report: Report) -> None:
        """Go on with another pair of the same stages: those that it does not need are let go."""
        self.profile, self.report = profile, report
        kept = {id(self._loaded[name].model) for name in pair_of(profile) if name in self._loaded}
        self._let_go({name for name, side in self._loaded.items() if id(side.model) not in kept})

    def announce(self, names: Sequence[str]) -> None:
        """Report what stages take that are about to be loaded, and how many would fit at once.

        The latter where all are there: none is downloaded for it. Raises PairError.
        """
        need, every = self.needed(names).total, len(self.names)
        is_here = download_state(self.profile) == "here"
        rest = f"{self.held()} of {every} stages fit" if is_here else f"of {every} stages"
        detail = f"{', '.join(dict.fromkeys(names))}; {rest}"
        self.report(
            Loading(stage="memory", detail=detail, done=need, total=self.room, unit="bytes")
        )

    def download(self) -> None:
        """Fetch the weights of all stages. Raises PairError."""
        for origin in self.described.origins.values():
            complete(origin.source, self.report)

    def ahead(self, names: Sequence[str]) -> None:
        """Begin to read the files of stages that are wanted next, while others are used.

        Those that are not downloaded are left out. There is no room for their weights yet: what
        fits is loaded at once.
        """
        self._stop_reading()
        wanted = [name for name in names if name in self._folders and name not in self._loaded]
        if wanted:
            self.reading = ReadAhead([self._folders[name] for name in wanted])

    def close(self) -> None:
        """Let all stages go."""
        self._stop_reading()
        self._let_go(set(self._loaded))

    def _folder(self, name: str) -> Path:
        """Where the weights of a stage are, downloaded where needed. Raises PairError."""
        if name not in self._folders:
            loader = Loader(self.profile, self.device, self.report)
            self._folders[name] = loader.folder(self.described.origins[name])
        return self._folders[name]

    def _unshared(self, names: Sequence[str], sides: Mapping[str, LoadedSide]) -> set[str]:
        """The stages of the models of `names`, where `sides` do not all share one copy of it."""
        origins, groups = self.described.origins, dict[Path, set[str]]()
        for name, origin in origins.items():
            groups.setdefault(origin.source.weights, set()).add(name)
        found: set[str] = set()
        for weights in {origins[name].source.weights for name in names}:
            group = groups[weights]
            copies = {id(sides[name].model) for name in group & sides.keys()}
            if len(copies) > 1 or not group <= sides.keys():
                found |= group
        return found

    def _copy(self, name: str) -> Hashable:
        """Which copy of its model's weights a stage is on, or would be as far as that is known."""
        if name in self._loaded:
            return id(self._loaded[name].model)
        return name if name in self._separate else self._folder(name)

    def _fits(self, names: Sequence[str]) -> bool:
        return self.room is None or self.needed(names).total <= self.room

    def _fits_now(self, names: Sequence[str]) -> bool:
        """Whether stages that are not loaded fit beside what is there, ours and that of others."""
        free = free_memory(self.device)
        return free is None or self.needed(names).total <= free

    def _make_room(self, names: Sequence[str], missing: Sequence[str]) -> None:
        """Let go of the least recently used stages until `missing` of `names` fit beside others.

        Stages of one model go together, and stay with those of `names`.
        """
        kept = {id(self._loaded[name].model) for name in names if name in self._loaded}
        others = [name for name, side in self._loaded.items() if id(side.model) not in kept]
        while others and not (self._fits([*others, *names]) and self._fits_now(missing)):
            model = self._loaded[others[0]].model
            gone = {name for name in others if self._loaded[name].model is model}
            del model
            self._let_go(gone)
            others = [name for name in others if name not in gone]

    def _let_go(self, names: set[str]) -> None:
        if not names:
            return
        for name in names:
            del self._loaded[name]
        self.released(frozenset(names))
        give_back(self.device)

    def _stop_reading(self) -> None:
        if self.reading is not None:
            self.reading.stop()
            self.reading = None
