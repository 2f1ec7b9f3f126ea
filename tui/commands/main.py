"""The command: opens the chat, or answers, lists and exports for scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.tui.commands import (
    bench,
    connection,
    diff,
    export,
    loss,
    options,
    sampling_options,
    search,
    serve,
    side_options,
    sweep,
)
from logit_amp_chat.tui.commands import engine as engines

EXIT_CODES = (
    "Exit codes: 0 done, 1 unexpected failure or beyond --fail-on, 2 wrong usage or a text that"
    " cannot be read, 3 profile, 4 pair cannot be loaded, 5 context used up, 6 transcript,"
    " 7 engine died, 8 a replay differs, 130 interrupted."
)
NAME = "logit-amp-chat"

app = typer.Typer(
    name=NAME,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from logit_amp_chat.tui.commands.output import put

        put(f"{NAME} {version(NAME)}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog=EXIT_CODES)
@side_options.with_sides
@sampling_options.with_sampling
@connection.with_connection
def chat(
    context: typer.Context,
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    alpha: Annotated[float | None, typer.Option(metavar="A", help="α to start with.")] = None,
    system: options.System = None,
    template_arg: options.TemplateArg = None,
    transcripts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where conversations are saved.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Continue a saved conversation.")
    ] = None,
    quantization: options.Quantization = None,
    dtype: options.Dtype = None,
    vocabulary: options.Vocabulary = None,
    device: options.Device = None,
    trust_caches: options.TrustCaches = None,
    engine: options.EngineName = None,
    mirror: options.Mirror = None,
    debug: options.Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Chat with what training did to a language model: after + α·(after − before).

    α = −1 is the model before, α = 0 the model after, α > 0 exaggerates what changed.
    Without a command, the chat opens.
    """
    if context.invoked_subcommand:
        _refuse_stray_options(context)
        return
    if alpha is not None:
        options.finite([alpha])
    settings = {"alpha": alpha, "system": system} | options.loading(context)
    sampling = options.given(context, sampling_options.OPTIONS)
    server = connection.server(context)
    named = profile or before or after or adapter or context.params["model"]
    if resume and server is None and not named:
        resumed = side_options.resumed(options.of_transcript(resume), settings[options.SIDES])
        chosen = options.adjusted(resumed, settings, sampling)
    else:
        chosen = connection.describe(server, context, settings, sampling)

    from logit_amp_chat.core.transcripts.writer import default_folder
    from logit_amp_chat.tui.app import run_chat
    from logit_amp_chat.tui.commands.mirroring import mirroring

    folder = transcripts or default_folder()
    with mirroring(mirror, folder) as copies:
        raise typer.Exit(
            run_chat(
                chosen,
                transcripts=folder,
                resume=resume,
                make_engine=connection.chat_engine(server),
                mirror=copies,
            )
        )


def _refuse_stray_options(context: typer.Context) -> None:
    """`--alpha 2 reply` would be silently ignored: say where it belongs."""
    for name, value in context.params.items():
        if value and name not in ("debug", "version"):
            raise typer.BadParameter(
                f"put it after {context.invoked_subcommand}",
                param_hint=side_options.option_name(name),
            )


@app.command(epilog=EXIT_CODES, short_help="Answer one prompt, for scripts and pipes.")
@side_options.with_sides
@sampling_options.with_sampling
@connection.with_connection
def reply(
    context: typer.Context,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="The prompt; - reads it from stdin.")],
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    system: options.System = None,
    template_arg: options.TemplateArg = None,
    special_tokens: options.SpecialTokens = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Use the prompt as it is, without a chat template.")
    ] = False,
    show_prompt: Annotated[
        bool,
        typer.Option("--show-prompt", help="Print what each model would be prompted with."),
    ] = False,
    alpha: Annotated[
        list[float] | None,
        typer.Option(
            metavar="A",
            help="α: −1 is before, 0 after. May be repeated: lanes, decoded in one pass."
            " [default: that of the profile]",
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A chain's stage, or 'base>dpo 1.5', in place of an α; may be repeated; or all.",
        ),
    ] = None,
    begin: options.Begin = None,
    top: Annotated[
        int | None,
        typer.Option(metavar="N", help="Candidates per step, with --jsonl. [default: 10]"),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print transcript records, one per line.")
    ] = False,
    quantization: options.Quantization = None,
    dtype: options.Dtype = None,
    vocabulary: options.Vocabulary = None,
    device: options.Device = None,
    trust_caches: options.TrustCaches = None,
    engine: options.EngineName = None,
    debug: options.Debug = False,
) -> None:
    """Answer one prompt: text or records on stdout, everything else on stderr."""
    if raw and system is not None:
        raise typer.BadParameter("cannot be combined with --raw", param_hint="--system")
    if show_prompt and jsonl:
        raise typer.BadParameter("cannot be combined with --jsonl", param_hint="--show-prompt")
    if top is not None and top < 0:
        raise typer.BadParameter(f"expected 0 or more, found {top}", param_hint="--top")
    alphas = options.finite(alpha or [])
    text = _prompt(prompt)
    if not text and not raw:
        raise typer.BadParameter("expected a text, found nothing", param_hint="--prompt")
    settings = {"system": system} | options.loading(context)
    server = connection.server(context)
    sampling = options.given(context, sampling_options.OPTIONS)
    chosen = connection.describe(server, context, settings, sampling)
    from logit_amp_chat.core.api.request import make_request
    from logit_amp_chat.tui.commands import reply as headless
    from logit_amp_chat.tui.commands import shown_prompt

    shown = top if jsonl else 0
    request = make_request(
        chosen,
        text,
        alpha=alphas or None,
        stages=options.stages(chosen, stage),
        raw=raw,
        begin=begin,
        top=shown,
        special_tokens=special_tokens,
        template=settings["template"] or None,
    )
    if show_prompt:
        raise typer.Exit(shown_prompt.run(chosen, request, engines.opener(server)))
    raise typer.Exit(headless.run(chosen, request, engines.opener(server), jsonl=jsonl))


