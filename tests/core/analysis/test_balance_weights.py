"""Weights turn replies at many αs into a sample of one: proven by writing down all replies."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from logit_amp_chat.core.analysis.balance_weights import PromptSample, balance_weights, weigh
from tests.core.analysis.toy_pair import (
    END,
    Array,
    Decided,
    Toy,
    ends_after_three,
    replies,
    says_two,
)

GRID = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
SHARES = np.array([1, 2, 3, 4, 2, 4]) / 16
PLAIN = Toy()
FILTERS = {
    "none": PLAIN,
    "temperature": Toy(temperature=0.7),
    "hot": Toy(temperature=1.6),
    "mask": Toy(tau=0.2),
    "top-k": Toy(top_k=2),
    "top-p": Toy(top_p=0.8),
    "min-p": Toy(min_p=0.15),
    "all": Toy(temperature=0.8, tau=0.1, top_k=3, top_p=0.95, min_p=0.05),
    "amplify first": Toy(tau=0.1, amplify_first=2),
}
BEHAVIOURS = {"a prefix": says_two, "the whole": ends_after_three}


def exact(toy: Toy, decided: Decided, alpha: float) -> float:
    """The probability of the behaviour at an α, from all replies."""
    hits = (reply for reply in replies() if decided(reply) is not None)
    return math.fsum(math.exp(sum(toy.token_log_probs(reply, alpha))) for reply in hits)


def expectation(
    toy: Toy,
    decided: Decided,
    target: float,
    shares: Array = SHARES,
    *,
    believed: Toy | None = None,
    whole: bool = False,
    forget_end: bool = False,
    believed_shares: Array | None = None,
) -> float:
    """E[(1/N) Σ w·1[behaviour]]: over αs and replies, with the probabilities of `toy`.

    The weights take those of `believed`, up to where the behaviour is decided or `whole`.
    """
    said = believed or toy
    stop = None if whole else decided
    if forget_end:
        stop = lambda reply: len(reply) - (reply[-1] == END)  # noqa: E731
    drawn = np.exp(toy.log_probs(GRID))
    log_q, log_target = said.log_probs(GRID, stop), said.log_probs([target], stop)[:, 0]
    hit = np.array([decided(reply) is not None for reply in replies()])
    can = drawn @ shares > 0
    used = shares if believed_shares is None else believed_shares
    weights = balance_weights(log_q[can], log_target[can], used)
    return float((drawn[can] @ shares * hit[can]) @ weights)


@pytest.mark.parametrize("decided", BEHAVIOURS.values(), ids=BEHAVIOURS)
@pytest.mark.parametrize("toy", FILTERS.values(), ids=FILTERS)
def test_the_expectation_is_the_exact_rate_with_every_filter(toy: Toy, decided: Decided) -> None:
    for target in (0.0,) if toy.amplify_first else GRID:
        rate = exact(toy, decided, target)
        assert 0.001 < rate < 0.999
        assert expectation(toy, decided, target) == pytest.approx(rate, abs=1e-9)


@pytest.mark.parametrize("name", ["none", "temperature", "hot", "mask"])
@pytest.mark.parametrize("target", [-0.75, -0.1, 0.25, 0.75, 3.0])
def test_the_target_may_be_off_the_grid_where_supports_are_nested(name: str, target: float) -> None:
    toy = FILTERS[name]
    for decided in BEHAVIOURS.values():
        assert expectation(toy, decided, target) == pytest.approx(
            exact(toy, decided, target), abs=1e-9
        )


@pytest.mark.parametrize("name", ["top-k", "top-p", "min-p"])
def test_off_the_grid_a_filter_may_hide_what_the_target_says(name: str) -> None:
    """Why such targets are refused where one of these filters is on."""
    toys = [replace(FILTERS[name], seed=seed, _tables={}) for seed in range(6)]
    shares = np.array([0, 0, 1, 0, 0, 1]) / 2
    missing = [
        exact(toy, says_two, 0.75) - expectation(toy, says_two, 0.75, shares) for toy in toys
    ]
    assert max(missing) > 0.001


def test_a_prefix_that_decides_and_the_whole_reply_have_one_expectation() -> None:
    for toy in FILTERS.values():
        rate = exact(toy, says_two, 0.0)
        assert expectation(toy, says_two, 0.0, whole=True) == pytest.approx(rate, abs=1e-9)
        assert expectation(toy, says_two, 0.0) == pytest.approx(rate, abs=1e-9)


def test_a_column_without_replies_takes_no_part() -> None:
    shares = np.array([0, 1, 2, 0, 0, 1]) / 4
    for toy in FILTERS.values():
        rate = exact(toy, says_two, 0.0)
        assert expectation(toy, says_two, 0.0, shares) == pytest.approx(rate, abs=1e-9)


def test_a_weight_that_forgets_something_is_biased() -> None:
    """By more than a tenth of the rate: the tests above would see it."""
    forgetful = {
        "mask": (Toy(tau=0.3), Toy()),
        "temperature": (Toy(temperature=0.7), Toy()),
        "top-k": (Toy(top_k=2), Toy()),
        "where amplification ends": (Toy(amplify_first=2), Toy()),
    }
    for name, (toy, believed) in forgetful.items():
        rate = exact(toy, says_two, 0.0)
        found = expectation(toy, says_two, 0.0, believed=believed)
        assert abs(found / rate - 1) > 0.1, name


def test_a_weight_that_forgets_the_end_of_turn_is_biased() -> None:
    toy = FILTERS["none"]
    rate = exact(toy, ends_after_three, 0.0)
    assert abs(expectation(toy, ends_after_three, 0.0, forget_end=True) / rate - 1) > 0.02


def test_a_weight_that_forgets_the_strata_is_biased() -> None:
    toy, uniform = FILTERS["none"], np.full(6, 1 / 6)
    unequal = np.array([1, 1, 2, 2, 4, 10]) / 20
    rate = exact(toy, ends_after_three, 0.0)
    found = expectation(toy, ends_after_three, 0.0, unequal, believed_shares=uniform)
    assert abs(found / rate - 1) > 0.1


def sample(**changed: object) -> PromptSample:
    """Five replies over three columns, of which the last has none."""
    rng = np.random.default_rng(3)
    fields: dict[str, object] = {
        "stratum": np.array([0, 0, 1, 1, 1]),
        "value": np.array([1.0, 0, 0, 1, 0]),
        "log_q": np.log(rng.random((5, 3))),
        "whole_log_q": np.log(rng.random((5, 3)) / 10),
        "n": np.array([0, 1, 0, 1, 2]),
    }
    return PromptSample(**(fields | changed))  # type: ignore[arg-type]


def test_each_prompt_is_weighed_with_its_own_numbers_of_replies() -> None:
    one = sample()
    two = sample(stratum=np.array([0, 0, 0, 0, 1]), n=np.array([0, 1, 2, 3, 0]))
    weighed = weigh([one, two], target=2, coupled=False)
    expected = []
    for each, numbers in ((one, (2, 3)), (two, (4, 1))):
        for row in each.log_q:
            mixture = sum(m / 5 * math.exp(v) for m, v in zip(numbers, row[:2], strict=True))
            expected.append(math.exp(row[2]) / mixture / 5 / 2)
    assert weighed.weight == pytest.approx(expected)
    assert weighed.prompt.tolist() == [0] * 5 + [1] * 5
    assert weighed.stratum.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3]
    assert weighed.unit.tolist() == list(range(10))


def test_coupled_replies_with_one_number_are_one_unit_of_their_prompt() -> None:
    weighed = weigh([sample(), sample()], target=0, coupled=True)
    assert weighed.unit.tolist() == [0, 1, 0, 1, 2, 3, 4, 3, 4, 5]


def test_what_the_target_cannot_say_has_no_weight() -> None:
    masked = np.log(np.full((5, 3), 0.5))
    masked[2, 0] = -math.inf
    weighed = weigh([sample(log_q=masked)], target=0, coupled=False)
    assert weighed.weight[2] == 0
    assert (np.delete(weighed.weight, 2) > 0).all()


def test_a_weight_is_finite_however_far_the_target_is() -> None:
    log_q = np.full((5, 3), -9e3)
    log_q[:, 2] = 0
    far = sample(log_q=log_q, stratum=np.array([0, 0, 1, 1, 1]))
    assert np.isfinite(weigh([far], target=2, coupled=False).weight).all()


@pytest.mark.parametrize("name", ["log_q", "whole_log_q"])
def test_a_reply_that_could_not_have_been_drawn_is_named(name: str) -> None:
    wrong = getattr(sample(), name)
    wrong[3, 1] = -math.inf
    with pytest.raises(ValueError, match="Prompt 2: reply 1 of column 1 has probability 0"):
        weigh([sample(), sample(**{name: wrong})], target=0, coupled=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stratum": np.array([], dtype=int)}, "no replies, or arrays of different lengths"),
        ({"value": np.zeros(4)}, "arrays of different lengths"),
        ({"n": np.zeros(6, dtype=int)}, "arrays of different lengths"),
        ({"whole_log_q": np.zeros((5, 2))}, "arrays of different lengths"),
        ({"stratum": np.array([0, 0, 1, 1, 3])}, "at none of its 3 columns"),
        ({"value": np.array([1, 0, math.nan, 0, 0])}, "no finite number"),
        ({"log_q": np.full((5, 3), math.nan)}, "NaN or"),
        ({"whole_log_q": np.full((5, 3), math.inf)}, "NaN or"),
    ],
)
def test_samples_that_cannot_be_counted_are_refused(
    changed: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=f"Prompt 1.*{message}"):
        weigh([sample(**changed)], target=0, coupled=False)


def test_prompts_have_the_same_columns_and_the_target_is_one_of_them() -> None:
    with pytest.raises(ValueError, match="no prompts"):
        weigh([], target=0, coupled=False)
    with pytest.raises(ValueError, match="lack that of the target"):
        weigh([sample()], target=3, coupled=False)
    two = sample(log_q=np.zeros((5, 2)), whole_log_q=np.zeros((5, 2)))
    with pytest.raises(ValueError, match="different columns"):
        weigh([sample(), two], target=0, coupled=False)
