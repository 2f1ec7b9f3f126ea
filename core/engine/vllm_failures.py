"""What goes wrong in vLLM, in one sentence, with what to do."""

from __future__ import annotations

import re

from logit_amp_chat.core.system.vllm_environment import WORKER_DIED

RELOAD = "Everything shown is saved; reload the engine to continue."
ROOM = (
    "Set a smaller max_model_len under vllm, or a larger tensor_parallel, or use a machine with"
    " more memory."
)
# What memory that is used up is called, by Python, by torch on a CPU and by CUDA.
OUT_OF_MEMORY = ("MemoryError", "OutOfMemory", "out of memory", "allocate memory")
CAUSE = re.compile(r"(?:^|\] |\) )((?:\w+\.)*\w*(?:Error|Exception): .+)")
UNKNOWN_ARGUMENT = re.compile(r"unexpected keyword argument '(\w+)'")
CACHE = re.compile(
    r"max seq len \((\d+)\).*?\(([\d.]+) GiB KV.*?memory \(([\d.]+) GiB\)"
    r"(?:.*?maximum model length is (\d+))?",
    re.DOTALL,
)


def explained(name: str, words: str, printed: str = "") -> tuple[str, str]:
    """One sentence for an exception of this class that said `words`, and what helps at opening.

    `printed` is what the process wrote: where vLLM's words only point to it, its last error.
    """
    if "root cause" in words and (causes := _causes(printed)):
        name, _, words = causes[-1].partition(": ")
    if name == WORKER_DIED:
        return f"A worker process of vLLM died ({words}).", ROOM
    if any(sign in f"{name} {words}" for sign in OUT_OF_MEMORY):
        return "vLLM ran out of memory.", ROOM
    if found := CACHE.search(words):
        return _too_small_a_cache(*found.groups())
    if "No available memory for the cache" in words:
        return "Beside the weights no memory is left for vLLM's KV cache.", ROOM
    if found := UNKNOWN_ARGUMENT.search(words):
        return (
            f"vLLM's engine has no argument {found[1]}.",
            "Change arguments, under vllm; they have the names of vllm.EngineArgs.",
        )
    if name == "ValidationError":
        return _invalid(words)
    return f"{name}: {_first_line(words)}", ""


def _too_small_a_cache(
    length: str, needed: str, there: str, fitting: str | None
) -> tuple[str, str]:
    message = f"vLLM's KV cache is too small for one reply of {int(length):,} tokens"
    # Cut to tenths, the two may look alike.
    message += f": both sides need {needed} GiB, {there} are left." if needed != there else "."
    if fitting:
        return message, f"Set max_model_len, under vllm, to {fitting} or less."
    return message, ROOM


def _invalid(words: str) -> tuple[str, str]:
    """pydantic's first line says how many errors there are, the next one which setting it is."""
    _, *lines = [line.strip() for line in words.splitlines() if line.strip()]
    setting = lines.pop(0) if len(lines) > 1 and "[type=" not in lines[0] else ""
    said = (lines[0] if lines else words).partition(" [type=")[0].removeprefix("Value error, ")
    where = f"{setting}: " if setting else ""
    return (
        f"vLLM refuses its settings: {where}{said.rstrip('.')}.",
        "Change what the profile has under vllm, or its dtype.",
    )


def _causes(printed: str) -> list[str]:
    return [found[1] for line in printed.splitlines() if (found := CAUSE.search(line))]


def _first_line(words: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in words.splitlines() if line.strip()), "")
