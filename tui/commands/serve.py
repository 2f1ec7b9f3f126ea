"""`logit-amp-chat serve`: an open pair for other programs, and for a chat on another machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.tui.commands import engine as engines
from logit_amp_chat.tui.commands import options, sampling_options, side_options
from logit_amp_chat.tui.commands.output import say

if TYPE_CHECKING:
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.server.listening import Address

PORT = 8765


@side_options.with_sides
@sampling_options.with_sampling
def command(
    context: typer.Context,
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Where to listen; other than this machine only with TLS or --insecure.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="The port.")] = PORT,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TLS certificate (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key (PEM).")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines connect without TLS.")
    ] = False,
    token_file: options.TokenFile = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name of this machine that clients use, besides localhost; may be repeated.",
        ),
    ] = None,
    system: options.System = None,
    template_arg: options.TemplateArg = None,
    quantization: options.Quantization = None,
    dtype: options.Dtype = None,
    vocabulary: options.Vocabulary = None,
    device: options.Device = None,
    trust_caches: options.TrustCaches = None,
    engine: options.EngineName = None,
    debug: options.Debug = False,
) -> None:
    """Serve a pair: OpenAI's completions with an alpha, and the chat of --connect.

    Clients need the token of --token-file, of LOGIT_AMP_TOKEN, or of the file that is named.
    """
    chosen = options.describe(
        profile,
        before,
        after,
        adapter,
        {"system": system} | options.loading(context),
        options.given(context, sampling_options.OPTIONS),
    )
    need_server()
    from logit_amp_chat.core.server.listening import Address

    address = Address(host=host, port=port, certificate=tls_cert, key=tls_key, insecure=insecure)
    run(chosen, address, token_file, [*(allow_host or []), host])


def need_server() -> None:
    """Raises UsageError where the extra is not installed."""
    try:
        import starlette  # noqa: F401 - whether it can be imported
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "starlette and uvicorn are not installed.",
            "Run: pip install 'logit-amp-chat[server]'",
        ) from error


def run(profile: Profile, address: Address, token_file: Path | None, hosts: Sequence[str]) -> None:
    """Load the pair and answer until a signal comes. Raises LogitAmpError."""
    from logit_amp_chat.core.engine.access_token import given_token, made_token, usual_file
    from logit_amp_chat.core.server import listening
    from logit_amp_chat.core.server.app import make_app
    from logit_amp_chat.core.server.engine_queue import EngineQueue
    from logit_amp_chat.core.server.limits import Limits

    listening.check(address)
    token = given_token(token_file)
    if token is None:
        token = made_token(usual_file())
        say(f"token: in {usual_file()}")
    with listening.bound(address) as opened, engines.open_pair(profile) as pair:
        queue = EngineQueue(pair.engine, Limits())
        try:
            say(f"serving {profile.name} at {address.url} (ctrl+c ends it)")
            app = make_app(queue, profile, token, hosts)
            listening.make_server(app, address, queue.end).run(sockets=[opened])
        finally:
            queue.close()
