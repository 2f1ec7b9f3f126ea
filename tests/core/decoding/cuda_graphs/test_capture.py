"""Captured work is checked and timed, and dropped if it fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from logit_amp_chat.core.decoding.cuda_graphs.capture import CapturedWork, GraphCapturer, Work


class Recorder(GraphCapturer):
    """Captures on a GPU that does not exist."""

    def __init__(self, outcome: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
        super().__init__(torch.device("cuda", 0))
        self._outcome = outcome

    def _capture(
        self, work: Callable[[], None], again: Callable[..., object]
    ) -> Callable[[], None]:
        again(work)
        return self._outcome(work)


@pytest.fixture
def counter() -> tuple[Tensor, Tensor, Callable[[], None]]:
    """A place, a result, and work that computes the result and advances the place."""
    place, found = torch.zeros(1), torch.zeros(1)

    def work() -> None:
        found.copy_(10 * place)
        place.add_(1)

    return place, found, work


def test_recording_moves_nothing(counter: tuple[Tensor, Tensor, Callable[[], None]]) -> None:
    place, found, work = counter
    graphs = Recorder(lambda work: work)
    recorded = graphs.capture([work], [place], [found])
    assert graphs.failure is None
    assert place.item() == 0
    recorded()
    recorded()
    assert (place.item(), found.item()) == (2, 10)


def test_what_cannot_be_recorded_is_done_as_it_stands(
    counter: tuple[Tensor, Tensor, Callable[[], None]],
) -> None:
    place, found, work = counter

    def refuse(_: Callable[[], None]) -> Callable[[], None]:
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        finally:
            raise RuntimeError("and so the recording was broken off")

    graphs = Recorder(refuse)
    assert graphs.capture([work], [place], [found]) is work
    assert graphs.failure == "operation not permitted when stream is capturing"
    assert place.item() == 0


def test_a_recording_with_other_numbers_is_not_used(
    counter: tuple[Tensor, Tensor, Callable[[], None]],
) -> None:
    place, found, work = counter

    def wrong() -> None:
        found.fill_(3)

    graphs = Recorder(lambda work: wrong)
    assert graphs.capture([work], [place], [found]) is work
    assert graphs.failure == "the captured graph gives other numbers"
    assert place.item() == 0


class Stopwatch(Recorder):
    """Has a given time for each variant."""

    def __init__(self, times: dict[Work, float]) -> None:
        super().__init__(lambda work: work)
        self._times = times

    def _seconds(self, variant: Work, again: Callable[..., object]) -> float:
        return self._times[variant]


@pytest.mark.parametrize(("second", "taken"), [(0.5, 1), (2.0, 0)])
def test_of_ways_to_do_the_same_the_fastest_is_taken(
    counter: tuple[Tensor, Tensor, Work], second: float, taken: int
) -> None:
    place, found, work = counter

    def other() -> None:
        work()

    recorded = Stopwatch({work: 1.0, other: second}).capture([work, other], [place], [found])
    assert isinstance(recorded, CapturedWork)
    assert recorded.variant == taken


def refused() -> None:
    raise RuntimeError("not here")


def test_a_way_that_fails_or_gives_other_numbers_is_left_out(
    counter: tuple[Tensor, Tensor, Work],
) -> None:
    place, found, work = counter

    def wrong() -> None:
        found.fill_(3)

    graphs = Stopwatch({work: 1.0, wrong: 0.1, refused: 0.1})
    recorded = graphs.capture([work, wrong, refused], [place], [found])
    assert isinstance(recorded, CapturedWork)
    assert (recorded.variants, graphs.failure) == ((work,), None)
    assert graphs._unused == [wrong], "it may share memory with what is used"
    assert place.item() == 0
