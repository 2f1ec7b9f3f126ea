"""A cache with spare room holds what transformers' own does, and leaves its copies alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from logit_amp_chat.core.models.layers.kv_cache import ROOM, GrowingLayer

moves = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(1, ROOM * 2)),
        st.tuples(st.just("crop"), st.integers(1, 40)),
        st.tuples(st.just("rows"), st.integers(1, 3)),
    ),
    max_size=12,
)


def states(rows: int, tokens: int) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, 2, tokens, 4), torch.randn(rows, 2, tokens, 4)


@given(moves)
def test_it_holds_what_a_dynamic_layer_holds(steps: list[tuple[str, int]]) -> None:
    ours, theirs = GrowingLayer(), DynamicLayer()
    rows = 1
    for move, n in [("update", 3), *steps]:
        if move == "update":
            new = states(rows, n)
            for mine, reference in zip(ours.update(*new), theirs.update(*new), strict=True):
                assert torch.equal(mine, reference)
        elif move == "crop" and n < theirs.get_seq_length():
            ours.crop(-n)
            theirs.crop(-n)
        elif move == "rows":
            index = torch.arange(n) % rows
            rows = n
            ours.reorder_cache(index)
            theirs.reorder_cache(index)
        assert ours.get_seq_length() == theirs.get_seq_length()
        assert ours.get_mask_sizes(1) == theirs.get_mask_sizes(1)


def test_tokens_are_not_copied_at_every_step() -> None:
    layer = GrowingLayer()
    layer.update(*states(1, 5))
    places = set()
    for _ in range(ROOM - 5):
        layer.update(*states(1, 1))
        places.add(layer.keys.data_ptr())
    assert len(places) == 1


def test_a_detached_layer_writes_elsewhere() -> None:
    held = GrowingLayer()
    held.update(*states(1, 8))
    before = held.keys.clone()
    branch = held.detached()
    branch.crop(-4)
    branch.update(*states(1, 4))
    whole = held.detached()
    whole.update(*states(1, 1))
    held_again = held.update(*states(1, 2))[0]
    assert torch.equal(held.keys[:, :, :8], before)
    assert torch.equal(whole.keys[:, :, :8], before)
    assert not torch.equal(whole.keys[:, :, 8], held_again[:, :, 8])
