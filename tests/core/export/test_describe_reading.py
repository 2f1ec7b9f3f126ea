"""What every document says of a text that was read."""

from __future__ import annotations

import dataclasses
import math

import pytest

from logit_amp_chat.core.export import describe_reading
from logit_amp_chat.core.export.readings import Passage, Reading, read_documents
from logit_amp_chat.core.records import Record
from tests.core import samples
from tests.core.read_texts import Word, document, finish, reading, steps


def only(*records: Record) -> Reading:
    (found,) = read_documents(records)
    return found


def passage(*words: Word) -> Passage:
    (found,) = only(*reading(words)).passages.values()
    return found


def facts(*records: Record) -> list[str]:
    return list(describe_reading.facts(only(*records), None))


def test_the_facts_of_a_text() -> None:
    """log p is −3 a token under before, −3 and −1 under after."""
    assert facts(*reading([("a", 0.0), ("b", 2.0)])) == [
        "2 scored tokens of 3",
        "log-ratio +2.00 nats · perplexity 20.09 before, 7.389 after"
        " · KL(after‖before) mean 1.00, max 1.50 nats",
        "1 token (50.0%) with |log-ratio| ≥ 2 nats: 1 likelier under after, 0 less likely",
    ]


def test_the_perplexity_at_the_first_alpha_is_there_unless_it_is_that_of_after() -> None:
    at_two = [("a", 1.0)]
    assert "α +2: perplexity 7.389, log p −2.00" in facts(*reading(at_two, alphas=(2.0,)))
    assert not any("α" in line for line in facts(*reading(at_two, alphas=(0.0,))))


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (None, "cut off after 1 of 2 scored tokens"),
        (finish(1, reason="cancelled"), "stopped after 1 of 2 scored tokens"),
        (finish(2), "incomplete: 1 of 2 scored tokens"),
    ],
)
def test_a_text_that_is_not_whole_says_so(ending: Record | None, said: str) -> None:
    words = [("a", 0.0), ("b", 0.0)]
    records = [document(words), *steps(words[:1]), *([ending] if ending else [])]
    assert facts(*records)[0].endswith(f" · {said}")


def test_a_text_without_a_token_has_no_means() -> None:
    said = facts(*reading([]))
    assert "perplexity – before, – after · KL(after‖before) mean –" in said[1]
    assert said[2].startswith("0 tokens (–)")


def test_impossible_tokens_make_a_perplexity_infinite() -> None:
    assert "perplexity 20.09 before, ∞ after" in facts(*reading([("a", -math.inf)]))[1]


def test_another_pair_than_the_documents_is_named() -> None:
    session = samples.session()
    other = dataclasses.replace(session, device="cuda")
    found = only(other, *reading([("a", 0.0)]))
    assert not any("org/base" in line for line in describe_reading.facts(found, other))
    said = list(describe_reading.facts(found, session))
    assert said[:2] == [
        "before: org/base@abc · bfloat16 · nf4",
        "after: org/base@abc · bfloat16 · nf4",
    ]


@pytest.mark.parametrize(
    ("source", "place", "title"),
    [("a.txt", "", "a.txt"), ("a.jsonl", "chat 3", "a.jsonl chat 3"), ("", "", "text"),
     ("\x1b[31ma\n", "", "␛[31ma␊")],
)  # fmt: skip
def test_a_text_is_called_by_its_file_and_place(source: str, place: str, title: str) -> None:
    assert describe_reading.title(document([], source=source, place=place)) == title


def test_tokens_that_stand_out_are_marked_as_the_command_marks_them() -> None:
    pieces = describe_reading.pieces(
        passage(("so ", 0.0), ("\n\n", 2.0), ("low", -2.5), ("\n", 1.0))
    )
    assert "".join(one.marked + one.breaks for one in pieces) == "so {+␊␊+}\n\n[-low-]\n"


def test_a_token_that_the_text_does_not_show_is_shown_as_itself() -> None:
    read = document([("", 2.0)])
    (one,) = steps([("<|end|>", 2.0)])
    (found,) = only(read, one, finish(1)).passages.values()
    (piece,) = describe_reading.pieces(found)
    assert piece.marked == "{+<|end|>+}"


def test_hostile_tokens_are_visible() -> None:
    pieces = describe_reading.pieces(passage(("\x1b]0;x\x07", 0.0), ("\u202e", 3.0)))
    assert "".join(one.marked + one.breaks for one in pieces) == "␛]0;x␇{+‹RLO›+}"


def test_the_strongest_token_and_what_each_side_wanted() -> None:
    """“ so” has p = e⁻³ under before and e⁻¹ under after, “ other” 0.5 and 0.25."""
    found = passage((" so", 2.0), (" x", 0.0))
    assert describe_reading.strongest(*found.strongest) == "“ so” +2.00 nats, p 0.050 → 0.368"
    assert list(describe_reading.wanted(found.strongest[0].top)) == [
        ("before", "“ other” 0.500  “ so” 0.050"),
        ("after", "“ so” 0.368  “ other” 0.250"),
    ]
    assert list(describe_reading.wanted(found.steps[1].top)) == []


def test_a_hunk_has_the_log_ratio_and_the_mean_divergence_of_what_stands_out() -> None:
    said = describe_reading.figures(passage((" so", 2.0), (" x", -0.5)))
    assert said == "log-ratio +2.00 · mean KL 0.50"


def several(*texts: list[Word]) -> list[Record]:
    read = [reading(words, id=f"d-{n}", source=f"{n}.txt") for n, words in enumerate(texts)]
    return [record for text in read for record in text]


def test_of_several_texts_those_that_differ_most_come_first_and_all_together_last() -> None:
    """KL is 0.5 at the first token and 1 more at every further one; log p is −3 under before."""
    texts = [[("a", 0.0)], [("a", 1.0), ("b", 2.0)], []]
    read = read_documents(several(*texts))
    rows = describe_reading.overview(read)
    assert [reading for reading, _ in rows] == [read[1], read[0], read[2], None]
    assert [cells for _, cells in rows] == [
        ("1.txt", "2", "20.09", "4.482", "+3.00", "1.00", "1.50", "1 (50.0%)"),
        ("0.txt", "1", "20.09", "20.09", "0.00", "0.50", "0.50", "0 (0.0%)"),
        ("2.txt", "0", "–", "–", "0.00", "–", "0.00", "0 (–)"),
        ("all 3 texts", "3", "20.09", "7.389", "+3.00", "0.83", "1.50", "1 (33.3%)"),
    ]


def test_of_many_texts_the_overview_has_the_first_and_all_together() -> None:
    rows = describe_reading.overview(read_documents(several(*[[("a", 0.0)]] * 70)))
    assert len(rows) == describe_reading.ROWS + 1
    assert rows[-1][1][:2] == ("all 70 texts", "70")


def test_there_is_no_overview_of_one_text_or_of_several_pairs() -> None:
    session = samples.session()
    other = dataclasses.replace(session, id="s-2", device="cuda")
    again = dataclasses.replace(session, id="s-3", time="2026")
    one, two = reading([("a", 0.0)]), reading([("b", 0.0)], id="d-2")
    assert describe_reading.overview(read_documents([session, *one])) == []
    assert describe_reading.overview(read_documents([session, *one, other, *two])) == []
    assert len(describe_reading.overview(read_documents([session, *one, again, *two]))) == 3
