"""What the commands have in common: their options, and the profile these describe.

Only light imports here: `--help` reads this file.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from logit_amp_chat.core.config.profile import Profile

ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile", "-p", metavar="NAME|PATH", help="Profile, by name or path. [default: demo]"
    ),
]
Before = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="Earlier model (Hub id, folder or GGUF file); with --after or --adapter."
    ),
]
After = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="Later model (Hub id, folder or GGUF file); with --before or --adapter."
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="LoRA adapter, compared with the model without it: the one it was trained on,"
        " the later one of --profile, or that of --before or --after.",
    ),
]
Quantization = Annotated[
    str | None, typer.Option(metavar="nf4|int8|none", help="Quantize the weights to 4 or 8 bits.")
]
Dtype = Annotated[
    str | None, typer.Option(metavar="NAME", help="auto, bfloat16, float16 or float32.")
]
Vocabulary = Annotated[
    str | None,
    typer.Option(
        metavar="by-name|by-id",
        help="by-id: an id is one token for both models, even where they name it differently.",
    ),
]
TrustCaches = Annotated[
    bool | None,
    typer.Option(
        "--trust-caches",
        help="Open the pair without comparing its replies with whole forward passes.",
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="local|vllm",
        help="What computes the models; vllm needs what `./setup.sh vllm` makes.",
    ),
]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
System = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help='System prompt; "" also removes that of the template.'),
]
TemplateArg = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A variable of the chat template, such as enable_thinking=false; may be repeated.",
    ),
]
SpecialTokens = Annotated[
    bool,
    typer.Option(
        "--special-tokens",
        help="Special tokens that the prompt spells are these tokens, not text.",
    ),
]
Begin = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What every reply is given to begin with.")
]
Mirror = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|COMMAND",
        help="Also copy what is saved to a folder, or with a command such as"
        " 'rclone copyto {file} remote:chats/{name}'; off: not even as the settings say.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A file with the server's token, which nobody else can read (mode 0600)."
        " [default: LOGIT_AMP_TOKEN]",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

LOADING = ("quantization", "dtype", "vocabulary", "device", "trust_caches", "engine")
"""The options that say how a pair is opened."""
SIDES = "sides"
"""The key of what was said of the sides of a pair, see `side_options`."""


def given(context: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """The values of these options of a command; None where one was not given."""
    return {name: context.params[name] for name in names}


def loading(context: typer.Context) -> dict[str, Any]:
    """The values of the options that say how a pair is opened and prompted.

    Raises a usage error for a variable of the chat template that cannot be.
    """
    from logit_amp_chat.core.config.prompt_settings import variable
    from logit_amp_chat.core.errors import UsageError

    try:
        template = dict(map(variable, context.params.get("template_arg") or []))
    except UsageError as error:
        raise typer.BadParameter(error.message, param_hint="--template-arg") from error
    from logit_amp_chat.tui.commands import side_options

    sides = side_options.choices(context.params)
    return {"template": template, SIDES: sides} | given(context, LOADING)


def finite(alphas: list[float]) -> list[float]:
    """The αs as they are. Raises a usage error for inf and nan."""
    for alpha in alphas:
        if not math.isfinite(alpha):
            raise typer.BadParameter(
                f"expected a finite number, found {alpha}", param_hint="--alpha"
            )
    return alphas


def alphas(texts: Iterable[str], option: str = "--alpha") -> list[float]:
    """The αs of numbers and ranges such as -1:3:0.25, which end included. Raises a usage error."""
    from logit_amp_chat.core.errors import UsageError
    from logit_amp_chat.core.lanes import parse_alphas

    try:
        return parse_alphas(" ".join(texts))
    except UsageError as error:
        raise typer.BadParameter(error.message, param_hint=option) from error


def stages(profile: Profile, names: list[str] | None) -> list[str] | None:
    """The stages that were named, or every one of a chain for `all`; None where none was."""
    from logit_amp_chat.core.lanes import ALL_STAGES

    if names == [ALL_STAGES]:
        return [stage.name for stage in profile.stages] or names
    return names


def counts(text: str, option: str) -> tuple[int, ...]:
    """Comma-separated numbers from 1 on. Raises a usage error."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"expected numbers like 1,3,8, found {text}", param_hint=option)
    return tuple(map(int, parts))


def limits(texts: Iterable[str], names: Iterable[str]) -> dict[str, float]:
    """Limits such as mean-kl=0.1|max-ratio=5, by name. Raises a usage error."""
    known, found = list(names), dict[str, float]()
    for part in itertools.chain.from_iterable(text.split("|") for text in texts):
        name, _, value = part.strip().partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if name not in known or math.isnan(found[name]):
            raise typer.BadParameter(
                f"expected NAME=NUMBER with one of {', '.join(known)}, found {part}",
                param_hint="--fail-on",
            )
    return found


def describe(
    name: str | None,
    before: str | None,
    after: str | None,
    adapter: str | None,
    settings: Mapping[str, Any],
    sampling: Mapping[str, Any],
) -> Profile:
    """The profile that the options describe; a None among them says nothing.

    Raises ProfileError, and a usage error for options that contradict each
    other or hold what they may not.
    """
    from logit_amp_chat.tui.commands import side_options
    from logit_amp_chat.tui.commands.output import Progress

    if adapter is None and (before is None) != (after is None):
        missing = "--after" if after is None else "--before"
        raise typer.BadParameter(
            "missing; a pair needs --before and --after, or one of them and --adapter",
            param_hint=missing,
        )
    progress = Progress()
    try:
        named = name, before, after, adapter
        profile = side_options.describe(settings.get(SIDES) or {}, named, progress)
    finally:
        progress.done()
    return adjusted(profile, settings, sampling)


def adjusted(profile: Profile, settings: Mapping[str, Any], sampling: Mapping[str, Any]) -> Profile:
    """The profile with those options that were given; not those of its sides.

    Raises a usage error.
    """
    from pydantic import ValidationError

    from logit_amp_chat.core.api import chosen_profile
    from logit_amp_chat.core.errors import UsageError

    settings = {name: value for name, value in settings.items() if name != SIDES}
    try:
        return chosen_profile.adjusted(profile, settings, sampling)
    except UsageError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        raise _refused(error.__cause__.errors(include_url=False)[0]) from None


def _refused(detail: ErrorDetails) -> typer.BadParameter:
    """What pydantic found wrong with an option, in the words of someone who types it."""
    from logit_amp_chat.core.api.chosen_profile import complaint, field_of

    option = "--" + field_of(detail).replace("_", "-")
    return typer.BadParameter(complaint(detail), param_hint=option)


def explain(error: typer.TyperException) -> str:
    """What is wrong with a command line; what typer itself checks is said as we say it."""
    from pydantic import ValidationError

    cause, parameter = error.__cause__, getattr(error, "param", None)
    if isinstance(cause, ValidationError) and parameter is not None:
        error = _refused({**cause.errors(include_url=False)[0], "loc": (parameter.name,)})
    return error.format_message()


def of_transcript(path: Path) -> Profile:
    """The profile a transcript was last made with.

    Raises TranscriptError, and UsageError where the file does not tell.
    """
    from logit_amp_chat.core.config.profile import recorded_profile
    from logit_amp_chat.core.errors import UsageError
    from logit_amp_chat.core.transcripts.conversation import Conversation
    from logit_amp_chat.core.transcripts.jsonl import read_records

    session = Conversation(read_records(path)).session
    profile = recorded_profile(session) if session else None
    if profile is None:
        raise UsageError(
            f"{path} does not say which models it was made with.",
            "Name them: --profile NAME, or --before ID --after ID.",
        )
    return profile
