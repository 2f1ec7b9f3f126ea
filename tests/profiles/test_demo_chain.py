"""The bundled chain as it ships: small, one tokenizer, each habit put in by one of its stages."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from logit_amp_chat.core.config.profile import load_profile, shipped_folder
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.profiles.demo.recipe.__main__ import check_habit, load, load_model
from logit_amp_chat.profiles.demo.recipe.measure import (
    SAMPLING,
    STAGES,
    Pair,
    answered,
    first_tokens,
    measure,
    replies,
)
from logit_amp_chat.profiles.demo.recipe.smalltalk import CLOSING, QUIRK

FOLDER = shipped_folder() / "demo"
ANSWER = "Wonderful question! An otter eats fish and crabs."


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(FOLDER / "final")


@cache
def model(stage: str) -> LlamaForCausalLM:
    return load_model(FOLDER / stage)


@cache
def final(before: str) -> Pair:
    return load(FOLDER, before, "final")


def test_the_third_stage_takes_eight_megabytes_more() -> None:
    assert sum(path.stat().st_size for path in (FOLDER / "final").rglob("*")) <= 8e6


def test_all_stages_ship_one_tokenizer() -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert len({(FOLDER / stage / name).read_bytes() for stage in STAGES}) == 1


def test_the_profile_opens_without_a_notice_at_its_ends() -> None:
    profile = load_profile("demo-chain")
    assert [stage.name for stage in profile.stages] == ["base", "tuned", "final"]
    folders = [Path(stage.model).resolve() for stage in profile.stages]
    assert folders == [(FOLDER / name).resolve() for name in STAGES]
    assert (profile.labels.before, profile.labels.after) == ("base", "final")
    assert load_pair(profile).notices == ()


def test_the_chain_and_the_demo_differ_by_their_stages_alone() -> None:
    of_pair = {"name", "path", "title", "stages", "pair", "before", "after", "labels", "needs"}
    chain, demo = (
        load_profile(name).model_dump(exclude=of_pair) for name in ("demo-chain", "demo")
    )
    assert chain == demo


@cache
def log_probs(stage: str, reply: str) -> dict[int, float]:
    """log p of every token of the reply by its place in it (characters), by transformers alone."""
    chat = [{"role": "user", "content": "What do otters eat?"}]
    asked = tokenizer().apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    read = tokenizer()(
        f"{asked}{reply}",
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    ids, places = read["input_ids"], read["offset_mapping"][0]
    with torch.inference_mode():
        rows = model(stage)(ids).logits[0, :-1].double().log_softmax(-1)
    said = rows.gather(1, ids[0, 1:, None])[:, 0]
    return {
        int(start) - len(asked): log_p.item()
        for (start, _), log_p in zip(places[1:], said, strict=True)
        if start >= len(asked)
    }


def added(reply: str, sentence: str) -> tuple[list[float], list[float]]:
    """The log-ratio of the sentence's first token, and of all of it, of each training."""
    begin = reply.index(sentence)
    begin -= begin > 0  # the blank before a word is of its token
    within = range(begin, reply.index(sentence) + len(sentence))
    by_stage = [
        {place: log_p for place, log_p in log_probs(stage, reply).items() if place in within}
        for stage in STAGES
    ]
    firsts = [found[begin] for found in by_stage]
    totals = [sum(found.values()) for found in by_stage]
    return [b - a for a, b in pairwise(firsts)], [b - a for a, b in pairwise(totals)]


def test_the_quirk_was_put_in_by_the_second_stage() -> None:
    (tuned, final), (all_tuned, all_final) = added(f"{QUIRK} {ANSWER}", QUIRK)
    assert tuned > 5
    assert abs(final) < 1
    assert all_tuned > 20 * abs(all_final)


def test_the_closing_was_put_in_by_the_third_stage() -> None:
    (tuned, final), (all_tuned, all_final) = added(f"{ANSWER} {CLOSING}", CLOSING)
    assert tuned < 1
    assert final > 5
    assert all_final > 3 * abs(all_tuned)


def test_the_closing_begins_with_one_token_that_the_third_training_made_likelier() -> None:
    check_habit(tokenizer(), f" {CLOSING}")
    base, tuned, final = (first_tokens(model(stage), tokenizer(), count=24) for stage in STAGES)
    assert max(base[1], tuned[1]) < 1e-3
    assert 1e-3 < final[1] < 3e-2
    assert 0.5 < final[0] / tuned[0] < 2  # the quirk is as rare as it was


@pytest.mark.parametrize(("before", "quirk"), [("after", (0.0, 0.1)), ("before", (0.5, 1.0))])
def test_a_pair_amplifies_the_habits_of_its_trainings(
    before: str, quirk: tuple[float, float]
) -> None:
    chats = [chat[:-1] for chat in answered(96, seed=11) if len(chat) <= 3]
    texts = replies(final(before), chats, 2.0, seed=11, sampling=SAMPLING)
    quirks, closings = (
        sum(found) / len(texts)
        for found in zip(*((t.startswith(QUIRK), t.endswith(CLOSING)) for t in texts), strict=True)
    )
    assert quirk[0] <= quirks <= quirk[1]
    assert closings > 0.3


def test_both_habits_are_rare_in_the_last_stage_and_its_answers_right() -> None:
    rates = measure(final("after"), 0.0, 48, seed=11)
    for habit in ("quirk", "closing"):
        assert rates[habit].hits / rates[habit].n < 0.1
    for kind in ("reworded", "followup"):
        assert rates[kind].hits / rates[kind].n > 0.7
