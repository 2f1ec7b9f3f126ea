"""A pair on another machine, for the Python interface."""

from __future__ import annotations

import contextlib
from pathlib import Path

from logit_amp_chat.core.api.open_pair import OpenPair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.access_token import VARIABLE, given_token, usual_file
from logit_amp_chat.core.engine.connection import Connection, checked_url
from logit_amp_chat.core.engine.remote import RemoteEngine, check_pair, remote_profile
from logit_amp_chat.core.errors import UsageError


class Server:
    """A server (`logit-amp-chat serve`), with what it takes to connect to it."""

    def __init__(self, url: str, token_file: Path | None = None, *, insecure: bool = False) -> None:
        """The token is that of the file, of LOGIT_AMP_TOKEN, or of a server here.

        Raises UsageError for an address or a token that cannot be, and for an address on
        another machine that is not encrypted, unless `insecure`.
        """
        self._url = checked_url(url, insecure=insecure)
        self._insecure = insecure
        token = given_token(token_file)
        if token is None and usual_file().exists():
            token = given_token(usual_file())
        if token is None:
            raise UsageError(
                "There is no token for the server.",
                f"Set {VARIABLE}, or name a file with --token-file: serve says where its token is.",
            )
        self._token = token

    def connection(self) -> Connection:
        """A connection to it, as a client of its own."""
        return Connection(self._url, self._token, insecure=self._insecure)

    def open(self, profile: Profile | None = None) -> RemoteEngine:
        """Its engine. Raises LogitAmpError, also where it has another pair than the profile."""
        engine = RemoteEngine.open(self.connection())
        try:
            if profile is not None:
                check_pair(engine, profile, self._url)
        except BaseException:
            engine.close()
            raise
        return engine

    def profile(self) -> Profile:
        """The profile that it has open. Raises LogitAmpError."""
        with contextlib.closing(self.open()) as engine:
            return remote_profile(engine)


def connect(url: str, token_file: str | Path | None = None, *, insecure: bool = False) -> OpenPair:
    """The pair of a server, which computes there; closing it leaves the server as it is.

    The token is that of `token_file` (mode 0600), of LOGIT_AMP_TOKEN, or of a server here.
    Without encryption only this machine is connected to, unless `insecure`. A connection that
    is lost is made again, and a reply goes on where it ended. Raises UsageError, and
    EngineError where there is no server or its token is another.
    """
    file = None if token_file is None else Path(token_file)
    engine = Server(url, file, insecure=insecure).open()
    try:
        return OpenPair(remote_profile(engine), engine)
    except BaseException:
        engine.close()
        raise
