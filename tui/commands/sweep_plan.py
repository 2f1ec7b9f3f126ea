"""`sweep --dry-run`: what it would take, without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.dry_run import DryRun, dry_run
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.number_format import count, duration, quantity, signed
from logit_amp_chat.core.system.hub_cache import download_state
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import put_safe

if TYPE_CHECKING:
    from logit_amp_chat.core.config.profile import Profile

    PairPlan = tuple[str, Profile, SweepFolder | None, SweepSettings, Sequence[SweepPrompt]]


def show(
    profile: Profile,
    there: SweepFolder | None,
    settings: SweepSettings,
    prompts: Sequence[SweepPrompt],
) -> int:
    """Print what the sweep would take; the exit code."""
    put_safe(_text(profile, there, settings, prompts))
    return 0


def show_chain(pairs: Sequence[PairPlan]) -> int:
    """The same of every pair of a chain; they are loaded one after the other."""
    for name, profile, there, settings, prompts in pairs:
        put_safe(f"{name}\n{_text(profile, there, settings, prompts)}\n")
    total = count(len(pairs), "pair")
    put_safe(f"{total}: one is loaded after the other, and each stage once.\n")
    return 0


def _text(
    profile: Profile,
    there: SweepFolder | None,
    settings: SweepSettings,
    prompts: Sequence[SweepPrompt],
) -> str:
    need = dry_run(settings, prompts, there)
    rows = [*_work(need, settings, prompts), *_memory(profile, settings)]
    return "".join(f"{name:<9} {visible(text, newlines=False)}\n" for name, text in rows)


def _work(
    need: DryRun, settings: SweepSettings, prompts: Sequence[SweepPrompt]
) -> Iterator[tuple[str, str]]:
    alphas = ", ".join(map(signed, settings.alphas))
    yield "prompts", f"{len(prompts):,}"
    yield "αs", f"{len(settings.alphas):,}: {alphas}"
    total = settings.replies_to(len(prompts))
    known = f", {need.there:,} of them there already" if need.there else ""
    yield "replies", f"{total:,}{known}; {wording.each(settings)}"
    yield "sampled", f"at {wording.sampled_as(settings)}"
    most = f"at most {count(need.most_tokens, 'token')}"
    size = f"at most {quantity(need.bytes, 'bytes')}"
    if need.likely_tokens is None or need.likely_bytes is None:
        yield "tokens", most
        yield "disk", size
        yield "time", "not known before something was sampled: --samples 1 --out DIR first tells"
        return
    yield "tokens", f"about {need.likely_tokens:,} as replies are so far, {most}"
    yield "disk", f"about {quantity(need.likely_bytes, 'bytes')}, {size}"
    if need.seconds is None:
        yield "time", "not known: no run in this folder has come to its end"
    else:
        yield "time", f"about {duration(need.seconds)}, at the speed of this folder's runs"


def _memory(profile: Profile, settings: SweepSettings) -> Iterator[tuple[str, str]]:
    if download_state(profile) != "here":
        needs = profile.needs.memory_gb if profile.needs else None
        said = "not known" if needs is None else f"about {needs:.1f} GB, says the profile"
        yield "memory", f"{said}; the models are not downloaded yet"
        return
    from logit_amp_chat.core.decoding.sampling_memory import sampling_memory

    try:
        need = sampling_memory(profile, settings.sampling.max_new_tokens, len(settings.grid))
    except LogitAmpError as error:
        yield "memory", f"not known: {error}"
        return
    row = (
        ""
        if need.row is None
        else f", up to {quantity(need.row, 'bytes')} a reply beside its prompt"
    )
    yield "memory", f"about {quantity(need.weights, 'bytes')} of weights{row}"
