"""A text that is read in Python: the numbers of plain forward passes, here or in a process."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat import LogitAmpError, OpenPair, TextDiff, UsageError, open_pair, read_records
from logit_amp_chat.core.analysis.hunks import SAMPLE, usual_threshold
from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.text import visible
from tests.core.export.test_html import HOSTILE, Page
from tests.core.read_texts import document, finish, steps
from tests.core.samples import session

TEXT = "Otters eat fish and crabs.\nThey swim in the river, and sleep in a row.\n"
TURNS = [
    {"role": "user", "content": "Tell me about otters"},
    {"role": "assistant", "content": "They swim\nin a row."},
]


@pytest.fixture(scope="module", params=["here", "process"])
def pair(request: pytest.FixtureRequest, tiny_pair: Callable[..., Profile]) -> Iterator[OpenPair]:
    with open_pair(tiny_pair(), process=request.param == "process") as pair:
        yield pair


def forward(profile: Profile, text: str) -> tuple[list[int], list[torch.Tensor]]:
    """The ids of a text, and log-probabilities (T, V) of both sides: transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    sides = []
    for side in (profile.before, profile.after):
        model = AutoModelForCausalLM.from_pretrained(side.model, dtype=torch.float32)
        with torch.inference_mode():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0]
        sides.append(logits.double().log_softmax(-1))
    return ids, sides


def test_its_table_has_the_numbers_of_plain_forward_passes(pair: OpenPair) -> None:
    table = pair.diff(TEXT, alpha=[1.5, -2]).to_pandas()
    ids, (before, after) = forward(pair.profile, TEXT)
    assert list(table["token"]) == ids[1:]  # nothing comes before the first
    for row, token in enumerate(ids[1:]):
        found, b, a = table.iloc[row], before[row], after[row]
        assert found["logp_before"] == pytest.approx(float(b[token]), abs=1e-4)
        assert found["logp_after"] == pytest.approx(float(a[token]), abs=1e-4)
        assert found["log_ratio"] == pytest.approx(float(a[token] - b[token]), abs=1e-4)
        assert found["kl"] == pytest.approx(float((a.exp() * (a - b)).sum()), abs=1e-4)
        assert found["rank_after"] == 1 + int((a > a[token]).sum())
        for alpha in (1.5, -2.0):
            mixed = (a + alpha * (a - b)).log_softmax(-1)
            assert found[f"logp_at_{alpha!r}"] == pytest.approx(float(mixed[token]), abs=1e-4)


def test_the_offsets_of_a_table_are_those_of_the_text(pair: OpenPair) -> None:
    table = pair.diff(TEXT).to_pandas()
    assert (
        "".join(TEXT[a:b] for a, b in zip(table["start"], table["end"], strict=True))
        == (TEXT[table["start"].iloc[0] :])
    )
    for line, column, start in zip(table["line"], table["column"], table["start"], strict=True):
        before = TEXT[:start].split("\n")
        assert (line, column) == (len(before), len(before[-1]) + 1)
    assert not [name for name in table.columns if name.startswith("logp_at")]


def test_its_figures_are_sums_over_its_steps(pair: OpenPair) -> None:
    found = pair.diff(TEXT)
    assert found.text == TEXT
    assert found.stats.tokens == len(found.steps) == len(found.document.offsets)
    ratios = [step.logp.after - step.logp.before for step in found.steps]
    assert found.stats.log_ratio == pytest.approx(sum(ratios))
    assert found.finish.reason == "length"
    assert repr(found).startswith(f"<diff of text: {len(ratios)} tokens, log-ratio ")


def test_the_usual_threshold_is_that_of_the_first_thousand_tokens(pair: OpenPair) -> None:
    """As the command chooses it; tests/core/analysis/test_hunks.py says how."""
    found = pair.diff(TEXT * 10)
    ratios = [step.logp.after - step.logp.before for step in found.steps]
    assert len(ratios) < SAMPLE
    assert found.document.threshold == usual_threshold([ratios]) > 1
    assert len(found.hunks) >= 3


