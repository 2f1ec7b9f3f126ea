"""A short soak: the long one is `python -m tests.benchmarks.soak`."""

from __future__ import annotations

from collections.abc import Callable

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.prefix_cache import DEPTH
from logit_amp_chat.core.engine.local import LocalEngine
from tests.benchmarks.soak import DRIFT, most_cache_bytes, soak


def test_an_engine_neither_grows_nor_drifts(tiny_pair: Callable[..., Profile]) -> None:
    engine = LocalEngine.open(tiny_pair())
    watch = soak(engine, tokens=2500, seed=3, check_every=10)
    assert watch.growth < 0.5  # allocators still warm up in so short a run
    assert watch.caches == DEPTH
    assert watch.cache_bytes <= most_cache_bytes(engine)
    assert watch.checkpoints >= 3
    assert watch.drift < DRIFT
    happened = {what for what, count in watch.done.items() if count}
    assert happened >= {"branches", "chats", "lanes", "stops", "α changes", "sampling changes"}
