"""Both sides decode a token: one after the other, or at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.records import PromptIds

MakeProfile = Callable[..., Profile]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def test_both_sides_at_once_give_the_numbers_of_one_after_the_other(
    tiny_pair: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU streams are faked: their order, and whose numbers are whose, can be tested."""
    waited: list[tuple[str, str]] = []
    if DEVICE == "cpu":
        monkeypatch.setattr("torch.cuda.Stream", lambda device: Stream("beside", waited))
        monkeypatch.setattr("torch.cuda.current_stream", lambda device: Stream("own", waited))
        monkeypatch.setattr("torch.cuda.stream", lambda stream: contextlib.nullcontext())
    pair = load_pair(tiny_pair(device=DEVICE))
    ids, token = (5, 6, 7), torch.tensor([9], device=DEVICE)
    steps = []
    for at_once in (False, True):
        sides = PairRunner(pair)
        list(sides.prefill(PromptIds(before=ids, after=ids), ()))
        steps.append((sides.decode_concurrently if at_once else sides.decode)(token))
    for one, other in zip(*steps, strict=True):
        torch.testing.assert_close(one, other)
    assert waited == ([("beside", "own"), ("own", "beside")] if DEVICE == "cpu" else [])


class Stream:
    """Notes which stream waited for which."""

    def __init__(self, name: str, waited: list[tuple[str, str]]) -> None:
        self.name, self._waited = name, waited

    def wait_stream(self, other: Stream) -> None:
        self._waited.append((self.name, other.name))
