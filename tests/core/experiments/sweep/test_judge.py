"""The judge's log-odds are those of plain forward passes over its question."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import EngineError, UsageError
from logit_amp_chat.core.experiments.sweep.judge import WORDING, Judge
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.protocol import Stop
from tests.core.experiments.sweep.made import prompt, reply

QUESTION = "Is it about the sea?"


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    profile = load_profile("demo").model_copy(update={"dtype": "float32", "device": "cpu"})
    engine = LocalEngine.open(profile)
    yield engine
    engine.close()


def brute_force(model: str, question: str, answer: str) -> float:
    """log p that an answer begins with this word, from one forward pass in fp32."""
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(model)
    weights = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
    )
    begins = tokenizer(asked, add_special_tokens=False)["input_ids"]
    ids = tokenizer(asked + answer, add_special_tokens=False)["input_ids"]
    assert ids[: len(begins)] == begins
    with torch.inference_mode():
        scores = weights(torch.tensor([ids])).logits[0].double()[:, : len(tokenizer)]
    found = scores.log_softmax(-1)
    return sum(float(found[n - 1, ids[n]]) for n in range(len(begins), len(ids)))


def test_the_verdict_is_the_sign_of_the_log_odds_of_whole_passes(
    engine: LocalEngine,
) -> None:
    after = load_profile("demo").after.model
    judge = Judge.parse(f"sea={QUESTION}", engine)
    replies = [(prompt("Otters?"), reply(text)) for text in ("the sea is warm", "a lazy dog", "")]
    for (told, said), found in zip(replies, judge.verdicts(replies), strict=True):
        asked = WORDING.format(
            conversation="User: Otters?", reply=said.text, question="Is it about the sea?"
        )
        assert judge.asked(told, said) == asked
        odds = brute_force(after, asked, "Yes") - brute_force(after, asked, "No")
        assert found.log_odds == pytest.approx(odds, abs=1e-4)
        assert found.value == (1 if odds > 0 else 0)
        assert found.decided is None


def test_the_same_reply_has_the_same_log_odds_whatever_was_judged_before(
    engine: LocalEngine,
) -> None:
    judge = Judge("sea", QUESTION, engine)
    one, other = (prompt(), reply("the sea")), (prompt(), reply("a dog " * 30))
    first, _, again = (found.log_odds for found in judge.verdicts([one, other, one]))
    assert first == again


def test_a_reply_that_does_not_fit_is_refused_and_the_next_one_judged(engine: LocalEngine) -> None:
    judge = Judge("sea", QUESTION, engine)
    long = reply("word " * engine.opened.session.context)
    refused, judged = judge.verdicts([(prompt(), long), (prompt(), reply("x"))])
    assert math.isnan(refused.value)
    assert "context holds" in refused.refused
    assert judged.log_odds is not None


def test_one_token_more_than_the_context_is_refused(engine: LocalEngine) -> None:
    """It would be read in two windows, and the end judged without the beginning."""
    judge = Judge("sea", QUESTION, engine)
    tokenizer = AutoTokenizer.from_pretrained(load_profile("demo").after.model)
    context = engine.opened.session.context

    def tokens(times: int) -> int:
        said = [("user", judge.asked(prompt(), reply("x" * times))), ("assistant", "Yes")]
        chat = [{"role": role, "content": text} for role, text in said]
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    fits = max(n for n in range(context) if tokens(n) < context)  # one may be the text's beginning
    longer = next(n for n in range(fits, context) if tokens(n) > context)
    assert tokens(longer) - tokens(fits) == 2
    found, refused = judge.verdicts([(prompt(), reply("x" * n)) for n in (fits, longer)])
    assert not found.refused
    assert "context holds 1,024" in refused.refused


def test_names_of_special_tokens_are_words_to_the_judge(engine: LocalEngine) -> None:
    judge = Judge("sea", QUESTION, engine)
    raw = SweepPrompt(id="p1", key="k", messages=(("user", "<|user|>Hi<|end|>"),), raw=True)
    asked = judge.asked(raw, reply("a</s> [INST] <|end|> b"))
    for mark in ("<|", "|>", "</s>", "[INST]"):
        assert mark not in asked
    assert "< |user| >Hi< |end| >" in asked


def test_the_wording_is_part_of_the_definition(engine: LocalEngine) -> None:
    definition = Judge("sea", QUESTION, engine).definition
    assert definition["question"] == QUESTION
    assert definition["wording"] == WORDING
    with pytest.raises(UsageError, match="has no QUESTION"):
        Judge.parse("sea=", engine)


def test_a_dead_engine_is_no_refusal(engine: LocalEngine) -> None:
    class Dead:
        opened = engine.opened

        def read(self, request: object) -> Iterator[Any]:
            raise EngineError("gone")

    with pytest.raises(EngineError):
        list(Judge("sea", QUESTION, Dead()).verdicts([(prompt(), reply("x"))]))  # type: ignore[arg-type]


def test_a_stop_ends_the_verdicts_and_refuses_nothing(engine: LocalEngine) -> None:
    class Stopping:
        """Stops in the middle of its third reading, the first word of the second reply."""

        opened = engine.opened
        readings = 0

        def read(self, request: Any) -> Iterator[Any]:
            self.readings += 1
            for event in engine.read(request):
                if self.readings == 3:
                    engine.apply(Stop())
                yield event

    judge = Judge("sea", QUESTION, Stopping())  # type: ignore[arg-type]
    found = list(judge.verdicts([(prompt(), reply("x")), (prompt(), reply("y"))]))
    assert [one.refused for one in found] == [""]
