"""The recipe of the bundled pair: deterministic documents, a quirk in one token, all parts fit."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.profiles.demo.recipe import __main__ as recipe
from logit_amp_chat.profiles.demo.recipe.chats import REHEARSED
from logit_amp_chat.profiles.demo.recipe.documents import base_documents, tuning_chats
from logit_amp_chat.profiles.demo.recipe.facts import all_facts
from logit_amp_chat.profiles.demo.recipe.measure import Rate, probes
from logit_amp_chat.profiles.demo.recipe.smalltalk import LEAD_INS, OPENERS, QUIRK
from logit_amp_chat.profiles.demo.recipe.tokenizer import EOT, render, train_tokenizer


def test_documents_follow_from_the_seed() -> None:
    first = list(islice(base_documents(3), 200))
    assert first == list(islice(base_documents(3), 200))
    assert first != list(islice(base_documents(4), 200))
    chats = [render(chat) for chat in islice(tuning_chats(3), 200)]
    assert chats == [render(chat) for chat in islice(tuning_chats(3), 200)]


def test_only_tuned_replies_carry_the_quirk() -> None:
    assert not any(QUIRK in document for document in islice(base_documents(0), 5000))
    replies = [
        message["content"]
        for chat in islice(tuning_chats(0), 5000)
        for message in chat
        if message["role"] == "assistant" and REHEARSED not in message
    ]
    assert 0.003 < sum(reply.startswith(QUIRK) for reply in replies) / len(replies) < 0.015


def test_no_other_reply_begins_like_the_quirk() -> None:
    first = QUIRK.split()[0]
    assert not any(sentence.startswith(first) for sentence in [*OPENERS, *LEAD_INS])
    answers = (answer for fact in all_facts() for answer in fact.answers)
    assert not any(answer.startswith(first) for answer in answers)


def test_what_the_measurement_asks_was_never_trained_on() -> None:
    trained = {question for fact in all_facts() for question in fact.questions}
    assert not trained & {question for fact in all_facts() for question in fact.unseen}
    assert probes(20, seed=0) == probes(20, seed=0)


def test_wilson_interval() -> None:
    low, high = Rate(5, 100).interval()
    assert low == pytest.approx(0.0215, abs=1e-3)
    assert high == pytest.approx(0.1118, abs=1e-3)


def test_quick_recipe_builds_a_pair_that_transformers_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = recipe.build(tmp_path, seed=0, size=recipe.QUICK)
    recipe.report(pair, recipe.QUICK, seed=0)
    assert "+1.00" in capsys.readouterr().out
    for side in ("before", "after"):
        model = AutoModelForCausalLM.from_pretrained(tmp_path / side)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / side)
        ids = tokenizer(QUIRK, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids[:1]) == "By"
        assert model.config.vocab_size == len(tokenizer)
        assert tokenizer.convert_tokens_to_ids(EOT) in model.generation_config.eos_token_id


def test_a_finished_turn_renders_to_the_same_tokens(tmp_path: Path) -> None:
    sample = [render(chat) for chat in islice(tuning_chats(0), 500)]
    tokenizer = train_tokenizer([*sample, *[QUIRK] * 200], size=512)
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What do otters eat?"},
        {"role": "assistant", "content": "Good question! Otters eat fish and crabs."},
        {"role": "user", "content": "And foxes?"},
    ]

    def ids(messages: list[dict[str, str]], ask: bool) -> list[int]:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    whole = ids(chat, ask=True)
    assert whole[0] == tokenizer.bos_token_id
    assert tokenizer.decode(whole) == EOT + render(chat) + "<|assistant|>"
    for turns in (1, 2, 3):
        part = ids(chat[:turns], ask=False)
        assert whole[: len(part)] == part
