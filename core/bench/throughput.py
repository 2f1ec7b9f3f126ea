"""How fast a pair decodes on this machine, compared with transformers' guided generation."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import LogitsProcessorList, UnbatchedClassifierFreeGuidanceLogitsProcessor

from logit_amp_chat.core.bench.bandwidth import bus, step_bytes
from logit_amp_chat.core.bench.random_pair import random_pair
from logit_amp_chat.core.bench.timings import (
    ALPHA,
    PROMPT,
    Plan,
    Rate,
    ids,
    long_prompt,
    measures,
    rounds,
)
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.loader import choose_device, choose_dtype
from logit_amp_chat.core.models.pair import Pair, load_pair, prepare
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.records import CacheCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFigures:
    """`lanes` lanes in one pass: tokens per second of all lanes together.

    `against_peer` is the speed-up over one run of the peer per lane. `bytes_a_step` are the
    weights and caches that a step must read, `bus_share` the share of the measured memory
    bandwidth that this takes. `at_once`: whether a GPU computed both sides at once.
    `forward_seconds`: of a captured forward pass, one side after the other and then both at
    once; () where there was no choice.
    """

    lanes: int
    tokens_a_second: Rate
    against_peer: Rate | None
    bytes_a_step: int
    bus_share: float
    at_once: bool
    forward_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What `measure` found, in bytes, seconds and tokens per second.

    `recorded`: whether steps ran as CUDA graphs; if not, `notices` say why. `caches` are the
    checks of what the caches are used for; None if they were skipped.
    """

    pair: str
    device: str
    threads: int
    dtype: str
    quantization: str
    weights: int
    bandwidth: float
    peer_tokens_a_second: Rate | None
    lanes: tuple[LaneFigures, ...]
    recorded: bool
    prefill_tokens: int
    prefill_tokens_a_second: Rate
    next_turn: tuple[tuple[int, Rate], ...]
    notices: tuple[str, ...]
    caches: dict[str, CacheCheck] | None


@dataclass(frozen=True)
class Subject:
    """What is measured: a prepared pair, and as its peer transformers' own (before, after)."""

    name: str
    profile: Profile
    pair: Pair
    peer: tuple[Any, Any] | None

    @classmethod
    def of(cls, profile: Profile, pair: Pair, with_peer: bool, name: str = "") -> Subject:
        """Prepare `pair`; on a CPU the peer gets a copy of the weights, as the pair's are packed.

        There is no peer if the two sides share one model.
        """
        peer: tuple[Any, Any] | None = None
        if with_peer and pair.before.model is not pair.after.model:
            peer = (pair.before.model, pair.after.model)
            if pair.device.type == "cpu":
                peer = copy.deepcopy(peer)
        prepare(pair)
        return cls(name or profile.title, profile, pair, peer)

    @classmethod
    def opened(
        cls, profile: Profile, with_peer: bool, report: Callable[[Loading], None]
    ) -> Subject:
        """The pair of a profile. Raises LogitAmpError."""
        return cls.of(profile, load_pair(profile, report), with_peer)

    @classmethod
    def random(cls, shape: str, profile: Profile, with_peer: bool, *, lora: bool) -> Subject:
        """A random pair of a known shape, on the device and in the precision of `profile`.

        With `lora`, one model and an adapter.
        """
        device = choose_device(profile.device)
        dtype = choose_dtype(profile)
        stored = dtype if isinstance(dtype, torch.dtype) else torch.bfloat16
        pair = random_pair(shape, device, stored, profile.quantization, lora=lora)
        name = f"random weights, {shape}" + (" and an adapter" if lora else "")
        return cls.of(profile, pair, with_peer, name)


def measure(
    subject: Subject, plan: Plan, report: Callable[[Loading], None] = lambda _: None
) -> Figures:
    """Measure `subject` and its peer in interleaved rounds, so that noise affects both.

    Raises LogitAmpError if the context is too short for `plan`, or memory for its lanes.
    """
    pair = replace(subject.pair, end_of_turn=frozenset(), next_turn=())
    peer = subject.peer
    engine = LocalEngine.checked(subject.profile, pair)
    history = long_prompt(pair.context, plan)
    notices: list[str] = []
    timed = measures(engine, plan, history, notices)
    if peer is not None:
        timed.append(lambda: _guided(peer, ids(pair, PROMPT), plan.tokens))
    taken = list(rounds(plan.rounds, timed, report))
    columns = [list(column) for column in zip(*taken, strict=True)]
    peers = columns.pop() if peer is not None else None
    bandwidth = bus(pair.device)
    count = len(plan.lanes)
    return Figures(
        pair=subject.name,
        device=engine.opened.session.device,
        threads=torch.get_num_threads(),
        dtype=pair.infos[1].dtype,
        quantization=pair.infos[1].quantization,
        weights=pair.memory,
        bandwidth=bandwidth,
        peer_tokens_a_second=Rate.of([1 / s for s in peers]) if peers else None,
        lanes=tuple(
            _lane_figures(engine, n, seconds, peers, plan, bandwidth)
            for n, seconds in zip(plan.lanes, columns[:count], strict=True)
        ),
        recorded=engine.uses_cuda_graphs,
        prefill_tokens=history,
        prefill_tokens_a_second=Rate.of([history / s for s in columns[count]]),
        next_turn=(
            (PROMPT, Rate.of(columns[count + 1])),
            (history, Rate.of(columns[count + 2])),
        ),
        notices=tuple(notices),
        caches=engine.opened.session.caches,
    )


def _lane_figures(
    engine: LocalEngine,
    lanes: int,
    seconds: Sequence[float],
    peers: Sequence[float] | None,
    plan: Plan,
    bandwidth: float,
) -> LaneFigures:
    length = PROMPT + plan.tokens // 2
    forward = engine.forward_seconds(lanes)
    moved = step_bytes(engine.pair, lanes, length)
    ratios = [lanes * p / s for p, s in zip(peers, seconds, strict=True)] if peers else None
    return LaneFigures(
        lanes=lanes,
        tokens_a_second=Rate.of([lanes / s for s in seconds]),
        against_peer=Rate.of(ratios) if ratios else None,
        bytes_a_step=moved,
        bus_share=moved / statistics.median(seconds) / bandwidth,
        at_once=len(forward) > 1 and forward[1] < forward[0],
        forward_seconds=forward,
    )


def _guided(peer: tuple[Any, Any], prompt: tuple[int, ...], tokens: int) -> float:
    """Seconds per token of transformers' generate() with its CFG processor."""
    before, after = peer
    ids = torch.tensor([prompt], device=after.device)
    guidance = UnbatchedClassifierFreeGuidanceLogitsProcessor(
        1 + ALPHA, before, unconditional_ids=ids
    )
    began = time.perf_counter()
    out = after.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=1.0,
        top_p=0.9,
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        logits_processor=LogitsProcessorList([guidance]),
        pad_token_id=0,
    )
    return (time.perf_counter() - began) / int(out.shape[1] - len(prompt))
