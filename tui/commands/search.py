"""`logit-amp-chat search`: ranks prompts by how differently the two models go on after them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from logit_amp_chat.tui.commands import connection, options, side_options


@side_options.with_sides
@connection.with_connection
def command(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="PROMPTS…", help="Texts, chats or folders; - reads stdin."),
    ],
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    system: options.System = None,
    template_arg: options.TemplateArg = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of a plain text is a prompt.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Use prompts as they are, without a chat template.")
    ] = False,
    texts: Annotated[
        bool, typer.Option("--texts", help="Plain texts are no prompts: rank them by themselves.")
    ] = False,
    tokens: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Tokens of after's answer that are measured."),
    ] = 32,
    by: Annotated[
        Literal["mean-kl", "max-kl", "log-ratio"],
        typer.Option(help="What to rank by; of the log-ratio its size."),
    ] = "mean-kl",
    top: Annotated[int, typer.Option(metavar="K", min=1, help="How many to show.")] = 20,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl", help="Save every result here, and go on from those it has."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the best as JSON.")] = False,
    open_hit: Annotated[
        int | None,
        typer.Option("--open", metavar="N", min=1, help="Open the chat with the Nth best."),
    ] = None,
    save: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Save the N best as chats: F9 in the chat has them."),
    ] = 0,
    color: Annotated[
        Literal["auto", "always", "never"], typer.Option(help="Whether to print colours.")
    ] = "auto",
    quantization: options.Quantization = None,
    dtype: options.Dtype = None,
    vocabulary: options.Vocabulary = None,
    device: options.Device = None,
    trust_caches: options.TrustCaches = None,
    engine: options.EngineName = None,
    mirror: options.Mirror = None,
    debug: options.Debug = False,
) -> None:
    """Rank prompts by how differently the two models go on: where should one look?

    Measured are KL(after‖before) and the log-ratio of the reply at the end of a chat, where
    there is one, else of the first tokens of after's own greedy answer. An interrupt prints the
    best so far, and with --out nothing is measured twice.
    """
    if raw and system is not None:
        raise typer.BadParameter("cannot be combined with --raw", param_hint="--system")
    if raw and texts:
        raise typer.BadParameter("cannot be combined with --raw", param_hint="--texts")
    if save > top:
        raise typer.BadParameter(
            f"expected a number up to --top, {top}, found {save}", param_hint="--save"
        )
    if open_hit is not None and open_hit > top:
        raise typer.BadParameter(
            f"expected a number up to --top, {top}, found {open_hit}", param_hint="--open"
        )
    settings = {"system": system} | options.loading(context)
    server = connection.server(context, refused=("template_arg",))
    chosen = connection.describe(server, context, settings, {})
    from logit_amp_chat.core.experiments.search import SearchSettings
    from logit_amp_chat.tui.commands import search_run
    from logit_amp_chat.tui.commands.mirroring import mirroring

    asked = search_run.Settings(
        search=SearchSettings(
            tokens=tokens, raw=raw, texts=texts, system=None if raw else chosen.system
        ),
        lines=lines,
        by=by,
        top=top,
        out=out,
        as_json=as_json,
        open_hit=open_hit,
        save=save,
        color=color,
    )
    with mirroring(mirror) as copies:
        raise typer.Exit(search_run.run(chosen, files, asked, copies, server))
