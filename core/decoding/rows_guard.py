"""Finds whether rows of different lengths may be decoded together, and replaced one by one."""

from __future__ import annotations

from logit_amp_chat.core.decoding.cache_check import WholePasses, as_rows
from logit_amp_chat.core.decoding.cache_guard import Ladder, ordinary_ids
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.pair_runner import CacheUses
from logit_amp_chat.core.decoding.reply_rows import ReadIds, read_ids
from logit_amp_chat.core.models.layers.kv_cache import can_replace_rows
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.records import PromptIds


class RowsGuard:
    """What is wrong with ragged rows of a pair; it looks when it is first asked."""

    def __init__(self, pair: Pair, trusts: bool) -> None:
        """`trusts`: whether caches are used without a check."""
        self._pair, self._trusts = pair, trusts
        self._found: dict[CacheUses, str] = {}

    def obstacle(self, uses: CacheUses, longest: int) -> str:
        """Why rows of up to `longest` tokens cannot be replaced one by one, "" if they can."""
        for side in (self._pair.before, self._pair.after):
            if side.rope_switch is not None and longest > side.rope_switch:
                return f"positions are others beyond {side.rope_switch:,} tokens"
        if uses not in self._found:
            self._found[uses] = self._look(uses)
        return self._found[uses]

    def _look(self, uses: CacheUses) -> str:
        usable = ordinary_ids(self._pair)
        ids = (usable[0],)
        *_, read = read_ids(self._pair, uses, PromptIds(ids, ids))
        assert read is not None
        if any(caches.use < CacheUse.TURNS for caches in read.runner.live):
            return "the caches cannot be cut"
        if not all(map(can_replace_rows, read.caches)):
            return "the caches hold states of no single token"
        return "" if self._trusts else self._compared(read, usable)

    def _compared(self, read: ReadIds, usable: list[int]) -> str:
        """How ragged rows differ from whole passes, "" if they do not."""
        pair = self._pair
        wholes = [WholePasses(side) for side in (pair.before, pair.after)]
        together = len(read.forwards) == 1
        references = [wholes] if together else [[whole] for whole in wholes]
        for forward, whole in zip(read.forwards, references, strict=True):
            ladder = Ladder(forward, whole, usable, pair.context, as_rows)
            if complaint := ladder.complaint(CacheUse.TURNS):
                return complaint
        return ""
