"""`blame`: texts, stages, tables, a page; the numbers are those of plain forward passes."""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from logit_amp_chat import ChainBlame, LogitAmpError, UsageError, blame
from logit_amp_chat.core.api.diff_request import Text
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.experiments.blame import Blame, Reading
from logit_amp_chat.core.models.document_tokens import DocumentTokens, document_tokens
from logit_amp_chat.core.models.stage_store import StageStore
from logit_amp_chat.core.reading import PlainText
from tests.chains import NAMES, plain_log_probs, three_stages
from tests.models import tiny_tokenizer

TEXT = "Otters eat fish and crabs."
OTHER = "The sea is blue."
CHAT = [{"role": "user", "content": "fish?"}, {"role": "assistant", "content": OTHER}]
TEXTS: list[Text] = [TEXT, CHAT]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    torch.set_num_threads(1)
    return three_stages(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def found(profile: Profile) -> ChainBlame:
    return blame(profile, TEXTS, threshold=0.5, context=1)


def hold(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(StageStore, "held", lambda self, names=None: most)


def logp(one: ChainBlame) -> list[tuple[float, ...]]:
    return [token.logp for text in one for token in text.tokens]


def test_every_number_is_that_of_a_plain_forward_pass(found: ChainBlame, profile: Profile) -> None:
    ids = list(tiny_tokenizer()(TEXT, add_special_tokens=False)["input_ids"])
    assert [one.token for one in found[0].tokens] == ids[1:]
    valid = torch.arange(512) < len(tiny_tokenizer())
    for n, stage in enumerate(profile.stages):
        plain = plain_log_probs(stage, ids[:-1], 512, valid)
        expected = plain.gather(-1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
        assert [one.logp[n] for one in found[0].tokens] == pytest.approx(expected, abs=1e-4)


def test_the_changes_of_the_stages_add_up_to_that_of_the_chain(found: ChainBlame) -> None:
    for text in found:
        parts = [text.stats.change(n) for n in range(1, len(NAMES))]
        whole = sum(one.logp[-1] - one.logp[0] for one in text.tokens)
        assert sum(parts) == pytest.approx(whole, abs=1e-4)
        assert text.stats.total == pytest.approx(whole, abs=1e-4)


def test_of_a_chat_the_reply_is_scored(found: ChainBlame) -> None:
    chat = found[1]
    text = "".join(chat.text[a:b] for a, b in chat.document.offsets)
    assert text.startswith(OTHER)
    assert (len(found), found.complete, found.stats.documents) == (2, True, 2)
    assert found.stats.tokens == len(found[0].tokens) + len(chat.tokens)


@pytest.mark.parametrize("most", [1, 2])
def test_with_less_memory_the_numbers_are_the_same_and_kl_is_missing_between_groups(
    most: int, found: ChainBlame, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, most)
    parts = blame(profile, TEXTS, threshold=0.5)
    for row, whole in zip(logp(parts), logp(found), strict=True):
        assert row == pytest.approx(whole, abs=1e-5)
    sft, dpo = parts.stats.kl[1:]
    assert (sft is None, dpo is None) == (most == 1, True)
    assert None not in found.stats.kl


def test_hunks_are_what_stands_out_with_the_tokens_around(found: ChainBlame) -> None:
    for text in found:
        notable = set()
        for one in text.tokens:
            moves = [*itertools.pairwise(one.logp), (one.logp[0], one.logp[-1])]
            if max(abs(b - a) for a, b in moves) >= 0.5:
                notable.add(one.index)
        shown = {one.index for hunk in text.hunks for one in hunk.notable}
        assert shown == notable
        assert notable, "random changes of weights move tokens"


def test_a_token_names_the_stage_that_did_most_of_it(found: ChainBlame) -> None:
    text = found[0]
    for one in text.tokens:
        sft, dpo = (b - a for a, b in itertools.pairwise(one.logp))
        if sft * dpo > 0:  # both in one direction
            assert text.stage_of(one) == ("sft" if abs(sft) >= abs(dpo) else "dpo")


def test_tables_have_a_row_a_token_and_a_row_a_stage(found: ChainBlame) -> None:
    pytest.importorskip("pandas")
    table = found.to_pandas()
    assert len(table) == found.stats.tokens
    assert set(table["place"]) == {"text 1", "text 2"}
    assert (table["change_sft"] + table["change_dpo"] - table["total"]).abs().max() < 1e-4
    assert len(found[0].to_pandas()) == len(found[0].tokens)
    stats = found.stats_to_pandas()
    assert list(stats["stage"]) == [*NAMES, *NAMES]
    first = stats[stats["place"] == "text 1"]
    assert first["log_ratio"].sum() == pytest.approx(found[0].stats.total, abs=1e-4)


def test_kl_that_was_not_measured_is_missing_in_the_table(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    hold(monkeypatch, 1)
    table = blame(profile, TEXT).to_pandas()
    assert table["kl_sft"].isna().all()
    assert table["kl_sft"].dtype == "float64"


def test_a_notebook_shows_each_text_and_what_stages_wanted(found: ChainBlame) -> None:
    html = found._repr_html_()
    assert TEXT in re.sub(r"<sub>.*?</sub>|<[^>]*>", "", html)
    assert "<script" not in html
    assert 'title="base: p ' in html
    assert "wanted" in html
    assert repr(found).startswith("<blame of 2 texts: ")
    assert repr(found[0]).startswith("<blame of text 1: ")


def test_a_page_has_every_text(found: ChainBlame, tmp_path: Path) -> None:
    found.save_html(tmp_path / "blame.html")
    page = (tmp_path / "blame.html").read_text()
    assert "base → sft → dpo" in page
    assert page.count("<section>") == 2


def test_a_path_is_read_as_diff_reads_it(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_text(OTHER)
    read = blame(profile, tmp_path)
    assert [Path(one.document.source).name for one in read] == ["a.txt", "b.txt"]


def test_a_part_of_the_chain(profile: Profile, found: ChainBlame) -> None:
    part = blame(profile, TEXT, first="sft")
    assert part.stages == ("sft", "dpo")
    ends = [one.logp[1:] for one in found[0].tokens]
    for one, whole in zip(part[0].tokens, ends, strict=True):
        assert one.logp == pytest.approx(whole, abs=1e-5)


def test_the_sides_of_a_pair_are_stages() -> None:
    read = blame("demo", "By the way, the lighthouse sees everything.")
    assert read.stages == ("before", "after")
    assert read.stats.total > 0


@pytest.mark.parametrize(
    ("texts", "options", "why"),
    [
        ([], {}, "There is no text to read"),
        (CHAT[0], {}, "A message stands where"),
        (CHAT, {}, "A message stands where"),
        ("", {}, "There is nothing to score"),
        (TEXT, {"alpha": 1}, "There is no option alpha. There are score, threshold"),
        (TEXT, {"threshold": -1}, "threshold: expected a number of nats"),
        (TEXT, {"window": 0}, "window: expected a whole number"),
    ],
)
def test_what_cannot_be_read_is_refused(
    texts: Any, options: dict[str, Any], why: str, profile: Profile
) -> None:
    with pytest.raises(UsageError, match=why):
        blame(profile, texts, **options)


def test_a_stage_that_there_is_not_is_refused(profile: Profile) -> None:
    with pytest.raises(ProfileError, match="has no stage 'rl'"):
        blame(profile, TEXT, last="rl")


def test_the_only_text_that_cannot_be_read_is_an_error(profile: Profile) -> None:
    with pytest.raises(LogitAmpError, match="A window of 1 tokens"):
        blame(profile, TEXT, window=1)


def test_of_several_what_cannot_be_read_is_a_warning(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokens(content: Any, *args: Any, **options: Any) -> DocumentTokens:
        if content == PlainText(text=OTHER):
            raise LogitAmpError("It is not certain which tokens these are.")
        return document_tokens(content, *args, **options)

    monkeypatch.setattr("logit_amp_chat.core.engine.stage_engine.document_tokens", tokens)
    with pytest.warns(UserWarning, match="Not read: text 2: It is not certain"):
        read = blame(profile, [TEXT, OTHER])
    assert [one.text for one in read] == [TEXT]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """ctrl+c at the first block of the second text under the last stages."""
    events = Blame.__iter__

    def iterate(self: Blame) -> Iterator[Any]:
        for event in events(self):
            yield event
            if isinstance(event, Reading) and event.stages[-1] == "dpo":
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Blame, "__iter__", iterate)


@pytest.mark.usefixtures("interrupted")
def test_an_interrupt_returns_what_all_stages_have_read(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, 2)
    read = blame(profile, [TEXT, OTHER], threshold=0.5)
    assert not read.complete
    assert [one.text for one in read] == [TEXT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
