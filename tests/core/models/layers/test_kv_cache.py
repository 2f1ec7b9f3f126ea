"""A cache with spare room holds what transformers' own does, and leaves its copies alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from logit_amp_chat.core.models.layers.kv_cache import ROOM, GrowingLayer, replace_row, with_rows

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


def cache_of(*lengths: int, layers: int = 2) -> list[Any]:
    """Caches of one text each, of these lengths, with two sides."""
    made = []
    for length in lengths:
        cache = DynamicCache()
        cache.layers = [GrowingLayer() for _ in range(layers)]
        for layer in cache.layers:
            layer.update(*states(2, length))
        made.append(cache)
    return made


def test_rows_of_different_lengths_end_together_and_begin_with_zeros() -> None:
    parts = cache_of(3, 7, 5)
    whole = with_rows(parts)
    for layer, *theirs in zip(whole.layers, *(part.layers for part in parts), strict=True):
        assert layer.get_seq_length() == 7
        for row, part in enumerate(theirs):
            for side in range(2):
                length = part.get_seq_length()
                held = layer.keys[row + 3 * side]
                assert torch.equal(held[:, 7 - length :], part.keys[side])
                assert not held[:, : 7 - length].any()


@pytest.mark.parametrize("length", [2, 9, 30])
def test_a_replaced_row_holds_its_text_and_the_others_theirs(length: int) -> None:
    """Also one that is longer than all others; what was appended before and after is there."""
    whole = with_rows(cache_of(3, 7))
    (other,) = cache_of(length)
    appended = states(4, 1)
    for layer in whole.layers:
        layer.update(*appended)
    held = [layer.keys.clone() for layer in whole.layers]
    replace_row(whole, 1, other)
    for layer, theirs, old in zip(whole.layers, other.layers, held, strict=True):
        cells = max(8, length)
        assert layer.get_seq_length() == cells
        for side in range(2):
            assert torch.equal(layer.keys[1 + 2 * side, :, cells - length :], theirs.keys[side])
            assert not layer.keys[1 + 2 * side, :, : cells - length].any()
            assert torch.equal(layer.keys[2 * side, :, cells - 8 :], old[2 * side])
        grown, _ = layer.update(*appended)
        assert torch.equal(grown[:, :, -1:], appended[0])


def test_what_is_forgotten_at_the_beginning_stays_forgotten() -> None:
    layer, reference = GrowingLayer(), torch.empty(2, 2, 0, 4)
    for step in range(3 * ROOM):
        new = states(2, 1 + step % 3)
        reference = torch.cat([reference, new[0]], dim=-2)
        assert torch.equal(layer.update(*new)[0], reference)
        if step % 2 and reference.shape[-2] > 4:
            layer.forget_first(3)
            reference = reference[:, :, 3:]
            assert torch.equal(layer.keys, reference)
