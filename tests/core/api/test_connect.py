"""A pair on another machine answers Python as one here does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from logit_amp_chat import connect
from logit_amp_chat.core.api.open_pair import OpenPair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import EngineError, UsageError
from tests.served import TOKEN, served


def test_replies_openings_and_sweeps_are_those_of_a_pair_here(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    here = OpenPair(tiny_pair(), LocalEngine.open(tiny_pair()))
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with served(here.engine, here.profile) as server, connect(server.url, token) as there:
        replies = [
            one.reply("Otters?", alpha=[0, 1.5], seed=1, max_new_tokens=8) for one in (there, here)
        ]
        openings = [one.openings("Otters?", alpha=1).to_pandas() for one in (there, here)]
        losses = [one.loss("Otters eat fish.", alpha=[0, 1]).figures() for one in (there, here)]
        swept = there.sweep(
            "Otters?", alpha=[0, 1], samples=2, max_new_tokens=4, out=tmp_path / "s"
        )

    assert [r.text for r in replies[0]] == [r.text for r in replies[1]]
    assert [[s.logp for s in r.steps] for r in replies[0]] == [
        [s.logp for s in r.steps] for r in replies[1]
    ]
    assert openings[0].equals(openings[1])
    assert losses[0] == losses[1]
    assert len(swept.replies()) == 4


def test_another_token_or_none_is_an_error(
    tiny_pair: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOGIT_AMP_TOKEN", raising=False)
    with served(LocalEngine.open(tiny_pair()), tiny_pair()) as server:
        with pytest.raises(UsageError, match="There is no token"):
            connect(server.url)
        monkeypatch.setenv("LOGIT_AMP_TOKEN", "x" * 20)
        with pytest.raises(EngineError, match="refuses the token"):
            connect(server.url)
