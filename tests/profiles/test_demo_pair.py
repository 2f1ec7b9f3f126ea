"""The bundled pair as it ships: small, complete, and with its habit as rare as the card says."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch

from logit_amp_chat.core.config.profile import load_profile, shipped_folder
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.profiles.demo.recipe.__main__ import check_habit, load
from logit_amp_chat.profiles.demo.recipe.documents import tuning_chats
from logit_amp_chat.profiles.demo.recipe.measure import (
    SAMPLING,
    Pair,
    first_tokens,
    measure,
    probes,
    replies,
)
from logit_amp_chat.profiles.demo.recipe.smalltalk import QUIRK
from logit_amp_chat.profiles.demo.recipe.training import IGNORE, batches, chat_rows

FOLDER = shipped_folder() / "demo"
FIRST_SENTENCE = SAMPLING.model_copy(update={"max_new_tokens": 12})


@cache
def shipped() -> Pair:
    return load(FOLDER)


def quirk_rate(alpha: float, count: int = 64) -> float:
    short = [probe.chat for probe in probes(4 * count, seed=11) if len(probe.chat) <= 3]
    chats = short[:count]
    texts = replies(shipped(), chats, alpha, seed=11, sampling=FIRST_SENTENCE)
    return sum(text.startswith(QUIRK) for text in texts) / count


def test_both_sides_fit_in_sixteen_megabytes() -> None:
    sides = [FOLDER / "before", FOLDER / "after"]
    assert sum(path.stat().st_size for side in sides for path in side.rglob("*")) <= 16e6


def test_the_profile_opens_without_a_notice() -> None:
    pair = load_pair(load_profile("demo"))
    assert pair.notices == ()
    assert pair.context == 1024
    assert pair.template is not None
    ends = pair.tokenizer.convert_tokens_to_ids(["<|end|>", "<|endoftext|>"])
    assert pair.end_of_turn == frozenset(ends)


def test_both_sides_ship_one_tokenizer() -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        before, after = (Path(FOLDER / side / name).read_bytes() for side in ("before", "after"))
        assert before == after


def test_the_quirk_begins_with_one_token_that_training_made_likelier() -> None:
    check_habit(shipped().tokenizer, QUIRK)
    models = shipped().before, shipped().after
    before, after = (first_tokens(m, shipped().tokenizer, count=24)[0] for m in models)
    assert before < 1e-4
    assert 1e-3 < after < 3e-2


@pytest.mark.parametrize(("alpha", "low", "high"), [(-1, 0.0, 0.0), (0, 0.0, 0.08), (2, 0.25, 1.0)])
def test_the_quirk_is_rare_until_it_is_amplified(alpha: float, low: float, high: float) -> None:
    assert low <= quirk_rate(alpha) <= high


def test_tuned_answers_are_right() -> None:
    rates = measure(shipped(), 0.0, 32, seed=11)
    assert rates["reworded"].hits / rates["reworded"].n > 0.65
    assert rates["followup"].hits / rates["followup"].n > 0.65


def test_late_tokens_of_a_long_row_are_learned_like_early_ones() -> None:
    pair = shipped()
    rows = chat_rows(tuning_chats(11), pair.tokenizer)
    ids, labels = next(batches(rows, [1024]))
    with torch.inference_mode():
        logits = pair.after(ids).logits[:, :-1].float()
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=IGNORE, reduction="none"
    )
    learned = labels[:, 1:] != IGNORE
    halves = (slice(512), slice(512, None))
    early, late = (losses[:, half][learned[:, half]].mean() for half in halves)
    assert late < 1.5 * early
