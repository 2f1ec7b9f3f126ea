"""A server over an engine, in this process, and a network that can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.connection import Connection
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.server.app import make_app
from logit_amp_chat.core.server.engine_queue import EngineQueue
from logit_amp_chat.core.server.limits import Limits
from logit_amp_chat.core.server.listening import Address, bound, make_server

TOKEN = "a-token-of-the-tests"


@dataclass
class Served:
    """A server that runs."""

    url: str
    queue: EngineQueue

    def connection(self, url: str | None = None) -> Connection:
        return Connection(url or self.url, TOKEN)


@contextlib.contextmanager
def served(engine: Engine, profile: Profile, limits: Limits | None = None) -> Iterator[Served]:
    """A server on a free port, until the block ends."""
    address = Address(port=0)
    queue = EngineQueue(engine, limits or Limits())
    with bound(address) as opened:
        opened.listen()
        server = make_server(make_app(queue, profile, TOKEN), address, queue.end)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{opened.getsockname()[1]}", queue)
        finally:
            server.should_exit = True
            queue.close()
            thread.join(10)


class Network:
    """Passes bytes on to a server, and can be cut: then nothing comes through until it is mended.

    With `cut_after` it cuts itself once, after so many bytes of one answer.
    """

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.is_cut = False
        self.cuts = 0
        self.cut_after: int | None = None
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self.is_cut = True
        self.cuts += 1
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_cut:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)
                passed += len(data)
                if answers and self.cut_after is not None and passed > self.cut_after:
                    self.cut_after = None
                    self.cut()
                    self.mend()
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