def test_a_threshold_makes_the_hunks(pair: OpenPair) -> None:
    """Without context and with a threshold of 0 every token stands out."""
    found = pair.diff(TEXT, threshold=0, context=0)
    assert [step for hunk in found.hunks for step in hunk.steps] == list(found.steps)
    assert all(step.top for step in found.steps)
    assert pair.diff(TEXT, threshold=math.inf).hunks == ()


def test_candidates_are_where_they_were_asked_for(pair: OpenPair) -> None:
    none = pair.diff(TEXT, threshold=1e9)
    assert not any(step.top for step in none.steps)
    every = pair.diff(TEXT, threshold=1e9, everywhere=True, top=3)
    assert all(len(step.top) >= 3 for step in every.steps)


def test_of_a_chat_the_assistants_tokens_are_scored(pair: OpenPair) -> None:
    found = pair.diff(TURNS)
    table = found.to_pandas()
    said = [found.text[a:b] for a, b in zip(table["start"], table["end"], strict=True)]
    assert "".join(said).startswith("They swim\nin a row.")
    own = table[table["message"] == 2]
    assert (own["line"].iloc[0], own["column"].iloc[0]) == (1, 1)
    assert own["line"].iloc[-1] == 2
    whole = pair.diff(TURNS, score="all")
    assert len(whole.steps) > len(found.steps)
    assert whole.text == found.text


def test_windows_are_those_that_were_asked_for(pair: OpenPair) -> None:
    found = pair.diff(TEXT, window=16, stride=4)
    assert (found.document.window, found.document.stride) == (16, 4)
    assert len(found.steps) == len(pair.diff(TEXT).steps)


