"""`logit-amp-chat sweep`: how often behaviours are at each α, and how rare in the model itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from logit_amp_chat.tui.commands import connection, options, sampling_options, side_options

if TYPE_CHECKING:
    from logit_amp_chat.tui.commands.sweep_results import Outputs
    from logit_amp_chat.tui.commands.sweep_run import Given

NOT_CONNECTED = ("template_arg", "workers", "chain", "imported", "dry_run")
"""What a sweep cannot do over a connection, or needs none for."""


@side_options.with_sides
@sampling_options.with_sampling
@connection.with_connection
def command(
    context: typer.Context,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Prompts: one a line, JSONL, or a saved chat; - is stdin."
        ),
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A prompt itself; may be repeated.")
    ] = None,
    behaviour: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=REGEX", help="Count the replies that match; may be repeated."),
    ] = None,
    behaviour_command: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PROGRAM",
            help="Count what a program says 1 to; it reads a reply a line as JSON.",
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=QUESTION", help="Count what after itself says yes to."),
    ] = None,
    alpha: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A|FROM:TO:STEP|auto",
            help="An α or a range of them; may be repeated. auto: a pilot finds them."
            " [default: −1, −½, 0, ½, 1, 2]",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Replies to every prompt at every α. [default: 40]"),
    ] = None,
    plain: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Replies at α 0, where more: they narrow the upper limit."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The sweep's folder; run again to go on, or count anew."),
    ] = None,
    discover: Annotated[
        bool, typer.Option("--discover", help="Also find phrases that amplification brings out.")
    ] = False,
    label: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Mark N replies by hand: a judge's error rates."),
    ] = 0,
    imported: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Count in a published sweep, a JSON list."),
    ] = None,
    count_only: Annotated[
        bool, typer.Option("--count-only", help="Count what --out has; sample nothing.")
    ] = False,
    coupled: Annotated[
        bool, typer.Option("--coupled", help="Give sample n the same noise at every α.")
    ] = False,
    amplify_first: Annotated[
        int | None,
        typer.Option(metavar="M", min=1, help="Amplify M tokens, then go on as after itself."),
    ] = None,
    target: Annotated[
        float, typer.Option(metavar="A", help="The α of the model that the estimate is of.")
    ] = 0.0,
    curve_alpha: Annotated[
        list[str] | None,
        typer.Option(metavar="A", help="An α for the curve that is not sampled; may be repeated."),
    ] = None,
    over: Annotated[
        Literal["replies", "prompts"],
        typer.Option(help="What the interval is over; prompts: a sample of more, 50 at least."),
    ] = "replies",
    rows: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Replies at once. [default: by memory]")
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(metavar="ray|ray:N", help="Sample on Ray, N engines at once."),
    ] = None,
    top: Annotated[
        int, typer.Option(metavar="K", min=0, help="Candidates of each kind to keep a token.")
    ] = 0,
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    system: options.System = None,
    template_arg: options.TemplateArg = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Use prompts as they are, without a chat template.")
    ] = False,
    by_prompt: Annotated[
        bool, typer.Option("--by-prompt", help="Also print the rates of every prompt.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print a row per behaviour and α, and the estimates.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a report with every reply."),
    ] = None,
    html_replies: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Replies of each prompt and α in the report."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|svg|pdf", help="Also draw the rates, with matplotlib."),
    ] = None,
    chain: Annotated[
        bool,
        typer.Option(
            "--chain", help="Sweep every adjacent pair of stages, --from one --to another."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and sample nothing.")
    ] = False,
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
    """Count behaviours over α, and estimate how rare they are in the model itself.

    Replies are sampled at temperature 1 without filters but τ, many at once, and saved as they
    end. Rates at α > 0 are for discovery; the estimate speaks about the model at α = 0, from
    all replies together. An interrupt finishes the replies that have begun; run it again with
    the same --out to go on.
    """
    auto = "auto" in (alpha or [])
    _refuse_contradictions(context.params)
    from logit_amp_chat.core.experiments.sweep.asked import AskedSweep
    from logit_amp_chat.tui.commands import sweep_chain, sweep_run
    from logit_amp_chat.tui.commands.mirroring import mirroring
    from logit_amp_chat.tui.commands.sweep_behaviours import Asked

    asked = sweep_run.Settings(
        prompts=prompts or [],
        prompt=prompt or [],
        raw=raw,
        behaviours=Asked(
            patterns=behaviour or [], programs=behaviour_command or [], questions=judge or []
        ),
        auto=auto,
        count_only=count_only,
        label=label,
        discover=discover,
        imported=imported,
        sweep=AskedSweep(
            alphas=[] if auto else options.alphas(alpha or []),
            samples=samples,
            plain=plain,
            coupled=coupled,
            amplify_first=amplify_first,
            target=target,
            further=options.alphas(curve_alpha or [], "--curve-alpha"),
            top=top,
        ),
        over=over,
        rows=rows,
        workers=workers,
        out=out,
        outputs=_outputs(context.params),
        dry_run=dry_run,
        server=connection.server(context, refused=NOT_CONNECTED),
    )
    given = _given(context)
    with mirroring(mirror):
        raise typer.Exit((sweep_chain if chain else sweep_run).run(given, asked))


def _given(context: typer.Context) -> Given:
    """What was said of the pair."""
    from logit_amp_chat.tui.commands.sweep_run import Given

    profile, before, after, adapter = (context.params[name] for name in connection.NAMED)
    return Given(
        profile=(profile, before, after, adapter),
        loading={"system": context.params["system"]} | options.loading(context),
        sampling=options.given(context, sampling_options.OPTIONS),
    )


def _outputs(params: Mapping[str, Any]) -> Outputs:
    """What is to be shown, and where."""
    from logit_amp_chat.tui.commands.sweep_results import Outputs

    form: Literal["", "--json", "--csv"] = ""
    if params["as_json"] or params["csv"]:
        form = "--json" if params["as_json"] else "--csv"
    names = ("by_prompt", "color", "html", "html_replies", "plot")
    return Outputs(form=form, **{name: params[name] for name in names})


def _refuse_contradictions(params: Mapping[str, Any]) -> None:
    """Raises a usage error for options that contradict each other, or lack one."""
    behaviour = any(params[name] for name in ("behaviour", "behaviour_command", "judge"))
    prompts = any(params[name] for name in ("prompts", "prompt"))
    alphas, imported = params["alpha"] or [], params["imported"] is not None
    auto = "auto" in alphas
    other = prompts or any(params[name] for name in ("out", "judge", "behaviour_command"))
    refused = (
        ("--system", "cannot be combined with --raw", params["raw"] and params["system"]),
        ("--csv", "cannot be combined with --json", params["as_json"] and params["csv"]),
        (
            "--plot",
            "needs a behaviour to draw",
            params["plot"] and not (behaviour or params["discover"]),
        ),
        ("--alpha", "auto takes no further α", auto and len(alphas) > 1),
        ("--alpha", "auto samples, --count-only does not", auto and params["count_only"]),
        ("--alpha", "auto looks for the αs of a behaviour: name one", auto and not behaviour),
        (
            "--count-only",
            "needs the folder of a sweep: --out",
            params["count_only"] and params["out"] is None,
        ),
        (
            "--count-only",
            "samples nothing: leave out --alpha, --samples, --plain and --curve-alpha",
            params["count_only"]
            and any(params[n] for n in ("alpha", "samples", "plain", "curve_alpha")),
        ),
        ("--label", "needs a behaviour to ask about", params["label"] and not behaviour),
        (
            "--chain",
            "samples models: a published sweep has one pair",
            bool(params["chain"]) and imported,
        ),
        (
            "--import",
            "takes patterns alone: no prompts, --out, --label, programs or judges",
            imported and (other or params["label"]),
        ),
    )
    for option, why, is_so in (*refused, *_refused_of_workers(params), *_refused_of_chains(params)):
        if is_so:
            raise typer.BadParameter(why, param_hint=option)


def _refused_of_workers(params: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """What workers cannot do: option, reason, whether it is so."""
    workers = params["workers"] is not None
    counted = bool(params["count_only"] or params["imported"])
    yield "--workers", "samples replies: --count-only and --import do not", workers and counted
    yield (
        "--workers",
        "samples, a judge needs the pair here: sample first, then count without --workers",
        workers and bool(params["judge"]),
    )


def _refused_of_chains(params: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """What a chain cannot do: option, reason, whether it is so."""
    chain = bool(params["chain"])
    for name in side_options.OPTIONS:
        if name not in ("from_stage", "to_stage"):
            option = f"--{name.replace('_', '-')}"
            said = params[name] not in (None, [], ())
            yield option, "is for one pair: leave out --chain", chain and said
    pair = any(params[name] is not None for name in ("before", "after", "adapter"))
    yield "--chain", "needs a profile with stages, not a pair", chain and pair
    yield (
        "--target",
        "cannot be combined with --chain, which estimates every stage",
        chain and params["target"] != 0,
    )
    yield (
        "--amplify-first",
        "cannot be combined with --chain: replies go on as after, so that α −1 is no stage",
        chain and params["amplify_first"] is not None,
    )
