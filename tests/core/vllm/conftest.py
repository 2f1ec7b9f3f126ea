"""A tiny pair, and the local engine that vLLM's is compared with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.pair import Pair, load_pair


@pytest.fixture(scope="module")
def profile(tiny_pair: Callable[..., Profile]) -> Profile:
    return tiny_pair()


@pytest.fixture(scope="module")
def pair(profile: Profile) -> Pair:
    return load_pair(profile)


@pytest.fixture(scope="module")
def local(profile: Profile, pair: Pair) -> LocalEngine:
    return LocalEngine(profile, pair)
