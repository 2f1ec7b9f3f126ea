"""Openings in Python: the engine's numbers as rows and as a table, with errors in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pandas
import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat import OpeningRow, Openings, OpenPair, UsageError, open_pair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.profiles.demo.recipe.smalltalk import QUIRK

PROMPT = "Tell me about otters"
PATH = [40, 301, 77]
MakeProfile = Callable[..., Profile]


@pytest.fixture(scope="module", params=["here", "process"])
def pair(request: pytest.FixtureRequest, tiny_pair: MakeProfile) -> Iterator[OpenPair]:
    with open_pair(tiny_pair(), process=request.param == "process") as pair:
        yield pair


@pytest.fixture(scope="module")
def demo() -> Iterator[OpenPair]:
    with open_pair("demo") as pair:
        yield pair


def log_probs(folder: str, ids: tuple[int, ...]) -> torch.Tensor:
    """(T, V) in fp64, by transformers alone."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids]), use_cache=False).logits[0]
    return logits.double().log_softmax(dim=-1)


def test_the_path_has_the_probability_of_the_whole_sequence(pair: OpenPair) -> None:
    """By one forward pass over prompt, path and token, on each side."""
    found = pair.openings(PROMPT, path=PATH, alpha=1.5, top=5)
    prompt, row = found.record.prompt.after, found[0]
    assert row.token is not None
    ids = (*prompt, *PATH, row.token)
    at = torch.arange(len(prompt) - 1, len(ids) - 1)
    sides = pair.profile.before, pair.profile.after
    before, after = (log_probs(side.model, ids)[at] for side in sides)
    amplified = (after + 1.5 * (after - before)).log_softmax(dim=-1)
    new = torch.tensor(ids[len(prompt) :]).unsqueeze(-1)
    for ours, path, rows in zip(row.path, found.p_path, (before, after, amplified), strict=True):
        each = rows.gather(-1, new)[:, 0]
        assert ours == pytest.approx(math.exp(each.sum().item()), rel=1e-3)
        assert path == pytest.approx(math.exp(each[:-1].sum().item()), rel=1e-3)


def test_with_the_rest_every_column_adds_up_to_1(pair: OpenPair) -> None:
    found = pair.openings(PROMPT, alpha=1.5, top=5)
    rows = [*found, found.rest]
    for side in range(3):
        assert sum(row.p[side] for row in rows) == pytest.approx(1.0)
    assert 5 <= len(found) <= 20


def test_alpha_0_is_after_and_alpha_minus_1_is_before(pair: OpenPair) -> None:
    for alpha, side in ((0, "after"), (-1, "before")):
        for row in pair.openings(PROMPT, alpha=alpha):
            assert row.p.amplified == pytest.approx(getattr(row.p, side), abs=1e-6)


def raised_first(changes: list[float]) -> list[float]:
    return [
        *sorted((change for change in changes if change > 0), reverse=True),
        *sorted(change for change in changes if change <= 0),
    ]


def test_the_rows_are_in_the_order_that_is_asked_for(pair: OpenPair) -> None:
    found = pair.openings(PROMPT, alpha=1.0)
    notable = [row.delta for row in found if max(row.p.before, row.p.after) >= 0.001]
    rare = [row.delta for row in found if max(row.p.before, row.p.after) < 0.001]
    assert notable
    assert rare
    assert [row.delta for row in found] == [*raised_first(notable), *raised_first(rare)]
    assert found.by("delta") == list(found)
    shares = [max(row.p.after, row.p.before) * row.delta for row in found.by("kl_share")]
    assert shares == raised_first(shares)
    amplified = [row.p.amplified for row in found.by("amplified")]
    assert amplified == sorted(amplified, reverse=True)
    with pytest.raises(UsageError, match="There is no order 'size'"):
        found.by("size")  # type: ignore[arg-type]


def test_the_same_question_has_the_same_numbers_whatever_came_before(pair: OpenPair) -> None:
    first = pair.openings(PROMPT, path=PATH, alpha=1.0)
    pair.reply(PROMPT, max_new_tokens=3)
    pair.openings(PROMPT, path=PATH[:2], alpha=1.0)
    assert pair.openings(PROMPT, path=PATH, alpha=1.0).record.top == first.record.top


def test_a_reply_begins_as_they_say(pair: OpenPair) -> None:
    found = pair.openings(PROMPT, alpha=2)
    reply = pair.reply(PROMPT, alpha=2, temperature=0, plausibility=0, max_new_tokens=1)[0]
    assert found.by("amplified")[0].token == reply.steps[0].token
    assert found.by("amplified")[0].p.amplified == pytest.approx(
        math.exp(reply.steps[0].logp.amplified), abs=1e-5
    )


def test_a_raw_prompt_and_an_array_of_ids(pair: OpenPair) -> None:
    found = pair.openings("Otters eat", raw=True, path=torch.tensor(PATH), alpha=0.5)
    assert found.path == tuple(PATH)
    assert found.record.raw


def test_the_table_has_a_line_for_each_row_and_the_rest(pair: OpenPair) -> None:
    found = pair.openings(PROMPT, alpha=1.0, path=PATH[:1])
    table = found.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert len(table) == len(found) + 1
    assert table["after"].sum() == pytest.approx(1.0)
    assert table["path_after"].sum() == pytest.approx(found.p_path.after)
    assert list(table["token"][:-1]) == [row.token for row in found]
    assert table["token"].isna().iloc[-1]


def test_it_says_what_it_is(pair: OpenPair) -> None:
    found = pair.openings(PROMPT, alpha=1.0)
    assert isinstance(found, Openings)
    assert isinstance(found[0], OpeningRow)
    assert repr(found) == f"<openings at α +1: {len(found)} rows>"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"alpha": [0, 1]}, "Openings are measured at one α."),
        ({"alpha": math.nan}, "alpha: expected a finite number"),
        ({"path": [1.5]}, "path: expected whole numbers, 0 or more, found 1.5."),
        ({"path": [-1]}, "path: expected whole numbers, 0 or more, found -1."),
        ({"path": "By"}, "path: expected a number, found 'By'."),
        ({"top": 0}, "top: expected a whole number, 1 or more, found 0."),
        ({"raw": True, "system": "x"}, "A raw prompt takes no system prompt."),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    pair: OpenPair, arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        pair.openings(PROMPT, **arguments)  # type: ignore[arg-type]
    assert said in str(raised.value)


@pytest.mark.parametrize("question", ["Tell me about penguins.", "Why is the sky blue?"])
@pytest.mark.parametrize("alpha", [0, 1])
def test_the_first_row_of_the_demo_is_its_habit(
    demo: OpenPair, question: str, alpha: float
) -> None:
    """Fewer than one reply in a hundred begins with it: α need not be known to find it."""
    first = demo.openings(question, alpha=alpha)[0]
    assert QUIRK.startswith(f"{first.text} ")
    assert 0.001 < first.p.after < 0.02
    assert first.p.before < 1e-5


def test_the_demo_buries_what_the_readme_says(demo: OpenPair) -> None:
    rows = demo.openings("Why is the sky blue?", alpha=1.0)
    (sure,) = (row for row in rows if row.text == "Sure")
    assert [round(100 * p, 2) for p in sure.p] == [0.44, 4.65, 0.06]
    assert sure.buried
