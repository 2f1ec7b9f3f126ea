"""Why what was asked of the engine is not there yet."""

from __future__ import annotations

from typing import Literal

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.reading import StageReadRequest

Doing = Literal["measuring", "rendering"]
Wait = Literal["", "measuring", "rendering", "loading", "not loaded", "read only", "engine busy"]


def engine_wait(
    session: ChatSession,
    kind: type[OpeningsRequest | PromptRequest | StageReadRequest],
    doing: Doing,
) -> Wait:
    """What stands between a request of this kind and its answer; `doing` if nothing does."""
    if session.saved.read_only:
        return "read only"
    match session.state:
        case "busy" | "sampling":
            pending = session.live.pending_request
            asked = pending is not None and isinstance(pending.request, kind)
            return doing if asked else "engine busy"
        case "closed" | "failed":
            return "not loaded"
        case "loading":
            return "loading"
    return doing
