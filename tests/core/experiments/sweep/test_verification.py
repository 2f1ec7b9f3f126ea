"""A reply of a sweep, decoded alone by the chat's own engine, says the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.prompts import new_prompt
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sweep, run
from logit_amp_chat.core.experiments.sweep.verification import chosen, verified
from logit_amp_chat.core.sampling import Sampling

PROMPT = new_prompt((("user", "Tell me about owls."),), begin="Owls")
SHORT = Sampling(temperature=1.0, top_p=0.95, max_new_tokens=12, seed=5)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with contextlib.closing(LocalEngine.open(load_profile("demo"))) as engine:
        yield engine


def swept(engine: LocalEngine, path: Path, settings: SweepSettings) -> SweepFolder:
    session = engine.opened.session
    with contextlib.closing(SweepFolder.begin(path, session, settings, [PROMPT])) as folder:
        for _ in run(engine, Sweep(folder)):
            pass
    return SweepFolder.read(path)


@pytest.mark.parametrize("amplify_first", [None, 4])
def test_every_reply_is_what_the_chat_says_with_its_seed(
    engine: LocalEngine, tmp_path: Path, amplify_first: int | None
) -> None:
    settings = checked(
        SweepSettings(alphas=(0.0, 1.0), samples=4, sampling=SHORT, amplify_first=amplify_first)
    )
    folder = swept(engine, tmp_path / "s", settings)
    found = list(verified(engine, folder, folder.replies()))
    assert len(found) == 8
    assert all(one.agrees and one.deviation < 1e-4 for one in found), found


def test_a_reply_that_was_changed_is_found(engine: LocalEngine, tmp_path: Path) -> None:
    folder = swept(
        engine, tmp_path / "s", checked(SweepSettings(alphas=(0.0,), samples=1, sampling=SHORT))
    )
    (reply,) = folder.replies()
    other = replace(reply, tokens=(*reply.tokens[:3], reply.tokens[3] + 1, *reply.tokens[4:]))
    (found,) = verified(engine, folder, [other])
    assert (found.agrees, found.same) == (False, 3)
    wrong = replace(reply, after=(reply.after[0] - 0.1, *reply.after[1:]))
    (found,) = verified(engine, folder, [wrong])
    assert not found.agrees
    assert found.deviation == pytest.approx(0.1, abs=1e-4)
    off = ((reply.log_q[0][0] - 0.2,), *reply.log_q[1:])
    (found,) = verified(engine, folder, [replace(reply, log_q=off)])
    assert not found.agrees
    assert found.deviation == pytest.approx(0.2, abs=1e-4)


def test_replies_are_chosen_by_id_or_over_the_whole_sweep(
    engine: LocalEngine, tmp_path: Path
) -> None:
    settings = checked(SweepSettings(alphas=(0.0,), samples=6, sampling=SHORT))
    folder = swept(engine, tmp_path / "s", settings)
    assert [one.n for one in chosen(folder, ["p1:+0.0:4"], 2)] == [4]
    every = list(folder.replies())
    assert chosen(folder, [], 3) == [every[0], every[2], every[4]]
    assert chosen(folder, [], 4) == [every[0], every[1], every[3], every[4]]
    assert chosen(folder, [], 9) == every
    with pytest.raises(UsageError, match="p7"):
        chosen(folder, ["p7:+0.0:1"], 3)
