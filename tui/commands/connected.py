"""`logit-amp-chat --connect`: the chat here, the pair on another machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from logit_amp_chat.core.engine.remote import RemoteClient
from logit_amp_chat.tui.commands import options, side_options

if TYPE_CHECKING:
    from logit_amp_chat.core.api.connect import Server
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


def engine_of(server: Server) -> Callable[[Callable[[Sequence[Event]], None]], RemoteClient]:
    """Makes the engine of a chat."""
    return lambda on_events: RemoteClient(server.connection, on_events)
