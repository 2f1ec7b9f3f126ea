"""What decodes in the local engine, for tests that look into its caches."""

from __future__ import annotations

from logit_amp_chat.core.decoding.cuda_graphs.graph_stepper import GraphCache
from logit_amp_chat.core.decoding.decoder import Decoder
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.engine.local import LocalEngine


def runner_of(engine: LocalEngine) -> PairRunner:
    return _decoder(engine).runner


def graph_cache_of(engine: LocalEngine) -> GraphCache:
    found = _decoder(engine).graph_cache
    assert found is not None
    return found


def _decoder(engine: LocalEngine) -> Decoder:
    assert isinstance(engine._decoder, Decoder)
    return engine._decoder