def test_files_are_read_one_by_one_with_one_threshold(pair: OpenPair, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(TEXT * (1 if name == "a" else 2))
    found = list(pair.diff_files(tmp_path))
    assert [Path(one.document.source).name for one in found] == ["a.txt", "b.txt"]
    assert len({one.document.threshold for one in found}) == 1
    assert [s.logp for s in found[0].steps] == [
        s.logp for s in pair.diff(tmp_path / "a.txt", threshold=2).steps
    ]


def test_a_text_that_cannot_be_read_is_a_warning_and_the_next_is_read(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one bad"}\n{"text": "one good"}\n')
    with open_pair(tiny_pair()) as pair:
        read = pair.engine.read

        def choosy(request: Any) -> Iterator[Any]:
            if "bad" in request.content.text:
                raise LogitAmpError("It is bad.", "Leave it out.")
            return read(request)

        pair.engine.read = choosy  # type: ignore[method-assign]
        with pytest.warns(UserWarning, match=r"Not read: .*a\.jsonl .*: It is bad\."):
            (found,) = pair.diff_files(path)
        assert found.text == "one good"
        with pytest.raises(LogitAmpError, match="It is bad"):
            pair.diff("one bad")


def test_what_a_pair_cannot_read_is_an_error(pair: OpenPair) -> None:
    with pytest.raises(UsageError, match="A window of 9,999 tokens cannot be read"):
        pair.diff(TEXT, window=9999)
    with pytest.raises(LogitAmpError, match="not valid Unicode"):
        pair.diff("half of a pair: \ud83e")
    assert pair.diff(TEXT).steps  # the pair goes on


def test_it_is_saved_as_the_command_prints_it(pair: OpenPair, tmp_path: Path) -> None:
    found = pair.diff(TEXT)
    found.save(tmp_path / "read.jsonl")
    assert read_records(tmp_path / "read.jsonl") == list(found.records)
    kinds = [record.type for record in found.records]
    assert kinds == ["session", "document", *["step"] * len(found.steps), "finish"]
    assert len(Page(to_html(found.records)).named("article")) == len(found.hunks)


@pytest.mark.parametrize("process", [False, True])
def test_an_interrupt_ends_it_where_it_is(tiny_pair: Callable[..., Profile], process: bool) -> None:
    """The first ctrl+c while a long text is read in many windows."""
    with open_pair(tiny_pair(), process=process) as pair:
        began = threading.Event()
        read = pair.engine.read

        def watched(request: Any) -> Iterator[Any]:
            for number, event in enumerate(read(request)):
                if number == 2:
                    began.set()
                    os.kill(os.getpid(), signal.SIGINT)
                yield event

        pair.engine.read = watched  # type: ignore[method-assign]
        found = pair.diff(TEXT * 50, threshold=2, window=16, stride=4)
        assert began.is_set()
        assert found.finish.reason == "cancelled"
        assert 0 < len(found.steps) == found.stats.tokens < len(found.document.offsets)
        assert TEXT[-20:] in Fragment(found).text


def test_an_interrupt_before_anything_was_read_is_one(tiny_pair: Callable[..., Profile]) -> None:
    with open_pair(tiny_pair()) as pair:
        read = pair.engine.read

        def interrupted(request: Any) -> Iterator[Any]:
            os.kill(os.getpid(), signal.SIGINT)
            return read(request)

        pair.engine.read = interrupted  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            pair.diff(TEXT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_pandas_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        shown([("a", 0.0)]).to_pandas()


# --- in a notebook --------------------------------------------------------------


class Fragment(Page):
    """What a notebook shows of a text."""

    def __init__(self, diff: TextDiff) -> None:
        super().__init__(diff._repr_html_())

    @property
    def text(self) -> str:  # type: ignore[override]
        return "".join(text for place, text in self.texts if place == "span.")


def shown(words: list[tuple[str, float]], **fields: object) -> TextDiff:
    read = document(words, **fields)
    return TextDiff(
        session=session(),
        document=read,
        steps=tuple(steps(words)),
        hunks=(),
        stats=TextStats(2.0),
        finish=finish(len(words)),
    )


def test_a_notebook_shows_the_whole_text_with_what_is_not_scored_in_grey() -> None:
    one = shown([("said ", 0.0), ("so", 3.0)])
    read = dataclasses.replace(one.document, text=f"user: {one.text}<|end|>",
                               offsets=((6, 11), (11, 13)))  # fmt: skip
    fragment = Fragment(dataclasses.replace(one, document=read))
    assert fragment.text == read.text
    spans = fragment.named("span")
    assert ["title" in attributes for attributes in spans] == [False, True, True, False]
    assert "color:#8a8a8a" in spans[0]["style"]
    assert "KL 0.50" in spans[1]["title"]
    assert "after wanted “so” 1.000  “ other” 0.250" in spans[2]["title"]
    assert "coloured by Δ log p" in one._repr_html_()


def test_a_character_that_several_tokens_share_is_shown_once() -> None:
    one = shown([("水", 0.0), ("", 0.0), ("獺", 0.0)])
    read = dataclasses.replace(one.document, offsets=((0, 1), (0, 1), (1, 2)))
    assert Fragment(dataclasses.replace(one, document=read)).text == "水獺"


def test_a_long_text_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logit_amp_chat.core.export.notebook.MOST_TOKENS", 2)
    fragment = shown([("a", 0.0)] * 5)._repr_html_()
    assert fragment.count("<span title=") == 2
    assert "3 more tokens" in fragment


@pytest.mark.parametrize("text", HOSTILE)
def test_a_notebook_shows_text_as_text(text: str) -> None:
    fragment = Fragment(shown([(text, 3.0), (text, 0.0)], source=text))
    assert {tag for tag, _ in fragment.elements} == {"div", "span"}
    assert {name for _, a in fragment.elements for name in a} <= {"title", "style", "dir"}
    assert fragment.text == visible(text) * 2
    assert not re.search("[\x00-\x08\x1b\u202e\u2028\x9b]", shown([(text, 3.0)])._repr_html_())
