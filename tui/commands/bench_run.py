"""How fast a pair decodes here, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from logit_amp_chat.core.analysis.cache_checks import finding
from logit_amp_chat.core.number_format import count, quantity
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import Progress, put, put_json, say

if TYPE_CHECKING:
    from logit_amp_chat.core.bench.throughput import Figures, LaneFigures
    from logit_amp_chat.core.bench.timings import Plan, Rate
    from logit_amp_chat.core.bench.vllm_throughput import VllmFigures
    from logit_amp_chat.core.config.profile import Profile

F = TypeVar("F", "Figures", "VllmFigures")


def run(
    profile: Profile,
    shape: str | None,
    plan: Plan,
    *,
    lora: bool,
    with_peer: bool,
    as_json: bool,
) -> int:
    """Measure the profile's pair, or a random one of a shape; returns the exit code.

    Raises LogitAmpError.
    """
    from logit_amp_chat.core.bench.throughput import Subject, measure

    progress = Progress()
    try:
        subject = (
            Subject.random(shape, profile, with_peer, lora=lora)
            if shape
            else Subject.opened(profile, with_peer, progress)
        )
        figures = measure(subject, plan, progress)
    finally:
        progress.done()
    _print(figures, table, as_json=as_json)
    for notice in figures.notices:
        say(f"note: {notice}")
    return 0


def run_vllm(profile: Profile, plan: Plan, *, as_json: bool) -> int:
    """Measure the profile's pair in vLLM; returns the exit code. Raises LogitAmpError."""
    from logit_amp_chat.core.bench.vllm_throughput import measure

    progress = Progress()
    try:
        figures = measure(profile, plan, progress)
    finally:
        progress.done()
    _print(figures, vllm_table, as_json=as_json)
    return 0


def _print(figures: F, as_table: Callable[[F], str], *, as_json: bool) -> None:
    if as_json:
        put_json(json.dumps(asdict(figures), ensure_ascii=False))
    else:
        put(as_table(figures))


def vllm_table(figures: VllmFigures) -> str:
    """vLLM's figures for reading."""
    f = figures
    version = next((text for name, text in f.versions.items() if name.startswith("vllm")), "")
    spread = f", tensor parallel {f.tensor_parallel}" if f.tensor_parallel > 1 else ""
    lines = [
        visible(f"{f.pair} · {f.dtype} · {f.device} {version}{spread}", newlines=False),
        f"room for {f.cache_tokens:,} tokens in the KV cache",
        "",
        f"{'lanes':>5}  {'tok/s, all lanes':>16}",
        *(f"{lanes:>5}  {_rate(rate):>16}" for lanes, rate in f.lanes),
        "",
        f"{f.batch} replies of a sweep at once  {_rate(f.batch_tokens_a_second)} tok/s",
        f"prefill of {f.prefill_tokens} tokens  {_rate(f.prefill_tokens_a_second)} tok/s",
        f"reading {f.prefill_tokens} tokens  {_rate(f.reading_tokens_a_second)} tok/s",
        *(
            f"next turn after {history:>4} tokens  {1000 * seconds.median:.0f} ms"
            for history, seconds in f.next_turn
        ),
    ]
    return "\n".join(lines) + "\n"


def table(figures: Figures) -> str:
    """The figures for reading."""
    f = figures
    threads = f", {count(f.threads, 'thread')}" if "cpu" in f.device else ""
    kind = f.dtype if f.quantization == "none" else f"{f.quantization}, {f.dtype}"
    steps = ", steps captured as CUDA graphs" if f.recorded else ""
    lines = [
        visible(f"{f.pair} · {kind} · {f.device}{threads}{steps}", newlines=False),
        f"weights {quantity(f.weights, 'bytes')},"
        f" memory copies at {quantity(f.bandwidth, 'bytes')}/s",
        "",
        f"{'':>5}  {'':>16}  {'speed-up over':>20}  {'bytes read':>11}  {'% of memory':>11}",
        f"{'lanes':>5}  {'tok/s, all lanes':>16}  {'generate()':>20}  {'per step':>11}"
        f"  {'bandwidth':>11}",
        *map(_lane, f.lanes),
        "",
    ]
    if at_once := ", ".join(str(lane.lanes) for lane in f.lanes if lane.at_once):
        lines += [f"both sides at once, which is faster here, with {at_once} lanes"]
    if f.peer_tokens_a_second:
        lines += [f"transformers' guided generate()  {_rate(f.peer_tokens_a_second)} tok/s"]
    lines += [
        f"prefill of {f.prefill_tokens} tokens  {_rate(f.prefill_tokens_a_second)} tok/s",
        *(
            f"next turn after {history:>4} tokens  {1000 * seconds.median:.0f} ms"
            for history, seconds in f.next_turn
        ),
    ]
    lines += [f"{name}: {finding(name, check)}" for name, check in (f.caches or {}).items()]
    return "\n".join(lines) + "\n"


def _lane(figures: LaneFigures) -> str:
    against = _rate(figures.against_peer, 2) + "×" if figures.against_peer else ""
    return (
        f"{figures.lanes:>5}  {_rate(figures.tokens_a_second):>16}  {against:>20}"
        f"  {quantity(figures.bytes_a_step, 'bytes'):>11}  {figures.bus_share:>11.0%}"
    )


def _rate(rate: Rate, digits: int = 1) -> str:
    """A median, with the least and the most."""
    return f"{rate.median:.{digits}f} ({rate.low:.{digits}f}-{rate.high:.{digits}f})"
