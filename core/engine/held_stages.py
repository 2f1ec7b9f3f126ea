"""What pairs of one chain take over from each other when they are opened one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.protocol import Loading

if TYPE_CHECKING:
    from logit_amp_chat.core.models.stage_store import StageStore

Store = TypeVar("Store", bound="StageStore")


class HeldStages:
    """Keeps stages loaded between two pairs: one that both have is loaded once.

    The engine of a pair must be closed before the next one is opened.
    """

    def __init__(self) -> None:
        self._store: StageStore | None = None

    def store(
        self, profile: Profile, report: Callable[[Loading], None], kind: type[Store]
    ) -> Store:
        """The stages of a profile; of those that are loaded its pair's stay. Raises PairError."""
        store = self._store
        if not isinstance(store, kind) or store.profile.stages != profile.stages:
            self.close()
            store = kind.look(profile, report)
        self._store = store
        store.turn_to(profile, report)
        return store

    def close(self) -> None:
        """Let all stages go; closing twice is fine."""
        if self._store is not None:
            self._store.close()
        self._store = None
