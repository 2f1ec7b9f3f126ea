"""Given ids take the place of the tokens that carry their characters, and of no others."""

from __future__ import annotations

from collections.abc import Sequence

from logit_amp_chat.core.models.given_ids import GivenIds, placed, spliced
from logit_amp_chat.core.models.token_offsets import Range

# "ab", "c", "de": three tokens of the text "abcde".
IDS = (1, 2, 3)
OFFSETS = ((0, 2), (2, 3), (3, 5))


def with_given(
    ids: Sequence[int], offsets: Sequence[Range], given: Sequence[GivenIds]
) -> tuple[tuple[int, ...], tuple[GivenIds, ...]]:
    """The ids with each given range replaced, and the ranges without a place."""
    found, left = placed(offsets, given)
    return spliced(ids, [(one, one.given.ids) for one in found]), left


def test_the_tokens_of_a_range_are_replaced() -> None:
    assert with_given(IDS, OFFSETS, [GivenIds(2, 3, (8, 9))]) == ((1, 8, 9, 3), ())
    assert with_given(IDS, OFFSETS, [GivenIds(0, 3, (8,))]) == ((8, 3), ())
    assert with_given(IDS, OFFSETS, [GivenIds(2, 5, ())]) == ((1,), ())


def test_several_ranges_may_touch_and_come_in_any_order() -> None:
    given = [GivenIds(3, 5, (8,)), GivenIds(0, 2, (7,)), GivenIds(2, 3, (9,))]
    assert with_given(IDS, OFFSETS, given) == ((7, 9, 8), ())


def test_a_range_that_ends_within_a_token_is_left_as_it_is() -> None:
    late, early = GivenIds(1, 3, (8,)), GivenIds(2, 4, (9,))
    assert with_given(IDS, OFFSETS, [late]) == (IDS, (late,))
    assert with_given(IDS, OFFSETS, [early]) == (IDS, (early,))
    assert with_given(IDS, OFFSETS, [late, GivenIds(3, 5, (7,))]) == ((1, 2, 7), (late,))


def test_a_range_within_another_is_part_of_it() -> None:
    whole, part = GivenIds(0, 3, (8,)), GivenIds(2, 3, (9,))
    assert with_given(IDS, OFFSETS, [part, whole]) == ((8, 3), ())
    torn = GivenIds(0, 4, (8,))  # cannot be placed: its part can
    assert with_given(IDS, OFFSETS, [part, torn]) == ((1, 9, 3), (torn,))


def test_tokens_that_share_a_character_go_together() -> None:
    shared = ((0, 1), (0, 1), (1, 2))
    assert with_given(IDS, shared, [GivenIds(0, 1, (8,))]) == ((8, 3), ())
    assert with_given(IDS, shared, [GivenIds(1, 2, (8,))]) == ((1, 2, 8), ())


def test_tokens_without_characters_stay_at_the_ends_and_go_from_the_middle() -> None:
    offsets = ((0, 0), (0, 1), (1, 1), (1, 2), (2, 2))
    ids = (1, 2, 3, 4, 5)
    assert with_given(ids, offsets, [GivenIds(0, 2, (8,))]) == ((1, 8, 5), ())
    assert with_given(ids, offsets, [GivenIds(1, 2, (8,))]) == ((1, 2, 3, 8, 5), ())


def test_an_empty_range_is_a_place() -> None:
    assert with_given(IDS, OFFSETS, [GivenIds(2, 2, (8,))]) == ((1, 8, 2, 3), ())
    assert with_given(IDS, OFFSETS, [GivenIds(5, 5, (8,))]) == ((1, 2, 3, 8), ())
    assert with_given(IDS, OFFSETS, [GivenIds(4, 4, (8,))]) == (IDS, (GivenIds(4, 4, (8,)),))
    assert with_given((), (), [GivenIds(0, 0, (8,))]) == ((8,), ())
