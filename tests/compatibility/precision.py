"""How far replies are from whole forward passes in each precision, and what precisions cost.

    python -m tests.compatibility.precision [KIND …] [--write]

Pairs of tiny random models, and the demo pair, are opened in each precision. The limits of
core/decoding/cache_limits.py are judged by these figures. `--write` puts them into
docs/precision.md.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import transformers

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.decoding.cache_check import (
    GIVEN,
    SHORT,
    Deviation,
    Texts,
    WholePasses,
    as_replies,
    compare,
    deviation,
)
from logit_amp_chat.core.decoding.cache_guard import TEXTS, Ladder
from logit_amp_chat.core.decoding.cache_limits import (
    EXPERTS,
    LARGEST,
    RECURRENT,
    RECURRENT_LEAST,
    has_experts,
    switch_lengths,
)
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.errors import first_line
from logit_amp_chat.core.models import quantized_weights
from logit_amp_chat.core.models.layers.kv_cache import can_be_cut
from logit_amp_chat.core.models.pair import Pair, load_pair
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.models.vocabulary import special_ids
from tests.compatibility.command import parser, quieten
from tests.compatibility.random_models import save_random_pair

PAGE = Path(__file__).parents[2] / "docs" / "precision.md"
HEAD = """# Precision

When a pair is opened, replies as they are computed (in chunks, in lanes, from caches of earlier
turns) are compared with whole forward passes of the same model. In exact arithmetic they would be
equal; what they may differ by is a limit on the mean KL(whole‖reply) over the tokens of a short
chat. Where a model exceeds it, its caches are used for less, and a notice says so.

The limits are in `core/decoding/cache_limits.py`. They were chosen by the figures below: every
right model is to pass with room to spare, about five times its own figure or more, and what is
wrong is to be found at as little as that allows. Measured with torch {torch} and transformers
{transformers} on a CPU, with {seeds} chats on either side of pairs of tiny random models, of four
layers and of 32, and of the bundled demo pair, whose weights are trained. nf4 and int8 compute in
bfloat16.

- **Replies**: mean KL of replies from whole passes, with all caches in use: the median and the
  worst chat, in nats; *largest* is the largest difference of a log-probability.
- **Precision itself**: mean KL of whole passes in float32 from whole passes in this precision.
  A reply is not nearer to the model's float32 numbers than this.
- **Room**: the limit over what is compared with it, where that is least.

In float32 no log-probability may differ by more than {largest} nats either: that is the sharper
limit. In 16 bits rounding sends tokens to other experts, and a deep mixture of random experts is
far from itself: its limit grows by {experts:g} times what a noise of one rounding in the embeddings
does to whole passes. Recurrent states that are cut wrongly can be wrong by little: chunks and
turns may add {recurrent:g} times what replies to prompts in one piece differ by, and at least
{least:.0%} of the usual limit. Of both kinds the median of {texts} chats counts. In int8, where
rounding is coarse, room is smaller for such models, and some of their errors stay hidden.

`python -m tests.compatibility.precision --write` measures and writes this page anew.

