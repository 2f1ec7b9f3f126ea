"""Where a server listens, with or without TLS, and how it ends."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.server.head_deadline import HeadDeadline

CONNECTIONS = 100
KEEP_ALIVE_SECONDS = 30
END_SECONDS = 5
LONGEST_HEADERS = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen; `insecure` allows other machines without TLS."""

    host: str = "127.0.0.1"
    port: int = 8765
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """What clients connect to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


def check(address: Address) -> None:
    """Raises UsageError for an address that would send what is said over a network in the open."""
    if (address.certificate is None) != (address.key is None):
        raise UsageError("--tls-cert and --tls-key belong together.", "Give both.")
    if not address.is_local and address.certificate is None and not address.insecure:
        raise UsageError(
            f"{address.host} can be reached from other machines, and nothing would be encrypted.",
            "Listen on 127.0.0.1 and forward the port over SSH; or give --tls-cert and --tls-key;"
            " --insecure allows it all the same.",
        )
    if address.certificate is not None and address.key is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(address.certificate, address.key, password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"TLS cannot use {address.certificate} with {address.key}: {error}.",
                "Give a certificate and its unencrypted key as PEM files.",
            ) from error


@contextlib.contextmanager
def bound(address: Address) -> Iterator[socket.socket]:
    """A socket at the address, taken before the pair is loaded. Raises UsageError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        family, kind, protocol, _, place = found
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"Cannot listen on {address.host}: {error.strerror}.") from error
    with opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(place)
        except OSError as error:
            raise UsageError(
                f"Cannot listen on {address.host}:{address.port}: {error.strerror}.",
                "Another server may run there: choose another --port.",
            ) from error
        yield opened


class Server(uvicorn.Server):
    """Answers until a signal comes; then `end` ends the answers that are being given."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the answers, then wait until they have been sent."""
        self._end()
        await super().shutdown(sockets)


def make_server(app: ASGIApp, address: Address, end: Callable[[], None]) -> Server:
    """What answers on a bound socket (`run(sockets=[…])`) until a signal ends it."""
    config = uvicorn.Config(
        app,
        http=HeadDeadline,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    return Server(config, end)
