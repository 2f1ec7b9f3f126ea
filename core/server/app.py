"""The server as an ASGI app: an allowlist of routes, everything else is not found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.server.engine_queue import EngineQueue
from logit_amp_chat.core.server.errors import error_response, refusal
from logit_amp_chat.core.server.guard import BodyError, Guard
from logit_amp_chat.core.server.openai_routes import OpenAiRoutes
from logit_amp_chat.core.server.record_routes import RecordRoutes

Answer = Callable[[HttpRequest], Awaitable[Response]]


def make_app(
    queue: EngineQueue, profile: Profile, token: str, hosts: Collection[str] = ()
) -> ASGIApp:
    """The app over an engine's queue; `hosts` are names of this server besides localhost."""
    openai, records = OpenAiRoutes(queue, profile), RecordRoutes(queue)
    one = "/v1/requests/{handle}"
    routes = [
        _route("GET", "/v1/models", openai.models),
        _route("POST", "/v1/completions", openai.completions),
        _route("POST", "/v1/chat/completions", openai.chat),
        _route("GET", "/v1/pair", records.pair),
        _route("GET", "/v1/ping", records.ping),
        _route("PUT", one, records.ask),
        _route("DELETE", one, records.end),
        _route("GET", f"{one}/events", records.events),
        _route("POST", f"{one}/commands", records.command),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route})
    app.router.redirect_slashes = False
    return Guard(app, token, hosts, queue.limits)


def _route(method: str, path: str, answer: Answer) -> Route:
    async def answered(request: HttpRequest) -> Response:
        try:
            return await answer(request)
        except BodyError as error:
            return error.refusal
        except LogitAmpError as error:
            return error_response(error)

    return Route(path, answered, methods=[method])


async def _no_such_route(_request: HttpRequest, _error: Exception) -> Response:
    return refusal(404, "There is nothing here.", "not_found")
