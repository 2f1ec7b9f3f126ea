"""Work units: every draw is in one block, and what a lost worker lacked is in another."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.experiments.sweep.workers.blocks import SMALLEST, TRIES, Block, Blocks
from logit_amp_chat.core.records import Message, PromptIds
from logit_amp_chat.core.samples import (
    Draw,
    Given,
    PromptRead,
    RescoreRequest,
    SamplePrompt,
    SampleRequest,
)
from logit_amp_chat.core.sampling import Sampling

PROMPTS = tuple(
    SamplePrompt(messages=(Message(id=f"m{n}", parent=None, role="user", text=f"{n}"),))
    for n in range(10)
)


def request(draws: int, rows: int | None = None) -> SampleRequest:
    """As many to each of the prompts, one prompt after the other."""
    every = [
        Draw(reply=f"r{n}", prompt=n * len(PROMPTS) // draws, alpha=0.0, seed=n)
        for n in range(draws)
    ]
    return SampleRequest(prompts=PROMPTS, draws=tuple(every), sampling=Sampling(), rows=rows)


def all_of(blocks: Blocks) -> list[Block]:
    return list(iter(blocks.take, None))


def draws_of(block: Block) -> list[Draw]:
    assert isinstance(block.request, SampleRequest)
    return list(block.request.draws)


def test_every_draw_is_in_one_block_and_the_blocks_become_smaller() -> None:
    found = all_of(Blocks(request(1000), workers=2))
    assert [draw.reply for block in found for draw in draws_of(block)] == [
        f"r{n}" for n in range(1000)
    ]
    sizes = [len(draws_of(block)) for block in found]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 250
    assert set(sizes[-4:-1]) == {SMALLEST}


def test_a_block_but_the_last_is_some_times_as_large_as_the_rows() -> None:
    sizes = [len(draws_of(block)) for block in all_of(Blocks(request(1000, rows=80), workers=2))]
    assert sizes == [320, 320, 320, 40]


def test_a_small_sweep_is_shared_out_equally() -> None:
    sizes = [len(draws_of(block)) for block in all_of(Blocks(request(90), workers=4))]
    assert sizes == [23, 23, 23, 21]


def test_a_block_has_its_own_prompts_and_its_events_have_the_numbers_of_the_whole() -> None:
    for block in all_of(Blocks(request(1000), workers=4)):
        assert isinstance(block.request, SampleRequest)
        assert block.request.prompts == tuple(PROMPTS[n] for n in block.prompts)
        for draw in block.request.draws:
            number = block.prompts[draw.prompt]
            assert number == int(draw.reply[1:]) * len(PROMPTS) // 1000
            read = PromptRead(prompt=draw.prompt, ids=PromptIds((1,), (1,)), forced=0)
            assert block.prompt_read(read).prompt == number


def test_what_was_not_answered_is_given_to_another() -> None:
    blocks = Blocks(request(40), workers=1)
    block = blocks.take()
    assert block is not None
    block.answered.update({"r0", "r2"})
    blocks.give_back(block)
    again, *others = all_of(blocks)
    assert [draw.reply for draw in draws_of(again)] == ["r1", *(f"r{n}" for n in range(3, 40))]
    assert not blocks.is_done
    for one in (again, *others):
        one.answered.update(draw.reply for draw in draws_of(one))
        blocks.give_back(one)
    assert blocks.is_done


def test_replies_with_which_worker_after_worker_is_lost_are_not_given_to_all_of_them() -> None:
    blocks = Blocks(request(10), workers=1)
    for _ in range(TRIES - 1):
        lost = blocks.take()
        assert lost is not None
        blocks.give_back(lost)
    lost = blocks.take()
    assert lost is not None
    with pytest.raises(EngineError, match=f"{TRIES} workers were lost"):
        blocks.give_back(lost)


def test_once_drained_nothing_is_given_out() -> None:
    blocks = Blocks(request(1000), workers=2)
    block = blocks.take()
    assert block is not None
    blocks.drain()
    assert blocks.take() is None
    assert not blocks.is_done
    blocks.give_back(block)
    assert blocks.is_done


def test_replies_to_be_measured_are_shared_out() -> None:
    given = tuple(Given(reply=f"r{n}", ids=PromptIds((1,), (1,)), tokens=(1,)) for n in range(7))
    asked = RescoreRequest(replies=given, sampling=Sampling(), grid=(0.0,))
    shares = [block.request for block in all_of(Blocks(asked, workers=3))]
    assert [len(one.replies) for one in shares if isinstance(one, RescoreRequest)] == [3, 3, 1]
