"""What every request passes first: the Host it names, its token, its size and its time."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Collection

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logit_amp_chat.core.server.errors import refusal
from logit_amp_chat.core.server.limits import Limits

LOCAL = ("localhost",)


class BodyError(Exception):
    """A body that is larger than allowed, or takes too long to come: the answer to it."""

    def __init__(self, refusal: Response) -> None:
        super().__init__()
        self.refusal = refusal


class Guard:
    """Refuses what has no token, names another host, or is too large.

    A web page that a browser was tricked into sending here (DNS rebinding) names its own host:
    only localhost, addresses and `hosts` are taken.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str], limits: Limits) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(host.casefold() for host in (*LOCAL, *hosts))
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        refused: ASGIApp | None = None
        if not self._knows(headers.get(b"host", b"")):
            refused = refusal(421, "This server does not have that name.", "wrong_host")
        elif not self._is_authorized(headers.get(b"authorization", b"")):
            refused = refusal(401, "The token is missing or wrong.", "invalid_api_key")
        elif int(_digits(headers.get(b"content-length", b"0"))) > self._limits.body:
            refused = _too_large(self._limits)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive, self._limits), send)

    def _knows(self, host: bytes) -> bool:
        name = host.decode("latin-1").casefold()
        bracketed = name.startswith("[")
        name = name[1:].partition("]")[0] if bracketed else name.rpartition(":")[0] or name
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_authorized(self, header: bytes) -> bool:
        kind, _, token = header.partition(b" ")
        return kind.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


class _Bounded:
    """What comes of a request's body, no more than allowed and in time."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._seen = 0
        self._whole = False

    async def __call__(self) -> Message:
        """The next message of the server."""
        if self._whole:  # what comes now is that the client is gone
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.body_seconds)
        except TimeoutError as error:
            slow = refusal(408, "The request came too slowly.", "timeout")
            raise BodyError(slow) from error
        self._seen += len(message.get("body", b""))
        if self._seen > self._limits.body:
            raise BodyError(_too_large(self._limits))
        self._whole = not message.get("more_body", False)
        return message


def _too_large(limits: Limits) -> Response:
    return refusal(413, f"A request has at most {limits.body} bytes.", "too_large")


def _digits(value: bytes) -> bytes:
    return value if value.isdigit() and len(value) < 20 else b"0"
