"""The options by which a command uses the pair of a server, in place of one that it loads.

Only light imports here: `--help` reads this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logit_amp_chat.tui.commands import options, side_options
from logit_amp_chat.tui.commands.added_options import with_options

if TYPE_CHECKING:
    from logit_amp_chat.core.api.connect import Server
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.engine.remote import RemoteClient
    from logit_amp_chat.core.protocol import Event

    Listener = Callable[[Sequence[Event]], None]

OPTIONS = {
    "connect": Annotated[
        str | None,
        typer.Option(metavar="URL", help="Use the pair of a server (serve) at this address."),
    ],
    "token_file": options.TokenFile,
    "insecure": Annotated[
        bool | None, typer.Option("--insecure", help="With --connect: also without encryption.")
    ],
}
NAMED = ("profile", "before", "after", "adapter")
"""The options that name a pair."""
_PAIR = (*NAMED, *options.LOADING, *side_options.OPTIONS)

with_connection = with_options(OPTIONS)
"""Give a command these options; `server` takes their values from its context."""


def server(context: typer.Context, refused: Sequence[str] = ()) -> Server | None:
    """The server that a command is to use; None where the pair is loaded here.

    Raises a usage error for options that say which pair is loaded, for those of `refused`, which
    the command cannot do over a connection, and UsageError as `Server` does.
    """
    params = context.params
    if params["connect"] is None:
        for name in OPTIONS:
            if params[name]:
                raise typer.BadParameter(
                    "is for --connect", param_hint=side_options.option_name(name)
                )
        return None
    why = "cannot be combined with --connect"
    for names, reason in ((_PAIR, f"{why}: the server has loaded its pair"), (refused, why)):
        if found := next((name for name in names if params.get(name)), None):
            raise typer.BadParameter(reason, param_hint=side_options.option_name(found))
    from logit_amp_chat.core.api.connect import Server

    insecure = bool(params["insecure"])
    return Server(params["connect"], params["token_file"], insecure=insecure)


def describe(
    server: Server | None,
    context: typer.Context,
    settings: Mapping[str, Any],
    sampling: Mapping[str, Any],
) -> Profile:
    """The profile that the options describe, or that a server has open with what they change.

    Raises as `options.describe` does, and EngineError where there is no server.
    """
    if server is not None:
        return options.adjusted(server.profile(), settings, sampling)
    profile, before, after, adapter = (context.params[name] for name in NAMED)
    return options.describe(profile, before, after, adapter, settings, sampling)


def chat_engine(server: Server | None) -> Callable[[Listener], RemoteClient] | None:
    """Makes the engine of a chat over a connection; None where the pair is loaded here."""
    if server is None:
        return None
    from logit_amp_chat.core.engine.remote import RemoteClient

    return lambda on_events: RemoteClient(server.connection, on_events)
