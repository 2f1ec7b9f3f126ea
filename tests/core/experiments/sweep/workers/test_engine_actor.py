"""What a worker reports of an engine that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine import opened_engine
from logit_amp_chat.core.errors import EngineError, PairError, UsageError
from logit_amp_chat.core.experiments.sweep.workers.engine_actor import EngineActor
from logit_amp_chat.core.protocol import Event, Failed, Noticed, Opened
from logit_amp_chat.core.samples import SampleRequest
from tests.core.engine.sampling import ask, draws
from tests.core.samples import session


class Failing:
    """An engine that says something and fails."""

    opened = Opened(session=session())

    def __init__(self, error: Exception) -> None:
        self._error = error

    def batches(self, _request: SampleRequest) -> Iterator[Sequence[Event]]:
        yield [Noticed("It begins.")]
        raise self._error


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (EngineError("The vLLM process died (SIGKILL).", "Reload."), True),
        (MemoryError("no room"), True),
        (UsageError("No such α."), False),
    ],
    ids=["a process that the engine needs has died", "nobody foresaw it", "it is refused"],
)
def test_only_an_engine_that_can_answer_no_more_is_lost(
    error: Exception,
    fatal: bool,
    monkeypatch: pytest.MonkeyPatch,
    tiny_pair: Callable[..., Profile],
) -> None:
    monkeypatch.setattr(opened_engine, "open_engine", lambda *_: Failing(error))
    actor = EngineActor(1)
    [[opened]] = actor.open(tiny_pair())

    *_, [failed] = actor.answer(ask(draws(1, 1)))

    assert isinstance(opened, Opened)
    assert isinstance(failed, Failed)
    assert str(error).partition(".")[0] in failed.message
    assert failed.fatal is fatal


def test_a_pair_that_cannot_be_opened_is_refused_and_no_worker_lost(
    monkeypatch: pytest.MonkeyPatch, tiny_pair: Callable[..., Profile]
) -> None:
    def refuse(*_: object) -> None:
        raise PairError("The pair does not fit.", "Take a smaller one.")

    monkeypatch.setattr(opened_engine, "open_engine", refuse)

    [[failed]] = EngineActor(1).open(tiny_pair())

    assert failed == Failed(
        message="The pair does not fit.",
        remedy="Take a smaller one.",
        exit_code=PairError.exit_code,
        fatal=False,
    )
