"""Results as Markdown: the page beside a run, and the GPU part of docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from logit_amp_chat.core.export.atomic_write import write_atomically
from tests.gpu import plan
from tests.gpu.results import Finding, Results, StepResult

FILE = "results.md"
Findings = Mapping[str, Finding]


def write(results: Results) -> None:
    """Write the page beside the results."""
    text = "\n".join(["# What a GPU does here", "", *described(results, "##")])
    write_atomically(results.folder / FILE, text.rstrip() + "\n")


def described(results: Results, level: str) -> Iterator[str]:
    """The lines of all that was found, with headings of `level`."""
    yield machine(results.machine)
    yield ""
    kinds: dict[str, list[tuple[plan.Step, StepResult]]] = {}
    for step in plan.PLAN:
        if result := results.steps.get(step.name):
            kinds.setdefault(step.name.partition("-")[0], []).append((step, result))
    for kind, steps in kinds.items():
        yield from _section(kind, steps, level)
    yield from _left(results)


def machine(found: Mapping[str, Any]) -> str:
    """Card, driver and versions, in a sentence."""
    if found.get("card", "none") == "none":
        card = "No GPU: a dry run on the CPU, on tiny shapes."
    else:
        card = (
            f"{found['card']}, {found['memory_gb']:.0f} GB, driver {found['driver']}; copies on the"
            f" card at {found['copy_gb_per_s'] / 1000:.1f} TB/s, read and written."
        )
    versions = ", ".join(
        f"{name} {found[name]}"
        for name in ("python", "torch", "transformers", "bitsandbytes", "peft")
        if name in found
    )
    cuda = f", CUDA {found['cuda']}" if found.get("cuda") else ""
    return f"{card} Software: {versions}{cuda}."


def _section(kind: str, steps: Sequence[tuple[plan.Step, StepResult]], level: str) -> Iterator[str]:
    title, lines = SECTIONS[kind]
    yield from (f"{level} {title}", "")
    yield from lines(
        [(step.title, {f["name"]: f for f in result.findings}) for step, result in steps]
    )
    yield ""


def _left(results: Results) -> Iterator[str]:
    """What was not run, or not to its end."""
    parts = []
    for step in plan.PLAN:
        result = results.steps.get(step.name)
        if result is None:
            parts.append(f"`{step.name}` was not run")
        elif result.state != "done":
            error = result.error.splitlines()[-1:] or [""]
            why = f" ({error[0]})" if error[0] else ""
            parts.append(f"`{step.name}`: {result.state}{why}")
    if parts:
        yield f"Not complete: {'; '.join(parts)}."
        yield ""
    commits = sorted({f"{r.commit} ({r.date})" for r in results.steps.values() if r.commit})
    if commits:
        yield f"Run at commit {', '.join(commits)}."


# --- one kind of step each ----------------------------------------------------------

Rows = Sequence[tuple[str, Findings]]


def _checks(rows: Rows) -> Iterator[str]:
    yield from _table("check", "held", "largest \\|Δ log p\\|, nats")
    for _, findings in rows:
        for name, finding in findings.items():
            for part, found in finding.items():
                if isinstance(found, dict) and "ok" in found:
                    largest = found.get("largest", "–")
                    why = f" ({found['why']})" if "why" in found else ""
                    yield _row(f"{name}: {part}", _held(found) + why, largest)


def _tests(rows: Rows) -> Iterator[str]:
    for _, findings in rows:
        for found in findings.values():
            counts = [f"{found[k]} {k}" for k in ("passed", "failed", "skipped") if k in found]
            yield f"{', '.join(counts) or 'None were run'}."
            yield from (f"- {name}" for name in found.get("failed_tests", ()))


def _speeds(rows: Rows) -> Iterator[str]:
    yield from _table(
        "pair",
        "lanes",
        "tokens a second, all lanes",
        "over `generate()`",
        "share of the bandwidth",
        "eager",
        "bare loop",
        "a forward pass, ms: in turn, at once",
    )
    for title, findings in rows:
        eager = {n["lanes"]: n for n in findings.get("eager", {}).get("lanes", ())}
        bare = findings.get("bare loop", {})
        for lanes in findings.get("captured", {}).get("lanes", ()):
            n = lanes["lanes"]
            yield _row(
                title,
                n,
                _rate(lanes["tokens_a_second"]),
                _rate(lanes["against_peer"]),
                f"{lanes['bus_share']:.0%}",
                _rate(eager[n]["tokens_a_second"]) if n in eager else "–",
                _rate(bare.get("tokens_a_second")) if bare.get("lanes") == n else "–",
                ", ".join(f"{1000 * s:.2f}" for s in lanes.get("forward_seconds", ())) or "–",
            )


def _kernels(rows: Rows) -> Iterator[str]:
    for title, findings in rows:
        for mode, found in findings.items():
            yield (
                f"{title}, {mode}, a token: {found['kernels']} kernels,"
                f" {found['launches']} launches, {found['busy_us'] / 1000:.2f} ms busy and"
                f" {found['gaps_us'] / 1000:.2f} ms of gaps."
            )
            yield ""
            yield from _table("kernel", "times", "µs")
            for kernel in found["dearest"]:
                name = kernel["kernel"].replace("|", "\\|")[:90]
                yield _row(f"`{name}`", kernel["count"], kernel["us"])
            yield ""


def _ladders(rows: Rows) -> Iterator[str]:
    for title, findings in rows:
        base = findings.get("as it is", {})
        noise = f" A whole pass moves it by {base['noise']}." if "noise" in base else ""
        yield f"{title}.{noise}"
        yield ""
        yield from _table(
            "switch", "tokens a second", "over the rung before", "largest \\|Δ log p\\|", "verdict"
        )
        for name, found in findings.items():
            if "skipped" in found:
                yield _row(name, "–", "–", "–", found["skipped"])
                continue
            rates = ", ".join(
                f"{_rate(n['tokens_a_second'])} ({n['lanes']})" for n in found["lanes"]
            )
            gains = ", ".join(str(ratio) for ratio in found.get("over_last", ())) or "–"
            limit = f"{found['largest']} (limit {found['limit']})" if "largest" in found else "–"
            yield _row(name, rates, gains, limit, found.get("verdict", "–"))
        yield ""


def _troubles(rows: Rows) -> Iterator[str]:
    yield from _table("what", "held", "what was seen")
    for _, findings in rows:
        for name, found in findings.items():
            seen = "; ".join(
                f"{key.replace('_', ' ')}: {value}"
                for key, value in found.items()
                if key not in ("name", "ok")
            )
            yield _row(name, _held(found), seen)


def _apps(rows: Rows) -> Iterator[str]:
    for _, findings in rows:
        for name, found in findings.items():
            median, low, high = found["share"][0], found["share"][1], found["share"][-1]
            yield (
                f"{name}: {found['in_the_app']} tokens a second in the app, {found['reply']} by"
                f" `reply`: {median} of it ({low} to {high})."
            )


SECTIONS: dict[str, tuple[str, Callable[[Rows], Iterator[str]]]] = {
    "smoke": ("The bundled models beside the CPU", _checks),
    "suite": ("The tests of captured steps, caches and pairs", _tests),
    "speed": ("Speed", _speeds),
    "kernels": ("Kernels of a step", _kernels),
    "ladder": ("The ladder", _ladders),
    "trouble": ("Trouble", _troubles),
    "app": ("The app", _apps),
}


def _table(*heads: str) -> Iterator[str]:
    yield _row(*heads)
    yield _row(*["---"] * len(heads))


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _held(found: Finding) -> str:
    return "yes" if found["ok"] else "**no**"


def _rate(rate: Mapping[str, float] | None) -> str:
    if rate is None:
        return "–"
    digits = 0 if rate["median"] >= 20 else 1
    median, low, high = (f"{rate[key]:,.{digits}f}" for key in ("median", "low", "high"))
    return median if low == high else f"{median} ({low} to {high})"
