"""`logit-amp-chat loss`: the loss of texts against α, from one reading of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from logit_amp_chat.tui.commands import connection, options, side_options

PLOT_ENDINGS = (".png", ".svg", ".pdf")


@side_options.with_sides
@connection.with_connection
def command(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE…", help="Texts, chats or folders; - reads stdin."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A text itself; may be repeated.")
    ] = None,
    alpha: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A|FROM:TO:STEP",
            help="An α or a range of them; may be repeated. [default: -1.5:3:0.25]",
        ),
    ] = None,
    first_token: Annotated[
        bool,
        typer.Option(
            help="Whether the first token of a text counts, which nothing precedes but the"
            " beginning of text."
        ),
    ] = True,
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    template_arg: options.TemplateArg = None,
    score: Annotated[
        Literal["assistant", "user", "system", "all"],
        typer.Option(help="Whose tokens of a chat count."),
    ] = "assistant",
    window: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens read at once. [default: 2,048; chats: the context]"),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens scored in each window. [default: half of it]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print one row per α.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|svg|pdf", help="Also draw the curve, with matplotlib."),
    ] = None,
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
    """Measure the loss of texts against α: nats per token, with a standard error over texts.

    Each text is read once under both models, whatever the number of αs, and none sees another.
    The distribution is that at temperature 1, without any mask: there the loss is convex in α,
    and a curve that is not is an error.
    """
    if not files and not text:
        raise typer.BadParameter(
            "missing; name files, or give texts with --text", param_hint="FILE…"
        )
    if as_json and csv:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--csv")
    if plot is not None and plot.suffix.lower() not in PLOT_ENDINGS:
        raise typer.BadParameter(
            f"expected a name that ends in {', '.join(PLOT_ENDINGS)}, found {plot.name}",
            param_hint="--plot",
        )
    alphas = options.alphas(alpha or [])
    loading = options.loading(context)
    server = connection.server(context, refused=("template_arg",))
    chosen = connection.describe(server, context, loading, {})
    from logit_amp_chat.core.api.loss import loss_settings
    from logit_amp_chat.tui.commands import loss_run
    from logit_amp_chat.tui.commands.mirroring import mirroring

    settings = loss_run.Settings(
        reading=loss_settings(
            alphas or None, first_token=first_token, window=window, stride=stride
        ),
        form="--json" if as_json else "--csv" if csv else "",
        plot=plot,
        color=color,
    )
    with mirroring(mirror):
        raise typer.Exit(loss_run.run(chosen, files or [], text or [], score, settings, server))
