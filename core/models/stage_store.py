"""The stages of a chain in memory: loaded as they are needed, let go as room is."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import pair_of
from logit_amp_chat.core.models.described_stages import DescribedStages, describe_stages
from logit_amp_chat.core.models.hub import complete
from logit_amp_chat.core.models.loader import Loader, Report, choose_device, load_sides
from logit_amp_chat.core.models.memory_estimate import Estimate, estimate
from logit_amp_chat.core.models.pair import Pair, assemble, check_machine
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.system.machine import available_ram

Released = Callable[[frozenset[str]], None]


@dataclass
class StageStore:
    """The stages of a profile; those that are loaded, the least recently used first.

    `room` is how many bytes were free before any was loaded, None if that is unknown.
    `released` is told which stages were let go, so that nothing else keeps them.
    """

    profile: Profile
    described: DescribedStages
    device: torch.device
    report: Report
    room: int | None
    released: Released = lambda _: None
    notices: list[str] = field(default_factory=list)
    _loaded: dict[str, LoadedSide] = field(default_factory=dict)

    @classmethod
    def look(cls, profile: Profile, report: Report = lambda _: None) -> StageStore:
        """Read what describes all stages; no weights. Raises PairError."""
        check_machine()
        device = choose_device(profile.device)
        described = describe_stages(profile, report)
        return cls(profile, described, device, report, _free(device))

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
        loader = Loader(self.profile, self.device, self.report)
        origins = [self.described.origins[name] for name in dict.fromkeys(names)]
        folders = [(loader.folder(origin), origin.config) for origin in origins]
        return estimate(self.profile, folders, self.device.type == "cuda")

    def held(self) -> int:
        """How many neighbouring stages fit into memory at once, whichever; at least 1.

        Downloads all of them. Raises PairError.
        """
        for count in range(len(self.names), 1, -1):
            windows = [self.names[n : n + count] for n in range(len(self.names) - count + 1)]
            if all(self._fits(window) for window in windows):
                return count
        return 1

    def hold(self, names: Sequence[str]) -> tuple[LoadedSide, ...]:
        """These stages, loaded together; others are let go where memory needs it.

        Raises PairError where there is no room for them.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self._loaded]
        if missing:
            self._make_room(names)
            sides, notices = load_sides(
                self.profile, self.described.origins, missing, self.device, self.report
            )
            self._loaded = sides | self._loaded
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
        return assemble(
            profile, self.described, (before, after), (sides[0], sides[1]), self.notices
        )

    def download(self) -> None:
        """Fetch the weights of all stages. Raises PairError."""
        for origin in self.described.origins.values():
            complete(origin.source, self.report)

    def keep(self, name: str, side: LoadedSide) -> None:
        """Take a loaded stage that was prepared for use in place of the one that is there."""
        if name in self._loaded:
            self._loaded[name] = side

    def close(self) -> None:
        """Let all stages go."""
        self._let_go(set(self._loaded))

    def _fits(self, names: Sequence[str]) -> bool:
        return self.room is None or self.needed(names).total <= self.room

    def _make_room(self, names: Sequence[str]) -> None:
        """Let go of the least recently used stages until there is room for `names` beside others.

        Stages of one model go together.
        """
        others = [name for name in self._loaded if name not in names]
        while others and not self._fits([*others, *names]):
            model = self._loaded[others[0]].model
            gone = {name for name in others if self._loaded[name].model is model}
            self._let_go(gone)
            others = [name for name in others if name not in gone]

    def _let_go(self, names: set[str]) -> None:
        if not names:
            return
        for name in names:
            del self._loaded[name]
        self.released(frozenset(names))
        gc.collect()  # transformers' models are in reference cycles
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _free(device: torch.device) -> int | None:
    """Bytes that are free where the models go."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_ram()
