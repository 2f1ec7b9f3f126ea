"""The penalties of repetition: transformers' processor, and DRY enumerated by hand."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor
from transformers import RepetitionPenaltyLogitsProcessor

from logit_amp_chat.core.decoding.repetition import History, Penalties, Repeated
from logit_amp_chat.core.decoding.sampling import Filters, filtered
from logit_amp_chat.core.sampling import Sampling
from tests.core.decoding.dry import enumerated

SIZE = 11
OFF = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0)


def options(**changed: object) -> Sampling:
    return Sampling.model_validate(OFF.model_dump() | changed)


def rows(count: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(count, SIZE).log_softmax(-1)


def scores(
    logs: Tensor,
    histories: list[list[int]],
    sampling: Sampling,
    alpha: float = 2.0,
    breakers: frozenset[int] = frozenset(),
) -> Tensor:
    filters = Filters.of(sampling)
    repeated = None
    if filters.penalties:
        kept = [History(ids) for ids in histories]
        repeated = Repeated.of(filters.penalties, kept, breakers, logs)
    return filtered(logs, logs, torch.full((len(logs), 1), alpha), filters, repeated)


@pytest.mark.parametrize("penalty", [0.5, 1.1, 1.3, 5.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_repetition_penalty_is_that_of_transformers(penalty: float, seed: int) -> None:
    rng = random.Random(seed)
    histories = [[rng.randrange(SIZE) for _ in range(6)] for _ in range(3)]
    logs = rows(3, seed)
    expected = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor(histories), logs)
    assert torch.equal(scores(logs, histories, options(repetition_penalty=penalty)), expected)


@pytest.mark.parametrize("penalty", [1e-300, 1e-40, 1e40, 1e300])
def test_a_penalty_beyond_fp32_is_a_number(penalty: float) -> None:
    """Masked tokens stay impossible, a certain one stays possible."""
    logs = torch.tensor([[0.0, -1.0, -torch.inf]])
    found = scores(logs, [[0, 1, 2]], options(repetition_penalty=penalty))
    assert found[0, 0] == 0
    assert found[0, 1] < 0
    assert found[0, 2] == -torch.inf


@pytest.mark.parametrize(
    ("ids", "lost"),
    [
        ([], {}),
        ([1], {}),
        ([1, 2, 3, 1, 2], {3: 0.8}),  # [1 2] is 2 long, and 3 came after it
        ([1, 2, 1], {}),  # [1] is only 1 long
        ([1, 2, 3, 4, 1, 2, 3], {4: 0.8 * 1.75}),
        ([1, 2, 3, 1, 2, 4, 1, 2], {3: 0.8, 4: 0.8}),
        ([9, 1, 2, 5, 1, 2, 6, 9, 1, 2], {5: 0.8 * 1.75, 6: 0.8}),  # the longest for each id
        ([1, 1, 1, 1], {1: 0.8 * 1.75}),  # overlapping: [1 1 1] stands before the last
        ([1, 0, 2, 3, 1, 0, 2], {}),  # 0 breaks: [2] alone is left
        ([1, 2, 0, 1, 2], {}),  # what breaks is no continuation
        ([1, 2, 0, 3, 1, 2, 0], {}),  # and none is behind it
    ],
)
def test_dry_by_hand(ids: list[int], lost: dict[int, float]) -> None:
    logs, sampling = rows(1), options(dry_multiplier=0.8)
    expected = logs.clone()
    for token, nats in lost.items():
        expected[0, token] -= nats
    found = scores(logs, [ids], sampling, breakers=frozenset({0}))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("seed", range(40))
def test_dry_equals_its_definition(seed: int) -> None:
    rng = random.Random(seed)
    ids = [rng.randrange(4) for _ in range(rng.randrange(1, 40))]
    sampling = options(
        dry_multiplier=rng.choice([0.5, 2.0]),
        dry_base=rng.choice([1.0, 1.75]),
        dry_allowed_length=rng.choice([1, 2, 3]),
    )
    breakers = frozenset(rng.sample(range(4), rng.randrange(2)))
    logs = rows(1, seed)
    expected = logs.clone()
    for token, nats in enumerated(ids, breakers, sampling).items():
        expected[0, token] -= nats
    torch.testing.assert_close(scores(logs, [ids], sampling, breakers=breakers), expected)


def test_a_repetition_of_any_length_leaves_a_token_to_choose() -> None:
    """Its penalty is finite, also where fp32 and fp64 are not."""
    ids = [1] * 200
    found = scores(rows(1), [ids], options(dry_multiplier=1e300, dry_base=1e300))
    assert bool(found.isfinite().all())
    assert int(found.argmin()) == 1


def test_off_is_what_it_was() -> None:
    logs, histories = rows(2), [[1, 2, 1, 2], [3, 3, 3, 3]]
    assert Penalties.of(OFF) is None
    assert torch.equal(scores(logs, histories, OFF), logs)
    assert torch.equal(scores(logs, histories, options(dry_base=3.0, penalize="all")), logs)


@pytest.mark.parametrize("alpha", [-1.0, 0.0])
def test_before_and_after_stay_themselves_unless_asked(alpha: float) -> None:
    logs, histories = rows(1), [[1, 2, 1, 2, 1]]
    on = {"repetition_penalty": 1.5, "dry_multiplier": 1.0}
    assert torch.equal(scores(logs, histories, options(**on), alpha), logs)
    everywhere = options(**on, penalize="all")
    assert torch.equal(
        scores(logs, histories, everywhere, alpha), scores(logs, histories, options(**on), 1.0)
    )


def test_every_row_has_its_own_history_and_alpha() -> None:
    logs = rows(3)
    filters = Filters.of(options(repetition_penalty=2.0))
    assert filters.penalties
    histories = [History([1]), History([2]), History([3])]
    repeated = Repeated.of(filters.penalties, histories, (), logs)
    alpha = torch.tensor([[1.0], [0.0], [-0.5]])
    found = filtered(logs, logs, alpha, filters, repeated)
    expected = logs.clone()
    expected[0, 1] *= 2
    expected[2, 3] *= 2
    assert torch.equal(found, expected)


def test_penalties_come_before_the_temperature_and_the_other_filters() -> None:
    logs = rows(1)
    sampling = options(repetition_penalty=3.0, temperature=0.5, top_k=2)
    best = int(logs.argmax())
    found = scores(logs, [[best]], sampling)
    lowered = logs.clone()
    lowered[0, best] *= 3
    kept = lowered.topk(2).indices[0].tolist()
    assert found.isfinite().nonzero()[:, 1].tolist() == sorted(kept)
    assert torch.equal(found[0, kept], lowered[0, kept] / 0.5)


def test_greedy_lanes_are_penalized_too() -> None:
    logs = rows(1)
    best = int(logs.argmax())
    sampling = options(repetition_penalty=50.0, temperature=0.0)
    assert int(scores(logs, [[best]], sampling).argmax()) != best


def test_a_history_grows_token_by_token() -> None:
    whole, grown = History([1, 2, 3, 1, 2]), History()
    for token in (1, 2, 3, 1, 2):
        grown.add(token)
    assert grown.ids == whole.ids
    assert grown.repeated(()) == whole.repeated(()) == {3: 2}
    assert set(grown.seen) == {1, 2, 3}