def _prompt(prompt: str) -> str:
    """The prompt, or standard input less its last newline, as valid Unicode."""
    from logit_amp_chat.core.text import clean

    if prompt != "-":
        return clean(prompt)
    data = sys.stdin.buffer.read()
    return data.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


@app.command(epilog=EXIT_CODES, short_help="List the profiles and what they need.")
def profiles(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    debug: options.Debug = False,
) -> None:
    """List the profiles, what they need, and whether this machine can hold them."""
    from logit_amp_chat.tui.commands.profiles import list_profiles

    list_profiles(as_json=as_json)


app.command(name="export", epilog=EXIT_CODES)(export.command)


@app.command(epilog=EXIT_CODES, short_help="Decode a transcript again and compare.")
def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="A transcript (.jsonl), or a sweep's folder.")
    ],
    profile: Annotated[
        str | None,
        typer.Option("--profile", "-p", metavar="NAME|PATH", help="Decode with this pair instead."),
    ] = None,
    reply: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A reply of a sweep. [default: 20 of them]"),
    ] = None,
    debug: options.Debug = False,
) -> None:
    """Decode every reply of a saved conversation again: the same seed, α timeline and sampling.

    Exits with 0 only if every token and every number matches, and every line of the file could
    be read. Of a sweep some replies are decoded, each alone; numbers may differ by rounding.
    """
    from logit_amp_chat.core.config.profile import load_profile
    from logit_amp_chat.tui.commands import verify as headless
    from logit_amp_chat.tui.commands import verify_sweep

    chosen = load_profile(profile) if profile else None
    if file.is_dir():
        raise typer.Exit(verify_sweep.run(file, reply or [], chosen, engines.open_engine))
    if reply:
        raise typer.BadParameter("is for the folder of a sweep", param_hint="--reply")
    raise typer.Exit(headless.run(file, chosen, engines.open_engine))


app.command(name="diff", epilog=EXIT_CODES, short_help="Diff texts: read them under both models.")(
    diff.command
)
app.command(name="loss", epilog=EXIT_CODES, short_help="Measure the loss of texts against α.")(
    loss.command
)
app.command(name="search", epilog=EXIT_CODES, short_help="Rank prompts by where models differ.")(
    search.command
)
app.command(
    name="sweep", epilog=EXIT_CODES, short_help="Count behaviours over α: how rare are they?"
)(sweep.command)
app.command(
    name="serve", epilog=EXIT_CODES, short_help="Serve a pair to other programs and machines."
)(serve.command)
app.command(name="bench", epilog=EXIT_CODES, short_help="Measure how fast a pair decodes here.")(
    bench.command
)


@app.command(epilog=EXIT_CODES, short_help="Check this terminal, this machine and the profiles.")
@side_options.with_sides
def doctor(
    context: typer.Context,
    profile: options.ProfileName = None,
    load: Annotated[
        bool | None,
        typer.Option(
            "--load/--no-load",
            help="Also load the pair, and compare its replies with whole forward passes."
            " [default: with --profile, if it is downloaded and can run here]",
        ),
    ] = None,
    keys: Annotated[
        bool, typer.Option("--keys", help="Test keys and clipboard interactively.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: options.Debug = False,
) -> None:
    """Check what this terminal and this machine can do, and which profiles run here.

    Exits with 0 if the profile (default: demo) can run here, with 4 if it cannot.
    """
    from logit_amp_chat.tui.commands import doctor as headless

    sides = side_options.choices(context.params)
    chosen = options.describe(profile, None, None, None, {options.SIDES: sides}, {})
    if keys:
        from logit_amp_chat.tui.commands.output import say
        from logit_amp_chat.tui.keys.key_tester import try_keys

        say(try_keys())
    chosen_sides = any(context.params[name] for name in side_options.OPTIONS)
    if load is None and profile is None and not chosen_sides:
        load = False
    raise typer.Exit(headless.run(chosen, engines.open_engine, as_json=as_json, load=load))


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code. Errors are one message on stderr."""
    from logit_amp_chat.core.config.folders import ensure_home, ensure_temporary_folder
    from logit_amp_chat.tui.commands.output import (
        ReaderGoneError,
        occupy_closed_streams,
        prepare,
        say,
    )

    occupy_closed_streams()
    ensure_home()
    ensure_temporary_folder()
    prepare(sys.stdout)
    prepare(sys.stderr)
    debug = "--debug" in arguments
    try:
        code = app(args=list(arguments), prog_name=NAME, standalone_mode=False)
        return int(code or 0)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else NAME
        say(f"error: {options.explain(error)}\nSee {command} --help.")
        return 2
    except LogitAmpError as error:
        if debug:
            raise
        say(f"error: {error}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except ReaderGoneError:
        return 0
    except Exception as error:
        if debug:
            raise
        say(f"error: {type(error).__name__}: {error}\nRun it again with --debug for a traceback.")
        return 1


def main() -> None:
    """The entry point of the installed command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
