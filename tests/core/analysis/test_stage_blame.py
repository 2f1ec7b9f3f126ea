"""Which stage is blamed for a token, the sums by stage, and hunks."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.analysis.stage_blame import BlamedToken, StageStats, blame_hunks
from logit_amp_chat.core.records import Document

STAGES = ("base", "sft", "dpo", "rl")
NEVER = float("-inf")


def token(*logp: float, index: int = 0, kl: tuple[float | None, ...] | None = None) -> BlamedToken:
    return BlamedToken(
        index=index,
        token=7,
        logp=logp,
        best=((1, -0.1),) * len(logp),
        kl=(0.5,) * (len(logp) - 1) if kl is None else kl,
    )


def document(words: int) -> Document:
    offsets = tuple((4 * n, 4 * n + 3) for n in range(words))
    text = " ".join("abc" for _ in range(words))
    return Document(
        id="d", text=text, tokens=words, offsets=offsets, threshold=1.0, window=9, stride=4
    )


def test_the_changes_add_up_to_the_total() -> None:
    one = token(-5.0, -3.0, -4.0, -1.0)
    assert one.changes == (2.0, -1.0, 3.0)
    assert sum(one.changes) == one.total == 4.0


@pytest.mark.parametrize(
    ("logp", "blamed", "undone"),
    [
        ((-5.0, -3.0, -4.0, -1.0), 3, False),  # most of +4
        ((-1.0, -0.5, -6.0, -4.0), 2, False),  # most of −3
        ((-9.0, -1.0, -8.9, -8.9), 1, True),  # moved and moved back: the larger move
        ((-9.0, -8.8, -1.0, -9.1), 3, True),  # the same, in the other direction
        ((-9.0, -1.0, -4.0, -4.0), 1, False),  # +5 is left of +8
        ((-9.0, -6.0, -9.5, -5.5), 3, False),  # +3.5 in all: not the stage that went against it
        ((-1.0, -1.0, -2.0, NEVER), 3, False),  # what a stage rules out is its doing alone
        ((-1.0, -1.0, NEVER, NEVER), 2, False),
        ((NEVER, -9.0, -1.0, -1.0), 1, False),
        ((NEVER, NEVER, -1.0, -1.0), 2, False),
    ],
)
def test_the_stage_that_did_most_of_it_is_blamed(
    logp: tuple[float, ...], blamed: int, undone: bool
) -> None:
    one = token(*logp)
    assert one.is_undone is undone
    assert one.blamed == blamed


def test_sums_are_by_stage_and_of_two_texts_together() -> None:
    first, both = StageStats(STAGES, 1.0), StageStats(STAGES, 1.0)
    first.add([token(-5.0, -3.0, -4.0, -1.0), token(-1.0, -1.1, -1.2, -1.3, index=1)])
    second = StageStats(STAGES, 1.0)
    second.add([token(-2.0, -5.0, -5.0, -5.0)])
    both.merge(first)
    both.merge(second)
    assert (both.documents, both.tokens, both.notable) == (2, 3, 2)
    assert [both.change(n) for n in range(4)] == pytest.approx([0.0, -1.1, -1.1, 2.9])
    assert both.total == pytest.approx(0.7)
    assert both.raised == [0, 1, 0, 1]
    assert both.lowered == [0, 1, 1, 0]
    assert both.blamed == [0, 1, 0, 1]
    assert both.mean_kl(2) == pytest.approx(0.5)


def test_a_divergence_that_is_missing_anywhere_is_missing_in_the_sum() -> None:
    stats = StageStats(STAGES, 1.0)
    stats.add([token(-1.0, -1.0, -1.0, -1.0), token(-1.0, -1.0, -1.0, -1.0, kl=(0.5, None, 0.5))])
    assert [stats.mean_kl(n) for n in range(4)] == [None, 0.5, None, 0.5]
    assert stats.figures()["stages"][2]["mean_kl"] is None  # type: ignore[index]


def tokens_of(changed: dict[int, tuple[float, ...]], words: int) -> list[BlamedToken]:
    plain = (-1.0, -1.0, -1.0, -1.0)
    return [token(*changed.get(n, plain), index=n) for n in range(words)]


SFT, DPO = (-5.0, -1.0, -1.0, -1.0), (-5.0, -5.0, -1.0, -1.0)


def test_hunks_have_context_and_join_where_they_meet() -> None:
    tokens = tokens_of({3: SFT, 6: DPO, 20: SFT}, 30)
    found = list(blame_hunks(document(30), tokens, 1.0, context=2))
    assert [[one.index for one in hunk.tokens] for hunk in found] == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [18, 19, 20, 21, 22],
    ]
    assert [(stage, [t.index for t in run]) for stage, run in found[0].runs()] == [
        (None, [1, 2]),
        (1, [3, 4, 5]),
        (2, [6, 7, 8]),
    ]
    assert found[0].changes() == (4.0, 4.0, 0.0)


def test_of_one_stage_only_what_it_did_stands_out() -> None:
    tokens = tokens_of({3: SFT, 20: DPO}, 30)
    found = list(blame_hunks(document(30), tokens, 1.0, stage=2, context=1))
    assert [[one.index for one in hunk.notable] for hunk in found] == [[20]]


def test_beside_a_stronger_token_of_another_stage_it_is_that_of_the_stage() -> None:
    tokens = tokens_of({3: (-9.0, -9.0, -1.0, -1.0), 4: SFT}, 30)
    (found,) = blame_hunks(document(30), tokens, 1.0, stage=1, context=1)
    assert [one.index for one in found.tokens] == [3, 4, 5]
    assert found.strongest.index == 4
    assert found.changes() == (4.0, 0.0, 0.0)


def test_a_hunk_does_not_go_on_across_text_that_is_not_scored() -> None:
    gapped = document(12)
    offsets = (*gapped.offsets[:6], *((a + 4, b + 4) for a, b in gapped.offsets[6:]))
    text = gapped.text[:24] + "xyz " + gapped.text[24:]
    tokens = tokens_of({5: SFT, 6: SFT}, 12)
    changed = Document(
        id="d", text=text, tokens=12, offsets=offsets, threshold=1.0, window=9, stride=4
    )
    found = list(blame_hunks(changed, tokens, 1.0, context=2))
    assert [[one.index for one in hunk.tokens] for hunk in found] == [[3, 4, 5], [6, 7, 8]]
