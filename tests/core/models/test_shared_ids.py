"""Which ids of two tokenizers may be sampled, and what is shown where their names differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Finish, Message, PromptIds, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from tests.models import save_side, tiny_tokenizer

RESERVED = ("<|reserved_0|>", "<|reserved_1|>")
CHATML = ("<|im_start|>", "<|im_end|>")
RENAMED = {"<|user|>": "<|User|>", "<|system|>": "<|think|>"}
START, END = 512, 513  # the two ids after the words
ROWS = 576
QUESTION = Message(id="m", parent=None, role="user", text="Tell me about otters")


def save(
    folder: Path,
    seed: int,
    added: tuple[str, ...] = (),
    eos: int = 4,
    rows: int = ROWS,
    renamed: dict[str, str] | None = None,
) -> Path:
    """A side that calls the ids after its words `added`, and some of its words otherwise."""
    save_side(folder, seed=seed, rows=rows)
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(added)})
    tokenizer.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / file).read_text()
        for old, new in (renamed or {}).items():
            text = text.replace(old, new)
        (folder / file).write_text(text)
    settings = folder / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"eos_token_id": eos}))
    return folder


def profile(before: Path, after: Path, **more: Any) -> Profile:
    sides = {"before": {"model": str(before)}, "after": {"model": str(after)}}
    return Profile.model_validate(
        {**sides, "name": "t", "dtype": "float32", "device": "cpu", **more}
    )


@pytest.fixture(scope="module")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A base model with reserved ids, and a fine-tune that ends its turns with one of them."""
    folder = tmp_path_factory.mktemp("chatml")
    return profile(save(folder / "before", 1, RESERVED), save(folder / "after", 2, CHATML, eos=END))


def answer(subject: Profile, *alphas: float, **how: Any) -> list[Any]:
    request = Request(
        messages=(QUESTION,),
        lanes=tuple(Lane(reply=f"r{n}", name=str(n), alpha=a) for n, a in enumerate(alphas)),
        sampling=Sampling.model_validate({"temperature": 0.0, "max_new_tokens": 4, **how}),
        top=600,
    )
    return list(LocalEngine.open(subject).generate(request))


def oracle(side: str, ids: tuple[int, ...]) -> torch.Tensor:
    """log p of the next token over every id that a tokenizer names, by transformers alone."""
    model = AutoModelForCausalLM.from_pretrained(side, dtype=torch.float32)
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids])).logits
    return logits[0, -1, : END + 1].log_softmax(-1)


def test_an_id_that_the_sides_name_apart_has_its_probability(chatml: Profile) -> None:
    events = answer(chatml, 0.0)
    prompt = next(e for e in events if isinstance(e, Reply)).prompt.after
    first = next(e for e in events if isinstance(e, Step))
    found = {c.id: c for c in first.top}
    for name in ("before", "after"):
        expected = oracle(getattr(chatml, name).model, prompt)
        assert [getattr(found[i], name) for i in (START, END)] == pytest.approx(
            expected[[START, END]].tolist(), abs=1e-4
        )


def test_after_s_end_of_turn_ends_a_reply(chatml: Profile) -> None:
    pair = load_pair(chatml)
    assert pair.end_of_turn == {4, END}
    request = Request(
        messages=(QUESTION,),
        lanes=(Lane(reply="r", name="after", alpha=0.0),),
        sampling=Sampling(max_new_tokens=8),
        forced=(40, END, 41),
    )
    events = list(LocalEngine(chatml, pair).generate(request))
    assert [e.token for e in events if isinstance(e, Step)] == [40, END]
    assert [e.reason for e in events if isinstance(e, Finish)] == ["stop"]


def test_it_is_shown_with_after_s_name_as_a_special_token(chatml: Profile) -> None:
    assert load_pair(chatml).token_bytes.describe(END) == ("<|im_end|>", None, True)


def test_the_other_names_are_a_notice(chatml: Profile) -> None:
    (notice,) = (n for n in load_pair(chatml).notices if "name" in n)
    assert "2 of 514 ids" in notice
    assert "512: '<|reserved_0|>' / '<|im_start|>'" in notice
    assert "513: '<|reserved_1|>' / '<|im_end|>'" in notice


def test_a_long_list_of_other_names_is_shortened(tmp_path: Path) -> None:
    before = save(tmp_path / "b", 1, tuple(f"<|reserved_{n}|>" for n in range(40)))
    after = save(tmp_path / "a", 2, tuple(f"<|tool_{n}|>" for n in range(40)))
    (notice,) = (n for n in load_pair(profile(before, after)).notices if "name" in n)
    assert "40 of 552 ids" in notice
    assert notice.count("<|tool_") == 4
    assert "and 36 more" in notice


