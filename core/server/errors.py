"""Errors as a server answers them: OpenAI's form, and the status of each."""

from __future__ import annotations

from starlette.responses import JSONResponse

from logit_amp_chat.core.engine.wire import WireError
from logit_amp_chat.core.errors import ContextError, EngineError, LogitAmpError, UsageError
from logit_amp_chat.core.server.engine_queue import BusyError

RETRY_SECONDS = "2"


class NotFoundError(LogitAmpError):
    """A model, a route or an answer that is not here."""


def status_of(error: LogitAmpError) -> int:
    """The status of an answer that reports this error."""
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, BusyError):
        return 503
    if isinstance(error, EngineError):
        return 500
    # What the engine refuses is refused for what was asked.
    return 400


def code_of(error: LogitAmpError) -> str:
    """OpenAI's word for an error."""
    if isinstance(error, ContextError):
        return "context_length_exceeded"
    if isinstance(error, UsageError | WireError):
        return "invalid_value"
    return {404: "not_found", 503: "busy", 500: "server_error"}.get(status_of(error), "refused")


def error_body(message: str, status: int, code: str) -> dict[str, object]:
    """The JSON of an error."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_response(error: LogitAmpError) -> JSONResponse:
    """The answer that reports an error."""
    status = status_of(error)
    headers = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    body = error_body(str(error), status, code_of(error))
    return JSONResponse(body, status, headers)


def refusal(status: int, message: str, code: str) -> JSONResponse:
    """The answer to what is refused before any of it was read."""
    return JSONResponse(error_body(message, status, code), status)
