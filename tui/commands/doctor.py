"""`logit-amp-chat doctor`: what terminal and machine can do, and which profiles run here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.analysis.cache_checks import finding
from logit_amp_chat.core.api.mirror import chosen_target, is_on_the_disk_of, trial
from logit_amp_chat.core.config.profile import Profile, list_profiles
from logit_amp_chat.core.errors import LogitAmpError, PairError
from logit_amp_chat.core.experiments.sweep.workers.ray_cluster import ADDRESS, INSTALL
from logit_amp_chat.core.models.quantized_weights import copies_folder, copies_size
from logit_amp_chat.core.records import CacheCheck
from logit_amp_chat.core.system import vllm_environment
from logit_amp_chat.core.system.diagnosis import Diagnosis, lacks_token
from logit_amp_chat.core.system.hub_cache import download_state
from logit_amp_chat.core.system.machine import GB
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.writer import default_folder
from logit_amp_chat.tui.commands.output import Progress, put, put_json, say
from logit_amp_chat.tui.commands.serve import need_server
from logit_amp_chat.tui.terminal import capabilities as terminal
from logit_amp_chat.tui.terminal.capabilities import Finding

if TYPE_CHECKING:
    from logit_amp_chat.tui.commands.engine import Opener

SIGNS = {"good": "✓", "odd": "!", "bad": "✗"}
CANNOT = PairError.exit_code


def run(chosen: Profile, open_engine: Opener, *, as_json: bool, load: bool | None) -> int:
    """Print what was found; 0 where the chosen profile can run here as far as is known.

    With `load` its pair is loaded, and what its caches may be used for is told too; with None
    that is so where it is downloaded and can run here. Raises LogitAmpError if it cannot be.
    """
    found = terminal.here()
    say("Asking torch and bitsandbytes …")
    diagnosis = Diagnosis.this()
    can_run = diagnosis.can_run(chosen)
    profiles = [entry for entry in list_profiles() if isinstance(entry, Profile)]
    machine = list(machine_findings(diagnosis, [*profiles, chosen]))
    if load is None:
        load = can_run is not False and download_state(chosen, diagnosis.cache) == "here"
    caches = _checked(chosen, open_engine) if load else {}
    if as_json:
        put_json(json.dumps({
            "terminal": [asdict(one) for one in found],
            "machine": [asdict(one) for one in machine],
            "profiles": [_record(diagnosis, profile) for profile in profiles],
            "profile": _record(diagnosis, chosen),
            "caches": {name: asdict(check) for name, check in caches.items()},
        }, indent=2))  # fmt: skip
    else:
        put("".join(f"{line}\n" for line in _report(diagnosis, found, machine, profiles, chosen)))
        put("".join(f"  {name}: {finding(name, check)}\n" for name, check in caches.items()))
        if load and not caches:
            put("  Caches were not compared: the profile trusts them.\n")
    return 0 if can_run is not False else CANNOT


def _checked(profile: Profile, open_engine: Opener) -> Mapping[str, CacheCheck]:
    progress = Progress()
    try:
        return open_engine(profile, progress).opened.session.caches or {}
    finally:
        progress.done()


def machine_findings(diagnosis: Diagnosis, profiles: Sequence[Profile]) -> Iterator[Finding]:
    """The machine, in the order in which it matters to these profiles."""
    machine, torch = diagnosis.machine, diagnosis.torch
    if machine.gpus:
        memory = f", {machine.gpu_memory / GB:.0f} GB" if machine.gpu_memory else ""
        driver = f", driver {diagnosis.driver}" if diagnosis.driver else ""
        yield Finding("GPU", f"{', '.join(machine.gpus)}{memory}{driver}")
    else:
        yield Finding("GPU", "none: small pairs run on the CPU")
    if machine.ram:
        yield Finding("memory", f"{machine.ram / GB:.0f} GB")
    else:
        yield Finding("memory", "not known", "odd")
    if torch.trouble:
        yield Finding("torch", torch.trouble, "bad", ("./setup.sh",))
    else:
        yield from _torch(diagnosis)
    if diagnosis.free is None:
        yield Finding("disk", f"not known how much is free in {diagnosis.cache}", "odd")
    else:
        free = f"{diagnosis.free / GB:.0f} GB free"
        yield Finding("disk", f"{free} for downloads, in {diagnosis.cache}")
    copies = copies_folder()
    kept = (
        f"{copies_size(copies) / GB:.1f} GB of quantized models, in {copies}" if copies else "off"
    )
    yield Finding("copies", kept)
    yield _token(diagnosis, profiles)
    yield _vllm()
    yield _mirror()
    yield _ray()
    yield _server()


def _vllm() -> Finding:
    """Whether vLLM's environment is there, and whether its Python imports vLLM."""
    python = vllm_environment.python()
    if python is None:
        return Finding("vLLM", "not installed: --engine vllm needs ./setup.sh vllm")
    say("Importing vLLM …")
    if (version := vllm_environment.version(python)) is None:
        return Finding("vLLM", f"{python} cannot import it", "bad", ("./setup.sh vllm",))
    return Finding("vLLM", f"{version}, in {python.parent.parent}")


