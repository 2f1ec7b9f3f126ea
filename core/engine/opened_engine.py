"""Opens the engine that a profile needs, in this process."""

from __future__ import annotations

from collections.abc import Callable

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.chain import ChainEngine
from logit_amp_chat.core.engine.held_stages import HeldStages
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.vllm import VllmEngine
from logit_amp_chat.core.engine.vllm_chain import VllmChainEngine
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Loading

OpenedEngine = LocalEngine | ChainEngine


def open_engine(
    profile: Profile,
    report: Callable[[Loading], None] = lambda _: None,
    loaded: Callable[[Pair], None] = lambda _: None,
    held: HeldStages | None = None,
) -> OpenedEngine:
    """The engine of a pair, or of a chain; `loaded` is told of every pair that is loaded here.

    The stages of a chain may be `held` for the next one. Raises LogitAmpError.
    """
    if profile.engine == "vllm":
        if profile.stages:
            return VllmChainEngine.open(profile, report, held=held)
        return VllmEngine.open(profile, report)
    if profile.stages:
        return ChainEngine.open(profile, report, loaded, held)
    engine = LocalEngine.open(profile, report)
    loaded(engine.pair)
    return engine
