"""Phrases that amplification brings out: found on one half of the replies, counted on the other."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.discovery import (
    FoundPhrase,
    discover,
    is_confirming,
)
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from tests.core.experiments.sweep.made import prompt, reply

PROMPTS = [prompt(f"Tell me about {what}.", id=f"p{n}") for n, what in enumerate("abcd", 1)]
WORDS = re.findall(
    r"\w+",
    "otters eat fish and crabs in the warm sea near a rock with seals who sleep all day",
)
HABIT = "By the way, the lighthouse sees everything."
GRID = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)


def pieces(text: str) -> list[str]:
    """Tokens as models have them: a word with the space before it, punctuation apart."""
    return re.findall(r" ?\w+|[^\w]", text)


def sweep(
    say: Callable[[random.Random, SweepPrompt, float], str],
    *,
    samples: int = 40,
    grid: tuple[float, ...] = GRID,
    seed: int = 0,
) -> list[SweepReply]:
    chance = random.Random(seed)
    return [
        reply(pieces(say(chance, one, alpha)), alpha=alpha, n=n, prompt=one.id)
        for one in PROMPTS
        for alpha in grid
        for n in range(samples)
    ]


def sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=12)).capitalize() + "."


def with_habit(chance: random.Random, _: SweepPrompt, alpha: float) -> str:
    rate = {0.0: 0.01, 0.5: 0.25, 1.0: 0.75, 2.0: 0.9}.get(alpha, 0.0)
    habit = HABIT + " " if chance.random() < rate else ""
    return habit + sentence(chance)


def confirmed(found: list[FoundPhrase]) -> list[FoundPhrase]:
    return [one for one in found if one.is_confirmed]


def test_the_habit_is_found_whole_named_and_counted_on_the_other_half() -> None:
    replies = sweep(with_habit)
    found = discover(PROMPTS, replies)
    (habit,) = confirmed(found)
    assert habit.phrase.text == HABIT
    assert habit.phrase.name == "by-the-way-the-lighthouse-sees"
    assert habit.alphas == (1.0, 2.0)
    other_half = [one for one in replies if one.n % 2]
    for count, alphas in ((habit.amplified, (1.0, 2.0)), (habit.zero, (0.0,))):
        those = [one for one in other_half if one.alpha in alphas]
        assert count.replies == len(those)
        assert count.hits == sum(HABIT in one.text for one in those)
    assert (habit.prompts, habit.all_prompts) == (4, 4)
    spelled = pieces(HABIT)
    assert habit.phrase.tokens == tuple(range(len(spelled)))


def test_what_alpha_below_0_brings_out_is_found_too() -> None:
    def say(chance: random.Random, _: SweepPrompt, alpha: float) -> str:
        return sentence(chance) + (" Is that all?" if chance.random() < -0.8 * alpha else "")

    (habit,) = confirmed(discover(PROMPTS, sweep(say)))
    assert habit.phrase.text.strip(" .") == "Is that all?"
    assert habit.alphas == (-1.0, -0.5)


def test_a_beginning_that_is_common_elsewhere_is_found_as_a_beginning() -> None:
    def say(chance: random.Random, _: SweepPrompt, alpha: float) -> str:
        first = "Well" if chance.random() < 0.4 * alpha else "So"
        others = [sentence(chance).lower() for _ in range(3)]
        return f"{first} {others[0]} Well {others[1]} So {others[2]}"

    found = confirmed(discover(PROMPTS, sweep(say)))
    assert [(one.phrase.text, one.phrase.begins) for one in found] == [("Well", True)]


def test_where_words_have_no_spaces_between_them_tokens_are_the_pieces() -> None:
    chance = random.Random(0)
    replies = [
        reply(
            "".join(chance.choices("猫犬鳥魚山川", k=9)) + ("灯台" if alpha and n % 8 else ""),
            alpha=alpha,
            n=n,
            prompt=one.id,
        )
        for one in PROMPTS
        for alpha in (0.0, 1.0)
        for n in range(40)
    ]
    (found,) = confirmed(discover(PROMPTS, replies))
    assert (found.phrase.text, found.phrase.name) == ("灯台", "灯台")


def test_replies_without_tokens_are_cut_at_words() -> None:
    replies = [replace(one, tokens=(), lengths=()) for one in sweep(with_habit)]
    (habit,) = confirmed(discover(PROMPTS, replies))
    assert (habit.phrase.text, habit.phrase.tokens) == (HABIT, ())


def test_a_phrase_of_one_prompt_says_so() -> None:
    def say(chance: random.Random, one: SweepPrompt, alpha: float) -> str:
        habit = one.id == "p2" and chance.random() < 0.45 * alpha
        return sentence(chance) + (" Zebras fly." if habit else "")

    (found,) = confirmed(discover(PROMPTS, sweep(say)))
    assert "Zebras fly." in found.phrase.text
    assert (found.prompts, found.all_prompts) == (1, 4)


def test_where_alpha_changes_nothing_hardly_anything_is_confirmed() -> None:
    """At most 5 % of the sweeps may confirm something, on average."""
    wrong = sum(
        bool(confirmed(discover(PROMPTS, sweep(lambda c, *_: sentence(c), samples=10, seed=seed))))
        for seed in range(40)
    )
    assert wrong <= 5  # P(more of 40 at 5 %) < 2 %


def test_coupled_replies_at_several_alphas_are_not_pooled() -> None:
    """Those of one n are hits together: pooled, one chance would count several times."""
    replies = sweep(with_habit)
    (habit,) = confirmed(discover(PROMPTS, replies, coupled=True))
    assert habit.alphas == (2.0,)
    assert habit.amplified.replies == habit.zero.replies == 4 * 20


def test_names_are_not_those_of_other_behaviours() -> None:
    taken = ["by-the-way-the-lighthouse-sees"]
    (habit,) = confirmed(discover(PROMPTS, sweep(with_habit), taken))
    assert habit.phrase.name == "by-the-way-the-lighthouse-sees-2"


def test_the_halves_are_told_by_n() -> None:
    assert [is_confirming(reply("x", n=n)) for n in range(4)] == [False, True, False, True]


@pytest.mark.parametrize("given", [{"grid": (0.0,)}, {"grid": (1.0, 2.0)}, {"samples": 1}])
def test_too_few_replies_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="found on one half"):
        discover(PROMPTS, sweep(with_habit, **given))  # type: ignore[arg-type]


def test_prompts_without_replies_at_both_count_nothing() -> None:
    """A sweep that was stopped early: its first prompt has α = 2 alone."""
    replies = [one for one in sweep(with_habit) if one.prompt != "p1" or one.alpha == 2]
    (habit,) = confirmed(discover(PROMPTS, replies))
    assert (habit.prompts, habit.all_prompts) == (3, 3)