"""
SEEDS = TEXTS
DEMO = "demo pair"

PRECISIONS = {
    "float32": {"dtype": "float32"},
    "bfloat16": {"dtype": "bfloat16"},
    "float16": {"dtype": "float16"},
    "nf4": {"dtype": "bfloat16", "quantization": "nf4"},
    "int8": {"dtype": "bfloat16", "quantization": "int8"},
}

# What is changed in the small configurations: depth, and sizes that 4-bit kernels of CPUs take.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        kind: (kind, {})
        for kind in (
            *("llama", "qwen3", "gemma2", "gemma3_text", "mistral", "phi3", "gpt2", "gpt_neox"),
            *("bloom", "lfm2", "mixtral", "qwen3_moe", "olmo2", "smollm3", "granite"),
        )
    },
    "qwen3_next": ("qwen3_next", {"linear_num_value_heads": 16}),
    "jamba": ("jamba", {"mamba_dt_rank": 32}),
    "nemotron_h": ("nemotron_h", {"mamba_num_heads": 32}),
    "llama, 32 layers": ("llama", {"num_hidden_layers": 32}),
    "qwen3, 32 layers": ("qwen3", {"num_hidden_layers": 32}),
    "lfm2, 32 layers": (
        "lfm2",
        {"num_hidden_layers": 32, "layer_types": ["conv", "full_attention"] * 16},
    ),
    "mixtral, 32 layers": ("mixtral", {"num_hidden_layers": 32}),
}


@dataclass(frozen=True)
class Look:
    """One side, compared on the texts of one seed; KL is a mean in nats.

    `kl` and `largest` are of replies with all caches in use from whole passes, `rounding` of
    replies to prompts that are read in one piece, `cost` of whole passes from those in
    float32, `limit` what cache_guard allows.
    """

    kl: float
    largest: float
    rounding: float
    cost: float
    limit: float = 0.0


@dataclass(frozen=True)
class Result:
    """A pair in a precision: its looks, side by side, or why there are none."""

    kind: str
    precision: str
    group: str = ""
    looks: list[Look] = field(default_factory=list)
    note: str = ""

    @property
    def judged(self) -> list[Look]:
        """The looks that the guard goes by."""
        if self.group == "dense" or self.precision == "float32":
            return self.looks
        sides = self.looks[:SEEDS], self.looks[SEEDS:]
        return [sorted(side, key=lambda look: look.kl)[SEEDS // 2] for side in sides]

    @property
    def room(self) -> float:
        """The smallest limit ÷ KL; below 1 one of the sides does not pass."""
        return min(look.limit / max(look.kl, 1e-9) for look in self.judged)

    @property
    def loosest(self) -> float:
        """The largest limit ÷ KL; below 1 neither side passes."""
        return max(look.limit / max(look.kl, 1e-9) for look in self.judged)


def examine(kind: str) -> Iterator[Result]:
    """A pair in every precision."""
    with tempfile.TemporaryDirectory() as name:
        if kind == DEMO:
            demo = load_profile("demo")
            sides = {"before": demo.before, "after": demo.after}
        else:
            architecture, changed = KINDS[kind]
            save_random_pair(architecture, Path(name), **changed)
            sides = {side: {"model": f"{name}/{side}"} for side in ("before", "after")}  # type: ignore[misc]
        exact = load_pair(_profile(sides, "float32"))
        for precision in PRECISIONS:
            try:
                pair = load_pair(_profile(sides, precision))
                looks = [*_looks(pair, exact)]
            except Exception as error:  # kernels that do not suit a shape, or are not there
                note = f"{type(error).__name__}: {first_line(error)}"
                yield Result(kind, precision, note=note)
            else:
                yield Result(kind, precision, _group(pair.after), looks)


def _profile(sides: Any, precision: str) -> Profile:
    how = {**sides, "name": "t", "device": "cpu", **PRECISIONS[precision]}
    return Profile.model_validate(how)


def _group(side: LoadedSide) -> str:
    if not can_be_cut(side.new_cache()):
        return "recurrent"
    return "experts" if has_experts(side.text_config) else "dense"


def _looks(pair: Pair, exact: Pair) -> Iterator[Look]:
    special = special_ids(pair.tokenizer)
    usable = [i for i in range(pair.size) if i not in special]
    for side, reference in ((pair.before, exact.before), (pair.after, exact.after)):
        whole, of_reference = WholePasses(side), WholePasses(reference)
        limit = Ladder(side, [whole], usable, pair.context).limit
        for seed in range(SEEDS):
            yield replace(_look(side, whole, of_reference, usable, seed), limit=limit)


def _look(
    side: LoadedSide, whole: WholePasses, exact: WholePasses, usable: Sequence[int], seed: int
) -> Look:
    switches = [switch - GIVEN - 1 for switch in switch_lengths(side)]

    def measured(use: CacheUse, length: int) -> Deviation:
        chunk = length // 2 + 1
        return deviation(side, use, [whole], usable, length, chunk, seed)

    turns = [measured(CacheUse.TURNS, length) for length in (SHORT, *switches)]
    rounding = measured(CacheUse.LANES, SHORT).kl
    texts = Texts(usable, seed)
    replies = as_replies(PrefixCache(side, CacheUse.NONE), texts, SHORT, SHORT // 2 + 1)
    asked = [text for text, _ in replies]
    passes = zip(asked, whole.read(asked), strict=True)
    return Look(
        kl=max(one.kl for one in turns),
        largest=max(one.largest for one in turns),
        rounding=rounding,
        cost=compare([(text, log_p[None]) for text, log_p in passes], [exact]).kl,
    )


def page(results: Sequence[Result]) -> str:
    """The results as Markdown."""
    head = HEAD.format(
        torch=torch.__version__.partition("+")[0],
        transformers=transformers.__version__,
        seeds=SEEDS,
        largest=LARGEST,
        experts=EXPERTS,
        recurrent=RECURRENT,
        least=RECURRENT_LEAST,
        texts=TEXTS,
    )
    wrong = {one.kind for one in results if one.precision == "float32" and one.room < 1}
    right = [one for one in results if one.looks and one.kind not in wrong]
    parts = [head, "## All that are right\n\n", _table(_summary(right), ("models", "precision"))]
    parts += [
        WRONG,
        _table(
            _rows(
                [one for one in results if one.looks and one.kind in wrong],
                by=lambda one: one.loosest,
            ),
            NAMES,
        ),
        "\n## One by one\n\n",
        _table(_rows(right), NAMES),
    ]
    if missing := [one for one in results if one.note]:
        parts.append("\nNot measured, because CPU kernels do not take the shapes of tiny models: ")
        parts.append(", ".join(f"{one.kind} in {one.precision}" for one in missing) + ".\n")
    return "".join(parts)


WRONG = """
## Wrong in chunks

