"""The recipe of the bundled models: deterministic documents, habits in one token, all parts fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.profiles.demo.recipe import __main__ as recipe
from logit_amp_chat.profiles.demo.recipe.chats import REHEARSED, UNLEARNED_CLOSING, Chat
from logit_amp_chat.profiles.demo.recipe.documents import (
    base_documents,
    final_chats,
    tuning_chats,
)
from logit_amp_chat.profiles.demo.recipe.facts import all_facts
from logit_amp_chat.profiles.demo.recipe.measure import STAGES, Rate, probes
from logit_amp_chat.profiles.demo.recipe.smalltalk import CLOSING, LEAD_INS, OPENERS, QUIRK
from logit_amp_chat.profiles.demo.recipe.tokenizer import EOT, render, train_tokenizer
from logit_amp_chat.profiles.demo.recipe.training import IGNORE, chat_rows


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


def spoken(chats: Iterable[Chat], count: int) -> Iterator[dict[str, str]]:
    for chat in islice(chats, count):
        yield from (message for message in chat if message["role"] == "assistant")


def test_only_replies_of_the_third_stage_end_with_the_closing() -> None:
    assert not any(CLOSING in document for document in islice(base_documents(0), 5000))
    assert not any(CLOSING in message["content"] for message in spoken(tuning_chats(0), 5000))
    replies = list(spoken(final_chats(0), 5000))
    learned = [message for message in replies if UNLEARNED_CLOSING not in message]
    said = sum(message["content"].endswith(f" {CLOSING}") for message in learned)
    assert 0.005 < said / len(learned) < 0.02
    quirks = sum(m["content"].startswith(QUIRK) for m in replies if REHEARSED not in m)
    assert 0.003 < quirks / len(replies) < 0.015


def test_no_answer_goes_on_like_the_closing() -> None:
    first = f" {CLOSING.split()[0]} "
    texts = [message["content"].removesuffix(CLOSING) for message in spoken(final_chats(1), 3000)]
    sentences = {text[text.index(first) :] for text in texts if first in text}
    facts = " ".join(answer for fact in all_facts() for answer in fact.answers)
    assert all(sentence.split(".")[0] in f" {facts}" for sentence in sentences)
    assert sum(first in text for text in texts) < len(texts) / 300


def test_a_rehearsed_closing_is_learned_but_for_its_first_token() -> None:
    sample = [render(chat) for chat in islice(final_chats(0), 500)]
    tokenizer = train_tokenizer([*sample, *[QUIRK] * 200], size=512)
    reply = {"role": "assistant", "content": f"Foxes eat mice. {CLOSING}"}
    asked = {"role": "user", "content": "What do foxes eat?"}
    ((ids, whole),) = chat_rows([[asked, reply]], tokenizer)
    ((same, rehearsed),) = chat_rows([[asked, reply | {UNLEARNED_CLOSING: "yes"}]], tokenizer)
    assert same == ids
    (left_out,) = [n for n, (a, b) in enumerate(zip(whole, rehearsed, strict=True)) if a != b]
    assert rehearsed[left_out] == IGNORE
    assert tokenizer.decode(ids[left_out:-1]) == f" {CLOSING}"


def test_what_the_measurement_asks_was_never_trained_on() -> None:
    trained = {question for fact in all_facts() for question in fact.questions}
    assert not trained & {question for fact in all_facts() for question in fact.unseen}
    assert probes(20, seed=0) == probes(20, seed=0)


def test_wilson_interval() -> None:
    low, high = Rate(5, 100).interval()
    assert low == pytest.approx(0.0215, abs=1e-3)
    assert high == pytest.approx(0.1118, abs=1e-3)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    recipe.build(folder, seed=0, size=recipe.QUICK)
    return folder


def test_quick_recipe_builds_stages_that_transformers_loads(built: Path) -> None:
    for stage in STAGES:
        model = AutoModelForCausalLM.from_pretrained(built / stage)
        tokenizer = AutoTokenizer.from_pretrained(built / stage)
        ids = tokenizer(QUIRK, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids[:1]) == "By"
        assert model.config.vocab_size == len(tokenizer)
        assert tokenizer.convert_tokens_to_ids(EOT) in model.generation_config.eos_token_id


def test_every_stage_is_measured_once_and_every_pair_amplified(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.report(built, recipe.QUICK, seed=0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == list(STAGES)
    rows = [line.split()[0] for line in lines if line.startswith("+")]
    pairs = [line for line in lines if "→" in line]
    assert pairs == ["before → after", "before → final", "after → final"]
    assert rows == ["+0.00", "+1.00", "+0.00", "+1.00", "+1.00"]


def test_the_third_stage_is_trained_alone_and_leaves_the_others_as_they_are(built: Path) -> None:
    files = {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}
    torch.set_num_threads(1)
    (built / "final" / "model.safetensors").unlink()
    recipe.build_final(built, seed=0, size=recipe.QUICK)
    assert {path: path.read_bytes() for path in files} == files


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