def _server() -> Finding:
    """Whether `serve` can be run here."""
    try:
        need_server()
    except LogitAmpError as error:
        return Finding("serve", f"{error.message.rstrip('.')}: only serve needs them")
    return Finding(
        "serve", f"starlette {metadata.version('starlette')}, uvicorn {metadata.version('uvicorn')}"
    )


def _mirror() -> Finding:
    """Whether what is saved arrives elsewhere: a small file is sent there."""
    try:
        target = chosen_target(None)
    except LogitAmpError as error:
        return Finding("mirror", error.message, "bad", (error.remedy,) if error.remedy else ())
    if target is None:
        return Finding("mirror", "none: what is saved is on this machine alone")
    say(f"Sending a file to {target.title} …")
    if why := trial(target):
        return Finding("mirror", why, "bad")
    if is_on_the_disk_of(default_folder(), target):
        advice = "Name a folder on another one, or a command."
        return Finding("mirror", f"{target.title}: the disk of the chats", "odd", (advice,))
    return Finding("mirror", f"a file arrived: {target.title}")


def _ray() -> Finding:
    """Whether sweeps can be sampled on Ray, and which cluster they would join."""
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        return Finding("Ray", "not installed: sweeps have one engine", advice=(INSTALL,))
    address = os.environ.get(ADDRESS)
    where = f"joins the cluster at {address}" if address else "a cluster of this machine alone"
    return Finding("Ray", f"{version}; sweep --workers: {where}")


def _token(diagnosis: Diagnosis, profiles: Sequence[Profile]) -> Finding:
    """The Hub token: its absence is no trouble where every gated model is here already."""
    if diagnosis.token:
        return Finding("Hub token", "there is one")
    states = ((one, download_state(one, diagnosis.cache)) for one in profiles)
    if not any(lacks_token(one, state, False) for one, state in states):
        return Finding("Hub token", "none, and no profile here needs one")
    advice = "Accept the licence on the model's page and set HF_TOKEN."
    return Finding("Hub token", "none: gated models cannot be downloaded", "odd", (advice,))


def _torch(diagnosis: Diagnosis) -> Iterator[Finding]:
    torch = diagnosis.torch
    if torch.devices:
        devices = ", ".join(torch.devices)
        yield Finding("torch", f"{torch.version}, CUDA {torch.cuda}: {devices}")
        if not torch.bfloat16:
            yield Finding("bfloat16", "not on this GPU", "odd", ("--dtype float16",))
    elif diagnosis.machine.gpus:
        advice = "Install torch for CUDA: set TORCH_INDEX_URL and run ./setup.sh."
        yield Finding("torch", f"{torch.version}: it does not see the GPU", "bad", (advice,))
    else:
        yield Finding("torch", f"{torch.version}, on the CPU")
    for name, trouble in (("nf4", torch.nf4), ("int8", torch.int8)):
        yield Finding(f"4 bit ({name})" if name == "nf4" else f"8 bit ({name})",
                      trouble or "works", "odd" if trouble else "good")  # fmt: skip


def _report(
    diagnosis: Diagnosis,
    found: Iterable[Finding],
    machine: Iterable[Finding],
    profiles: Iterable[Profile],
    chosen: Profile,
) -> Iterator[str]:
    for title, findings in (("Terminal", found), ("Machine", machine)):
        yield title
        for one in findings:
            yield f"  {SIGNS[one.state]} {one.name:<15} {visible(one.value, newlines=False)}"
            yield from (f"    {'':<15} {line}" for line in one.advice)
    yield "Profiles"
    for profile in profiles:
        yield _row(diagnosis, profile)
    can_run = diagnosis.can_run(chosen)
    said = {True: "can run here", False: "cannot run here", None: "may run: its needs are unknown"}
    yield f"{visible(chosen.name, newlines=False)} {said[can_run]}."
    for obstacle in diagnosis.obstacles(chosen):
        yield f"  {visible(obstacle.message, newlines=False)} {obstacle.remedy}"


def _row(diagnosis: Diagnosis, profile: Profile) -> str:
    needs = profile.needs
    memory = f"{needs.memory_gb:.1f} GB" if needs and needs.memory_gb is not None else "?"
    size = f"{needs.download_gb:.1f} GB" if needs and needs.download_gb else ""
    state = download_state(profile, diagnosis.cache)
    download = {"here": "here", "partly": f"{size} partly here"}.get(state, f"{size} to download")
    sign = {True: "✓", False: "✗", None: "?"}[diagnosis.can_run(profile)]
    first = next(iter(diagnosis.obstacles(profile)), None)
    why = f"· {visible(first.message, newlines=False)}" if first else ""
    name = visible(profile.name, newlines=False)
    return f"  {sign} {name:<24} {memory:>8}  {download:<19} {why}".rstrip()


def _record(diagnosis: Diagnosis, profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "needs": profile.needs.model_dump(mode="json") if profile.needs else None,
        "download": download_state(profile, diagnosis.cache),
        "can_run": diagnosis.can_run(profile),
        "obstacles": [asdict(one) for one in diagnosis.obstacles(profile)],
    }