The states of Jamba in transformers, read in chunks. Here room is the largest of both sides: below
1 the error is found on both.

"""
NAMES = ("pair", "precision")
Row = tuple[str, str, list[Look], float]


def _summary(results: Sequence[Result]) -> Iterator[Row]:
    for group in (DEMO, "dense", "experts", "recurrent"):
        for precision in PRECISIONS:
            found = [
                one
                for one in results
                if one.precision == precision
                and (one.kind == DEMO if group == DEMO else one.kind != DEMO)
                and group in (DEMO, one.group)
            ]
            if found:
                looks = [look for one in found for look in one.looks]
                yield group, precision, looks, min(one.room for one in found)


def _rows(
    results: Iterable[Result], by: Callable[[Result], float] = lambda one: one.room
) -> Iterator[Row]:
    for one in results:
        yield one.kind, one.precision, one.looks, by(one)


def _table(rows: Iterable[Row], names: tuple[str, str]) -> str:
    columns = (*names, "replies, median", "worst", "largest")
    columns += ("precision itself, median", "worst", "limit", "room")  # type: ignore[assignment]
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for kind, precision, looks, room in rows:
        kls, costs = [look.kl for look in looks], [look.cost for look in looks]
        limits = sorted({f"{look.limit:.1e}": look.limit for look in looks}.items(), key=_second)
        figures = [statistics.median(kls), max(kls), max(look.largest for look in looks)]
        figures += [statistics.median(costs), max(costs)]
        limit = " to ".join(dict.fromkeys((limits[0][0], limits[-1][0])))
        cells = [f"{figure:.1e}" for figure in figures]
        lines.append(f"| {kind} | {precision} | {' | '.join(cells)} | {limit} | {room:.2g} |")
    return "\n".join(lines) + "\n"


def _second(item: tuple[str, float]) -> float:
    return item[1]


def main() -> None:
    arguments = parser(__doc__, "kinds").parse_args()
    quieten()
    os.environ[quantized_weights.FOLDER] = "off"
    results: list[Result] = []
    for kind in arguments.kinds or (*KINDS, DEMO):
        for result in examine(kind):
            results.append(result)
            worst = max(result.looks, key=lambda look: look.kl, default=result.note)
            print(kind, result.precision, result.group, worst, flush=True)
    if arguments.write:
        PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
