"""Numbers of groups of stages are joined token by token."""

from __future__ import annotations

from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.experiments.stage_columns import StageColumns, joined
from logit_amp_chat.core.reading import StageBlock


def block(*logp: tuple[float, ...]) -> StageBlock:
    """Tokens 3, 4, … under as many stages as there are numbers of each."""
    return StageBlock(
        document="d",
        stages=("base", "sft", "dpo")[: len(logp[0]) if logp else 0],
        done=1,
        total=9,
        tokens=tuple(range(3, 3 + len(logp))),
        logp=logp,
        best=tuple(tuple((90 + n, value / 2) for n, value in enumerate(row)) for row in logp),
        kl=tuple((0.5,) * (len(row) - 1) for row in logp),
    )


def columns(stages: int, *blocks: StageBlock) -> StageColumns:
    found = StageColumns(stages)
    for one in blocks:
        found.add(one)
    return found


def test_a_token_has_the_numbers_of_every_group() -> None:
    groups = [columns(2, block((-1.0, -2.0))), columns(1, block((-3.0,)))]
    assert list(joined(groups)) == [
        BlamedToken(
            index=0,
            token=3,
            logp=(-1.0, -2.0, -3.0),
            best=((90, -0.5), (91, -1.0), (90, -1.5)),
            kl=(0.5, None),
        )
    ]


def test_blocks_follow_each_other() -> None:
    found = list(joined([columns(1, block((-1.0,), (-2.0,)), block((-4.0,)))]))
    assert [(one.index, one.token, one.logp) for one in found] == [
        (0, 3, (-1.0,)),
        (1, 4, (-2.0,)),
        (2, 3, (-4.0,)),
    ]


def test_of_a_group_that_was_stopped_what_both_have() -> None:
    groups = [columns(1, block((-1.0,), (-2.0,))), columns(1, block((-3.0,)))]
    assert [one.logp for one in joined(groups)] == [(-1.0, -3.0)]


def test_a_block_without_scored_tokens_adds_none() -> None:
    assert len(columns(2, block())) == 0
