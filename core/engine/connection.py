"""HTTP to a server of ours: what it sends is bounded, and its errors are ours.

The server is not trusted: nothing it says is longer than expected, and nothing of it reaches
a terminal raw.
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import ssl
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from logit_amp_chat.core.engine import wire
from logit_amp_chat.core.errors import EngineError, LogitAmpError, UsageError
from logit_amp_chat.core.protocol import Event, Opened
from logit_amp_chat.core.text import visible

if TYPE_CHECKING:
    import httpx2

LONGEST_LINE = 32 << 20
LONGEST_ERROR = 16 << 10
CONNECT_SECONDS = 10.0
END_SECONDS = 2.0
"""Whoever leaves does not wait long to say so."""
SILENCE_SECONDS = 15.0
"""A stream with nothing in it for so long, not even a heartbeat, is cut."""
_NUMBERED = re.compile(rb"\[(\d{1,15}),")


class LostError(Exception):
    """The connection was cut, or could not be made; asking again may do."""


class RefusedError(LogitAmpError):
    """The server will not do what it was asked to."""


class Connection:
    """The routes of one server, for one client with a key of its own."""

    def __init__(self, url: str, token: str, *, insecure: bool = False) -> None:
        """Raises UsageError for an address that is none, or not encrypted."""
        import httpx2

        self.url = checked_url(url, insecure=insecure)
        self._client = httpx2.Client(
            base_url=self.url,
            headers={
                "Authorization": f"Bearer {token}",
                "X-Client": secrets.token_hex(16),
                "Accept-Encoding": "identity",  # what is bounded is what is sent
            },
            timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            verify=ssl.create_default_context(),
            trust_env=False,  # no proxy learns the token
        )

    def close(self) -> None:
        """Close every connection; what waits for one fails."""
        self._client.close()

    def opened(self) -> Opened:
        """The pair that the server has. Raises LostError and LogitAmpError."""
        data = self._ask("GET", "/v1/pair", limit=LONGEST_LINE)
        try:
            found = json.loads(data)
            version, opened = found["version"], json.dumps(found["opened"]).encode()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._foreign() from error
        if version != wire.VERSION:
            raise EngineError(
                f"{self.url} speaks version {visible(str(version))[:20]} of what this client"
                f" speaks version {wire.VERSION} of.",
                "Install the same logit-amp-chat on both machines.",
            )
        event = self._event(opened)
        if not isinstance(event, Opened):
            raise self._foreign()
        return event

    def ping(self) -> float:
        """Seconds to the server and back. Raises LostError and LogitAmpError."""
        began = time.monotonic()
        self._ask("GET", "/v1/ping")
        return time.monotonic() - began

    def ask(self, handle: str, line: bytes, session: str, *, fresh: bool) -> None:
        """Have a request answered under a handle, by the session that was opened.

        Raises LostError and LogitAmpError.
        """
        query = urlencode({"session": session, "fresh": int(fresh)})
        self._ask("PUT", f"/v1/requests/{handle}?{query}", line)

    def command(self, handle: str, line: bytes) -> None:
        """Change the request of a handle. Raises LostError and LogitAmpError."""
        self._ask("POST", f"/v1/requests/{handle}/commands", line)

    def end(self, handle: str) -> None:
        """End the request of a handle. Raises LostError and LogitAmpError."""
        self._ask("DELETE", f"/v1/requests/{handle}", seconds=END_SECONDS)

    def events(self, handle: str, after: int) -> Iterator[tuple[int, Event]]:
        """Numbered events after this one, until the server has sent enough for now.

        A heartbeat has the number 0. Raises LostError and LogitAmpError.
        """
        import httpx2

        path = f"/v1/requests/{handle}/events?after={after}"
        try:
            with self._client.stream("GET", path) as response:
                self._check(response)
                for line in _lines(response.iter_raw()):
                    found = _NUMBERED.match(line)
                    if found is None or not line.endswith(b"]"):
                        raise self._foreign()
                    yield int(found[1]), self._event(line[found.end() : -1])
        except (httpx2.TransportError, RuntimeError) as error:  # closed, in the second case
            raise LostError(str(error)) from error

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        limit: int = 1024,
        seconds: float = SILENCE_SECONDS,
    ) -> bytes:
        import httpx2

        timeout = httpx2.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        try:
            with self._client.stream(method, path, content=body, timeout=timeout) as response:
                self._check(response)
                return self._body(response, limit)
        except (httpx2.TransportError, RuntimeError) as error:
            raise LostError(str(error)) from error

    def _check(self, response: httpx2.Response) -> None:
        """Raises LogitAmpError for an answer that is an error."""
        status = response.status_code
        if status in (200, 204):
            return
        if status == 401:
            raise EngineError(
                f"{self.url} refuses the token.", "Use the one that the server was started with."
            )
        if status == 503:
            raise LostError("busy")
        message = self._message(self._body(response, LONGEST_ERROR))
        if message is None:
            raise self._foreign()
        if status == 404:
            raise EngineError(
                f"{self.url} no longer has this answer: it was started anew.",
                "Everything shown is saved. Connect again (in the chat: ctrl+l).",
            )
        raise RefusedError(message)

    def _body(self, response: httpx2.Response, limit: int) -> bytes:
        data = b""
        for piece in response.iter_raw():
            data += piece
            if len(data) > limit:
                raise self._foreign()
        return data

    @staticmethod
    def _message(data: bytes) -> str | None:
        try:
            message = json.loads(data)["error"]["message"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return visible(message, newlines=False)[:500] if isinstance(message, str) else None

    def _event(self, line: bytes) -> Event:
        try:
            return wire.event_of(line)
        except wire.WireError as error:
            raise self._foreign() from error

    def _foreign(self) -> EngineError:
        return EngineError(
            f"What answers at {self.url} is no logit-amp-chat serve of this version.",
            "Check the address; what was shown before is saved.",
        )


def checked_url(url: str, *, insecure: bool = False) -> str:
    """The address of a server. Raises UsageError where it is none, or would not be encrypted."""
    found = re.fullmatch(r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?/?", url)
    if found is None:
        raise UsageError(
            f"{visible(url, newlines=False)[:100]} is no address of a server.",
            "Write http://127.0.0.1:8765, or https://NAME:PORT.",
        )
    if found[1] == "http" and not (insecure or _is_local(found[2].strip("[]"))):
        raise UsageError(
            f"{url} is not encrypted: others could read the token and the chat.",
            "Forward the port over SSH and connect to http://127.0.0.1; or use https://."
            " --insecure allows it all the same.",
        )
    return url.rstrip("/")


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines; one that is cut off is dropped, one that is too long ends them."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > LONGEST_LINE:
            raise EngineError("The server sent a line that is too long: it cannot be trusted.")
