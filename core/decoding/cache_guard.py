"""Finds what the caches of a pair may be used for, before the first reply relies on them."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from logit_amp_chat.core.decoding.cache_check import (
    DECODED,
    GIVEN,
    SHORT,
    Computation,
    Computed,
    Deviation,
    Texts,
    WholePasses,
    as_replies,
    compare,
    deviation,
    keeps_states,
    sensitivity,
)
from logit_amp_chat.core.decoding.cache_limits import (
    AFFORDABLE,
    EXPERTS,
    HOPELESS,
    LARGEST,
    LARGEST_RECURRENT,
    RECURRENT,
    RECURRENT_LEAST,
    has_experts,
    is_exact,
    is_full_precision,
    mean_kl_limit,
    switch_lengths,
)
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.cuda_graphs.graph_stepper import GraphCache
from logit_amp_chat.core.decoding.pair_runner import CacheUses, PairRunner, prefill_chunk
from logit_amp_chat.core.errors import PairError, first_line
from logit_amp_chat.core.models.layers.kv_cache import can_be_cut
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side import ForwardPass, LoadedSide, SharedWeights
from logit_amp_chat.core.models.vocabulary import special_ids
from logit_amp_chat.core.records import CacheCheck, PromptIds

T = TypeVar("T")

# Whole passes of one look at a length, about.
PASSES = 6
# Looks of which the median counts where rounding alone can send a token to another expert.
TEXTS = 3


class Capturing(Protocol):
    """Of a decoder: what captures its steps, if anything does."""

    pair: Pair
    runner: PairRunner
    graph_cache: GraphCache | None

    def forget(self) -> None:
        """Drop the caches."""


def check_caches(pair: Pair) -> dict[str, CacheCheck]:
    """Compare replies with whole passes: before, after and, if they are one model, both together.

    Each gets the most that its caches may be used for. Raises PairError for a model whose
    numbers are not those of a next-token model at all.
    """
    usable = ordinary_ids(pair)
    sides = {"before": pair.before, "after": pair.after}
    wholes = {name: WholePasses(side) for name, side in sides.items()}
    checks: dict[str, CacheCheck] = {}
    for name, side in sides.items():
        if name == "after" and side == pair.before:
            checks[name] = checks["before"]
            continue
        model = pair.infos[name == "after"].model
        checks[name] = Ladder(side, [wholes[name]], usable, pair.context).climb(model)
    apart = min(map(_use, checks.values()))
    together = SharedWeights.of(pair.before, pair.after)
    if together and apart >= CacheUse.LANES:
        ladder = Ladder(together, [*wholes.values()], usable, pair.context)
        checks["together"] = ladder.climb(pair.infos[0].model, apart)
    return checks


def check_captured_steps(decoder: Capturing) -> CacheCheck | None:
    """Compare captured steps with whole passes; None if the decoder captures none.

    Where they differ or fail, the decoder captures no more.
    """
    if decoder.graph_cache is None:
        return None
    sides = decoder.pair.before, decoder.pair.after
    wholes = [WholePasses(side) for side in sides]
    usable = ordinary_ids(decoder.pair)
    limit = max(_limit(side, whole, usable) for side, whole in zip(sides, wholes, strict=True))
    try:
        found = _attempt(lambda: _captured(decoder, usable, wholes))
    finally:
        decoder.forget()
    if found is None:
        return None
    if isinstance(found, Deviation) and found.kl <= limit:
        return CacheCheck(use="turns", kl=found.kl, largest=found.largest, limit=limit)
    decoder.graph_cache = None
    why = found if isinstance(found, str) else _apart(found)
    return CacheCheck(use="none", kl=0.0, largest=0.0, limit=limit, failed={"turns": why})


def _captured(
    decoder: Capturing, usable: Sequence[int], wholes: Sequence[WholePasses]
) -> Deviation | None:
    """How far captured steps of one lane are off; None if there are none."""
    graph_cache = decoder.graph_cache
    assert graph_cache is not None
    texts = Texts(usable, seed=0)
    text = texts.take(SHORT)
    for _ in decoder.runner.prefill(PromptIds(before=text, after=text), ()):
        pass
    if not graph_cache.can_capture():
        return None
    room, inputs = graph_cache.enter(1, 1), graph_cache.inputs(1)
    computed: list[Computed] = []
    for _ in range(DECODED):
        token = texts.take(1)
        text += token
        inputs.tokens.copy_(torch.tensor(token))
        graph_cache.forward(1, room)()
        decoder.runner.append_tokens(token)
        computed.append((text, torch.cat([side.clone() for side in inputs.logits])))
    return compare(computed, wholes)


def _apart(found: Deviation) -> str:
    return f"mean KL {found.kl:.2g} nats, log-probabilities up to {found.largest:.2g} apart"


def cache_uses(checks: Mapping[str, CacheCheck]) -> CacheUses:
    """What a runner may do, by these checks."""
    together = _use(checks["together"]) if "together" in checks else CacheUse.NONE
    return CacheUses(_use(checks["before"]), _use(checks["after"]), together)


@dataclass(frozen=True)
class Ladder:
    """The levels of one forward pass, tried from the most useful one down."""

    forward: ForwardPass
    references: Sequence[WholePasses]
    usable: Sequence[int]
    context: int
    computed: Computation = as_replies

    def climb(self, model: str, least: CacheUse = CacheUse.NONE) -> CacheCheck:
        """The highest level that passes; below `least` is none.

        Raises PairError where even whole passes disagree.
        """
        lengths, unchecked = self._lengths()
        failed: dict[str, str] = {}
        top = CacheUse.TURNS
        if obstacle := self._obstacle():
            top, failed[_name(top)] = CacheUse.NONE, obstacle
        worst, why = None, ""
        for use in sorted((use for use in CacheUse if least <= use <= top), reverse=True):
            worst, why = self._look_again(use, lengths)
            if worst and (not why or (use == CacheUse.NONE and not self._is_hopeless(worst))):
                return self._check(use, worst, failed, unchecked)
            failed[_name(use)] = why
        if least > CacheUse.NONE:
            return self._check(CacheUse.NONE, Deviation(0.0, 0.0), failed, unchecked)
        if worst is None:
            raise PairError(
                f"{model} cannot be run here: {why}",
                "Try quantization: none, another dtype, or another device.",
            )
        raise PairError(
            f"{model} cannot be compared token by token: even whole forward passes over one text"
            f" do not agree ({why}).",
            "Use a causal language model; --trust-caches opens this one unchecked.",
        )

    def complaint(self, use: CacheUse) -> str:
        """What is wrong with replies at this level, "" if nothing is."""
        return self._look_again(use, self._lengths()[0])[1]

    def _obstacle(self) -> str:
        """Why no cache can be right, whatever a few texts show; "" if one may be."""
        if not self.forward.takes_cache:
            return "the model takes no cache"
        states = _attempt(lambda: keeps_states(self._side, self.usable))
        return "the model keeps states outside of any cache" if states is True else ""

    def _check(
        self, use: CacheUse, worst: Deviation, failed: dict[str, str], unchecked: tuple[int, ...]
    ) -> CacheCheck:
        return CacheCheck(
            use=_name(use),
            kl=worst.kl,
            largest=worst.largest,
            limit=self.limit,
            failed=failed,
            unchecked=unchecked,
        )

    def _worst(self, use: CacheUse, lengths: Sequence[int], seed: int = 0) -> Deviation:
        found = [self._usual(use, length, seed) for length in lengths]
        return Deviation(max(one.kl for one in found), max(one.largest for one in found))

    def _usual(self, use: CacheUse, length: int, seed: int) -> Deviation:
        """The median over a few texts where single ones tell little, else that of one text."""
        chunk = self._chunk(length)
        seeds = range(seed, seed + (TEXTS if self._is_noisy else 1))
        forward, references, usable = self.forward, self.references, self.usable
        looks = (
            deviation(forward, use, references, usable, length, chunk, one, self.computed)
            for one in seeds
        )
        return sorted(looks, key=lambda look: look.kl)[len(seeds) // 2]

    def _look(
        self, use: CacheUse, lengths: Sequence[int], seed: int = 0
    ) -> tuple[Deviation | None, str]:
        """How far replies are off at this level, if they can be computed; and why it fails."""
        worst = _attempt(lambda: self._worst(use, lengths, seed))
        return (None, worst) if isinstance(worst, str) else (worst, self._complaint(worst))

    def _look_again(self, use: CacheUse, lengths: Sequence[int]) -> tuple[Deviation | None, str]:
        """As `_look`, and at other texts where the first may fail by chance."""
        worst, why = self._look(use, lengths)
        if worst and why and self._may_flip:
            return self._look(use, lengths, seed=1)  # a tie is rare, an error is not
        return worst, why

    def _complaint(self, worst: Deviation) -> str:
        largest = LARGEST_RECURRENT if self._is_recurrent else LARGEST
        if worst.kl <= self.limit and not (is_exact(self._side) and worst.largest > largest):
            return ""
        return _apart(worst)

    def _is_hopeless(self, worst: Deviation) -> bool:
        return worst.kl > HOPELESS * self.limit

    @property
    def _side(self) -> LoadedSide:
        return self.forward.before if isinstance(self.forward, SharedWeights) else self.forward

    @property
    def _may_flip(self) -> bool:
        return is_full_precision(self._side) and has_experts(self._side.text_config)

    @functools.cached_property
    def _is_recurrent(self) -> bool:
        side = self._side
        return side.takes_cache and _attempt(lambda: can_be_cut(side.new_cache())) is False

    @property
    def _is_noisy(self) -> bool:
        """Whether a text may be far off by rounding alone, or a wrong state happen to be small."""
        if is_full_precision(self._side):
            return False
        return self._is_recurrent or has_experts(self._side.text_config)

    @functools.cached_property
    def limit(self) -> float:
        """The largest mean KL that passes, in nats.

        In low precision that of recurrent states is measured: what whole prompts differ by,
        whose states nobody cuts or continues, is rounding.
        """
        side = self._side
        limit = _limit(side, self.references[0], self.usable)
        if is_full_precision(side) or not self._is_recurrent:
            return limit
        whole = _attempt(lambda: self._worst(CacheUse.LANES, self._lengths()[0][:1]))
        if isinstance(whole, str):
            return limit
        return min(limit, max(RECURRENT * whole.kl, RECURRENT_LEAST * mean_kl_limit(side)))

    def _lengths(self) -> tuple[list[int], tuple[int, ...]]:
        """The lengths of first prompts to look at, and the switches that are too expensive."""
        lengths, unchecked = [max(2, min(SHORT, (self.context - 8) // 2))], list[int]()
        parameters = sum(p.numel() for p in self._side.model.parameters())
        budget = AFFORDABLE.get(self._side.device.type, AFFORDABLE["cpu"])
        for switch in switch_lengths(self._side):
            length = max(2, switch - GIVEN - 1)
            if switch >= self.context:
                continue
            if parameters * PASSES * switch > budget or self._reach(length) > self.context:
                unchecked.append(switch)
            else:
                lengths.append(length)
        return lengths, tuple(unchecked)

    def _reach(self, length: int) -> int:
        """The longest text of a look at this length, in tokens."""
        return length + GIVEN + 2 * DECODED + SHORT

    def _chunk(self, length: int) -> int:
        return min(prefill_chunk(self._side.device), length // 2 + 1)


def _attempt(compute: Callable[[], T]) -> T | str:
    """What it computes, or the exception in words: models are of all kinds, and so are these."""
    try:
        return compute()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {first_line(error)}"


def _limit(side: LoadedSide, whole: WholePasses, usable: Sequence[int]) -> float:
    """The largest mean KL that passes, in nats, whatever is cached; `whole` is of `side`."""
    limit = mean_kl_limit(side)
    if is_full_precision(side) or not has_experts(side.text_config):
        return limit
    measured = (sensitivity(side, whole, usable, seed) for seed in range(TEXTS))
    return limit + EXPERTS * statistics.median(measured)


def _name(use: CacheUse) -> str:
    return use.name.lower()


def _use(check: CacheCheck) -> CacheUse:
    return CacheUse[check.use.upper()]


def ordinary_ids(pair: Pair) -> list[int]:
    """The ids that stand for text: special ones can mean images, or steer a model."""
    allowed = range(pair.size) if pair.valid is None else pair.valid.nonzero().flatten().tolist()
    special = special_ids(pair.tokenizer)
    return [i for i in allowed if i not in special] or [*allowed]
