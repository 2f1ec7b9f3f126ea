"""Rows are replaced one by one only where that gives the numbers of whole passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.cache_guard import cache_uses, check_caches
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.pair_runner import ALL_USES, CacheUses
from logit_amp_chat.core.decoding.reply_rows import read_ids
from logit_amp_chat.core.decoding.row_limits import cache_bytes, rows_that_fit
from logit_amp_chat.core.decoding.rows_guard import RowsGuard
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.records import PromptIds
from tests.core.engine.sampling import ask, chat, draws, sampled

MakeProfile = Callable[..., Profile]


class Careless(LoadedSide):
    """A model that does not look at its mask, as some architecture may not."""

    def forward(self, *of: Any, **named: Any) -> torch.Tensor:
        ids, cache, last, start, _ = (*of, None)[:5]
        return super().forward(ids, cache, last, start)


class Placeless(LoadedSide):
    """A model that counts the cells of its cache, whatever positions it is told."""

    def _places(self, ids: torch.Tensor, start: int | torch.Tensor) -> torch.Tensor:
        longest = int(start.max()) if isinstance(start, torch.Tensor) else start
        return super()._places(ids, longest)


@pytest.fixture
def pair(tiny_pair: MakeProfile) -> Pair:
    return load_pair(tiny_pair())


@pytest.mark.parametrize("kind", [Careless, Placeless])
def test_a_model_that_is_wrong_for_rows_alone_is_found(kind: type[LoadedSide], pair: Pair) -> None:
    """The checks of a chat find nothing: no lane of theirs is longer than another."""
    wrong = replace(pair, after=kind(pair.after.model))
    assert cache_uses(check_caches(wrong)).after == CacheUse.TURNS
    assert "log-probabilities up to" in RowsGuard(wrong, trusts=False).obstacle(ALL_USES, 50)
    assert RowsGuard(pair, trusts=False).obstacle(ALL_USES, 50) == ""
    assert RowsGuard(wrong, trusts=True).obstacle(ALL_USES, 50) == ""


def test_its_replies_have_the_numbers_of_a_chat_all_the_same(
    pair: Pair, tiny_pair: MakeProfile
) -> None:
    profile = tiny_pair()
    engine = LocalEngine.checked(profile, replace(pair, after=Careless(pair.after.model)))
    request = ask(draws(7, of=2))
    for name, one in sampled(list(engine.sample(request))).items():
        steps, _ = chat(engine, request, request.draws[int(name[1:])])
        assert one.tokens == tuple(step.token for step in steps)


def test_caches_that_may_not_be_cut_are_not_replaced(pair: Pair) -> None:
    uses = CacheUses(CacheUse.CHUNKS, CacheUse.TURNS, CacheUse.NONE)
    assert RowsGuard(pair, trusts=False).obstacle(uses, 50) == "the caches cannot be cut"


def test_it_looks_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = RowsGuard(pair, trusts=False)
    guard.obstacle(ALL_USES, 50)
    monkeypatch.setattr(guard, "_look", lambda uses: pytest.fail("it looked again"))
    assert guard.obstacle(ALL_USES, 60) == ""


def test_rows_are_as_many_as_half_of_the_memory_holds(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, read = read_ids(pair, ALL_USES, PromptIds((5,) * 10, (5,) * 20))
    assert read is not None
    # two layers, keys and values, one head of 64 numbers in fp32
    a_token = 2 * 2 * 64 * 4
    assert [cache_bytes(cache) for cache in read.caches] == [10 * a_token, 20 * a_token]
    row = 2 * 2 * 100 * a_token + 4 * pair.size * (10 + 6)
    for free, rows in ((0, 1), (10 * row, 5), (10**15, 64)):
        monkeypatch.setattr(
            "logit_amp_chat.core.decoding.row_limits.available_ram", lambda free=free: free
        )
        assert rows_that_fit(pair, read, longest=100, alphas=6) == rows
