"""`logit-amp-chat diff`: reads texts under both models, and shows where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from logit_amp_chat.tui.commands import connection, options, side_options

# Figures that --fail-on can limit: attributes of the total's `TextStats`.
LIMITS = ("mean-kl", "max-kl", "mean-ratio", "max-ratio", "share")


@side_options.with_sides
@connection.with_connection
def command(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Texts, chats or folders; - reads stdin."),
    ],
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    template_arg: options.TemplateArg = None,
    score: Annotated[
        Literal["assistant", "user", "system", "all"],
        typer.Option(help="Whose tokens of a chat count."),
    ] = "assistant",
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="NATS",
            help="Show tokens whose |log-ratio| reaches this."
            " [default: what one place in 100 tokens reaches, at the beginning]",
        ),
    ] = None,
    around: Annotated[
        int | None, typer.Option("-U", "--unified", metavar="N", min=0, help="Tokens around each.")
    ] = None,
    alpha: Annotated[
        list[float] | None,
        typer.Option(metavar="A", help="Also log p and perplexity at this α; may be repeated."),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens read at once. [default: 2,048; chats: the context]"),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tokens scored in each window. [default: half of it]"),
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Figures of every file alone.")] = False,
    blame: Annotated[
        bool, typer.Option("--blame", help="Which stage of a chain made each token?")
    ] = False,
    stage: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --blame, only what this stage did most of."),
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="What does after say more, by token?")
    ] = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print records, one per line: a document, its steps.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print one row per token.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Print a page with the hunks.")] = False,
    top: Annotated[
        int, typer.Option(metavar="N", min=3, help="Candidates of each kind at a token.")
    ] = 10,
    top_everywhere: Annotated[
        bool,
        typer.Option("--top-everywhere", help="Candidates at every token, with --jsonl."),
    ] = False,
    strongest: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only the N strongest hunks, the strongest first."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write. [default: stdout]")
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=X|…",
            help=f"Exit with 1 beyond a limit of the total's size: {', '.join(LIMITS)}; share"
            " needs --threshold.",
        ),
    ] = None,
    color: Annotated[
        Literal["auto", "always", "never"], typer.Option(help="Whether to print colours.")
    ] = "auto",
    pager: Annotated[bool, typer.Option(help="Show it in $PAGER, on a terminal.")] = True,
    quantization: options.Quantization = None,
    dtype: options.Dtype = None,
    vocabulary: options.Vocabulary = None,
    device: options.Device = None,
    trust_caches: options.TrustCaches = None,
    engine: options.EngineName = None,
    mirror: options.Mirror = None,
    debug: options.Debug = False,
) -> None:
    """Diff texts as code: read them under both models, nothing is generated.

    Tokens that the model after finds likelier are marked {+so+}, those it finds less likely
    [-so-], and beneath each hunk stands what either model wanted there instead.
    """
    asked = {"--stat": stat, "--jsonl": jsonl, "--json": as_json, "--csv": csv, "--html": html}
    forms = [name for name, wanted in (asked | {"--tokens": tokens}).items() if wanted]
    if len(forms) > 1:
        raise typer.BadParameter(f"cannot be combined with {forms[0]}", param_hint=forms[1])
    if threshold is not None and not threshold >= 0:
        raise typer.BadParameter(f"expected 0 or more, found {threshold}", param_hint="--threshold")
    if strongest is not None and forms:
        raise typer.BadParameter(f"cannot be combined with {forms[0]}", param_hint="--strongest")
    _check_blame(context.params, forms)
    limits = options.limits(fail_on or [], LIMITS)
    if "share" in limits and threshold is None:
        raise typer.BadParameter(
            "share needs --threshold: the usual one follows the texts", param_hint="--fail-on"
        )
    loading = options.loading(context)
    server = connection.server(context, refused=("template_arg", "blame"))
    chosen = connection.describe(server, context, loading, {})
    from logit_amp_chat.tui.commands import diff_run
    from logit_amp_chat.tui.commands.mirroring import mirroring

    settings = diff_run.Settings(
        form=forms[0] if forms else "",
        threshold=threshold,
        around=around,
        alphas=tuple(dict.fromkeys(options.finite(alpha or []))),
        window=window,
        stride=stride,
        top=top,
        everywhere=top_everywhere,
        limits=limits,
        strongest=strongest,
        out=out,
        color=color,
        pager=pager,
    )
    with mirroring(mirror):
        if blame:
            from logit_amp_chat.tui.commands import blame_run

            ends = context.params["from_stage"], context.params["to_stage"]
            stages = blame_run.Stages(*ends, shown=stage)
            raise typer.Exit(blame_run.run(chosen, files, score, settings, stages))
        raise typer.Exit(diff_run.run(chosen, files, score, settings, server))


def _check_blame(params: Mapping[str, Any], forms: Sequence[str]) -> None:
    """Raises a usage error for options that say nothing of stages, or of stages without need."""
    if params["stage"] is not None:
        if not params["blame"]:
            raise typer.BadParameter("needs --blame", param_hint="--stage")
        if forms:
            raise typer.BadParameter(
                f"chooses hunks: cannot be combined with {forms[0]}", param_hint="--stage"
            )
    for name in ("tokens", "alpha", "fail_on", "top_everywhere"):
        if params["blame"] and params[name]:
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("cannot be combined with --blame", param_hint=option)
