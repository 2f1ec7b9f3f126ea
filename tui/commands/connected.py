"""`logit-amp-chat --connect`: the chat here, the pair on another machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logit_amp_chat.core.engine.access_token import VARIABLE, given_token, usual_file
from logit_amp_chat.core.engine.connection import Connection, checked_url
from logit_amp_chat.core.engine.remote import RemoteClient, RemoteEngine, remote_profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.tui.commands import options, side_options

if TYPE_CHECKING:
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.protocol import Event

PAIR = ("profile", "before", "after", "adapter", "model", *options.LOADING)


def refuse_loading(context: typer.Context) -> None:
    """Raises a usage error for options that say which pair is loaded: the server has one."""
    for name in (*PAIR, *side_options.OPTIONS):
        if context.params.get(name):
            raise typer.BadParameter(
                "cannot be combined with --connect: the server has loaded its pair",
                param_hint=side_options.option_name(name),
            )


class Server:
    """The server of --connect."""

    def __init__(self, url: str, token_file: Path | None, *, insecure: bool) -> None:
        """Raises UsageError for an address or a token that cannot be."""
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

    def profile(self) -> Profile:
        """The profile that the server has open. Raises LogitAmpError."""
        engine = RemoteEngine.open(self._connection())
        try:
            return remote_profile(engine)
        finally:
            engine.close()

    def make_engine(self, on_events: Callable[[Sequence[Event]], None]) -> RemoteClient:
        """The engine of a chat."""
        return RemoteClient(self._connection, on_events)

    def _connection(self) -> Connection:
        return Connection(self._url, self._token, insecure=self._insecure)
