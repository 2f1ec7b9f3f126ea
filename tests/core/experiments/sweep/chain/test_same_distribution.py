"""On real models: a stage is one distribution, as α 0 of one pair and as α −1 of the next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.opened_engine import open_engine
from logit_amp_chat.core.experiments.sweep.chain.folder import ChainFolder
from logit_amp_chat.core.experiments.sweep.chain.shared_stage import difference
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.prompts import prompts_of, typed
from logit_amp_chat.core.experiments.sweep.settings import FREE, SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sweep, run
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.sampling import Sampling

FILTERS: dict[str, dict[str, Any]] = {
    "the mask alone": {"plausibility": 0.2},
    "every filter": {
        "temperature": 0.8,
        "plausibility": 0.2,
        "top_k": 12,
        "top_p": 0.9,
        "min_p": 0.02,
        "repetition_penalty": 1.2,
    },
}


@pytest.fixture(scope="module", params=FILTERS.values(), ids=list(FILTERS))
def sweeps(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Those of both pairs of the bundled chain, with the same noise at every α."""
    sampling = Sampling.model_validate({**FREE, **request.param, "max_new_tokens": 12})
    settings = checked(
        SweepSettings(alphas=(-1.0, 1.0), samples=12, sampling=sampling, coupled=True)
    )
    chain = ChainFolder.of(tmp_path_factory.mktemp("c") / "chain", load_profile("demo-chain"))
    return [_swept(chain, number, settings) for number in range(2)]


def _swept(chain: ChainFolder, number: int, settings: SweepSettings) -> SweepFolder:
    place = chain.pairs[number]
    prompts = prompts_of(typed(["Tell me about owls.", "What is the weather like?"])).prompts
    with contextlib.closing(open_engine(chain.pair_profile(place))) as engine:
        session = engine.opened.session
        with contextlib.closing(SweepFolder.begin(place.path, session, settings, prompts)) as begun:
            for _ in run(engine, Sweep(begun)):
                pass
    return SweepFolder.read(place.path)


def at(folder: SweepFolder, alpha: float) -> Iterator[SweepReply]:
    yield from sorted(
        (one for one in folder.replies() if one.alpha == alpha), key=lambda r: (r.prompt, r.n)
    )


def test_replies_of_the_stage_in_between_are_the_same_with_the_same_noise(sweeps: Any) -> None:
    first, second = sweeps
    after, before = list(at(first, 0.0)), list(at(second, -1.0))
    assert len(after) == 24
    assert [one.tokens for one in after] == [one.tokens for one in before]
    assert len({one.tokens for one in after}) > 10
    for one, other in zip(after, before, strict=True):
        here = [row[one.grid.index(0.0)] for row in one.log_q]
        there = [row[other.grid.index(-1.0)] for row in other.log_q]
        assert here == pytest.approx(there, abs=1e-4)


def test_nothing_differs_between_the_pairs_of_the_bundled_chain(sweeps: Any) -> None:
    assert difference(*sweeps) == ""
    assert difference(sweeps[1], sweeps[0]) != ""
