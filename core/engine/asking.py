"""Which of an engine's methods answers a request."""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import AnyRequest, Event, Request, ScoreRequest
from logit_amp_chat.core.reading import NamesRequest, ReadRequest, StageReadRequest
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest


def ask(engine: Engine, request: AnyRequest) -> Iterator[Event]:
    """The events of any request; raises as the engine's method for it does."""
    match request:
        case Request():
            return engine.generate(request)
        case ScoreRequest():
            return engine.score(request)
        case OpeningsRequest():
            return engine.openings(request)
        case PromptRequest():
            return engine.prompt(request)
        case ReadRequest():
            return engine.read(request)
        case StageReadRequest():
            return engine.read_stages(request)
        case NamesRequest():
            return engine.names(request)
        case SampleRequest():
            return engine.sample(request)
        case RescoreRequest():
            return engine.rescore(request)