def test_an_id_that_one_tokenizer_alone_names_is_an_ordinary_one(tmp_path: Path) -> None:
    before, after = save(tmp_path / "b", 1), save(tmp_path / "a", 2, CHATML, eos=END)
    for sides in ((before, after), (after, before)):
        pair = load_pair(profile(*sides))
        assert pair.valid is not None
        assert pair.valid.nonzero().flatten().tolist() == list(range(END + 1))
        assert pair.end_of_turn == {4, END}
        assert pair.token_bytes.describe(END) == ("<|im_end|>", None, True)
        (notice,) = (n for n in pair.notices if "name" in n)
        assert "513: '<|im_end|>'" in notice


def test_an_end_of_turn_without_a_name_counts(tmp_path: Path) -> None:
    before, after = save(tmp_path / "b", 1), save(tmp_path / "a", 2, eos=520)
    pair = load_pair(profile(before, after))
    assert pair.valid is not None
    assert pair.valid.nonzero().flatten().tolist() == [*range(512), 520]
    assert pair.end_of_turn == {4, 520}


def test_an_end_of_turn_that_one_head_has_no_row_for_is_said(tmp_path: Path) -> None:
    before = save(tmp_path / "b", 1, rows=512)
    after = save(tmp_path / "a", 2, CHATML, eos=END)
    pair = load_pair(profile(before, after))
    assert pair.end_of_turn == {4}
    assert any("513 '<|im_end|>'" in n and "end of turn" in n for n in pair.notices)


class TestById:
    """Pairs whose special tokens were renamed, as the distillates of R1."""

    @pytest.fixture(scope="class")
    def sides(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("renamed")
        return save(folder / "b", 1), save(folder / "a", 2, renamed=RENAMED)

    def test_without_it_the_refusal_names_the_option(self, sides: tuple[Path, Path]) -> None:
        with pytest.raises(PairError, match="2 ids mean different tokens") as refused:
            load_pair(profile(*sides))
        assert "--vocabulary by-id" in refused.value.remedy
        assert "vocabulary: by-id" in refused.value.remedy

    def test_with_it_ids_are_what_they_are_and_after_names_them(
        self, sides: tuple[Path, Path]
    ) -> None:
        pair = load_pair(profile(*sides, vocabulary="by-id"))
        assert pair.valid is not None
        assert pair.valid.nonzero().flatten().tolist() == list(range(512))
        assert pair.token_bytes.describe(1)[0] == "<|User|>"
        (notice,) = (n for n in pair.notices if "name" in n)
        assert "2 of 512 ids" in notice

    def test_other_words_are_counted(self, tmp_path: Path) -> None:
        before, after = save(tmp_path / "b", 1), save(tmp_path / "a", 2)
        rules = json.loads((after / "tokenizer.json").read_text())
        words = rules["model"]["vocab"]
        tokens = sorted(words, key=words.get)[300:400]
        for token, place in zip(tokens, range(399, 299, -1), strict=True):
            words[token] = place
        (after / "tokenizer.json").write_text(json.dumps(rules))
        with pytest.raises(PairError, match="100 ids mean different tokens"):
            load_pair(profile(before, after))
        pair = load_pair(profile(before, after, vocabulary="by-id"))
        assert any("100 of 512 ids" in n and "ordinary words" in n for n in pair.notices)

    def test_other_cuts_are_a_notice(self, tmp_path: Path) -> None:
        before, after = save(tmp_path / "b", 1), save(tmp_path / "a", 2)
        rules = json.loads((after / "tokenizer.json").read_text())
        rules["normalizer"] = {"type": "Lowercase"}
        (after / "tokenizer.json").write_text(json.dumps(rules))
        pair = load_pair(profile(before, after, vocabulary="by-id"))
        assert any("tokenize the same text differently" in n for n in pair.notices)

    def test_it_is_recorded_with_the_session(self, sides: tuple[Path, Path]) -> None:
        opened = LocalEngine.open(profile(*sides, vocabulary="by-id")).opened
        assert opened.session.profile["vocabulary"] == "by-id"


def test_a_prompt_may_hold_such_an_id(chatml: Profile) -> None:
    engine = LocalEngine.open(chatml)
    prompt = PromptIds((START, 40), (START, 40))
    reply = Reply(
        id="r",
        parent=None,
        lane="after",
        alpha=0.0,
        seed=0,
        turn=0,
        sampling=Sampling(temperature=0.0, max_new_tokens=1),
        prompt=prompt,
    )
    step = next(e for batch in engine.decode([reply]) for e in batch if isinstance(e, Step))
    expected = oracle(chatml.after.model, prompt.after)
    assert step.token == int(expected.argmax())
    assert step.logp.after == pytest.approx(float(expected.max()), abs=1e-4)
