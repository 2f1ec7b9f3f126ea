"""How fast a pair decodes on this machine, compared with transformers' guided generation."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from transformers import LogitsProcessorList, UnbatchedClassifierFreeGuidanceLogitsProcessor

from logit_amp_chat.core.bench.bandwidth import bus, step_bytes
from logit_amp_chat.core.bench.random_pair import random_pair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.loader import choose_device, choose_dtype
from logit_amp_chat.core.models.pair import Pair, load_pair, prepare
from logit_amp_chat.core.protocol import Event, Forget, Loading, Noticed
from logit_amp_chat.core.records import CacheCheck, Finish, PromptIds, Reply, Step
from logit_amp_chat.core.sampling import Sampling

ALPHA = 1.0
TOP = 10
PROMPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The median over rounds, with minimum and maximum."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Rate:
        """The rate of a few measurements."""
        return cls(median=statistics.median(values), low=min(values), high=max(values))


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


@dataclass(frozen=True)
class Plan:
    """How much to measure: lanes, rounds, tokens per reply, tokens of the long history."""

    lanes: tuple[int, ...] = (1, 2, 3, 5, 8)
    rounds: int = 3
    tokens: int = 32
    history: int = 512


def measure(
    subject: Subject, plan: Plan, report: Callable[[Loading], None] = lambda _: None
) -> Figures:
    """Measure `subject` and its peer in interleaved rounds, so that noise affects both.

    Raises LogitAmpError if the context is too short for `plan`, or memory for its lanes.
    """
    pair = replace(subject.pair, end_of_turn=frozenset(), next_turn=())
    peer = subject.peer
    engine = LocalEngine.checked(subject.profile, pair)
    sampling = Sampling(temperature=1.0, top_p=0.9, max_new_tokens=plan.tokens)
    history = min(plan.history, pair.context - plan.tokens - 2 * PROMPT)
    if history < 4 * PROMPT:
        raise LogitAmpError(
            f"The context of {pair.context:,} tokens is too short for this measurement.",
            "Use fewer --tokens.",
        )
    notices: list[str] = []
    measures = _measures(engine, sampling, plan, history, notices)
    if peer is not None:
        measures.append(lambda: _guided(peer, _ids(pair, PROMPT), plan.tokens))
    taken = list(_rounds(plan.rounds, measures, report))
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


def _measures(
    engine: LocalEngine, sampling: Sampling, plan: Plan, history: int, notices: list[str]
) -> list[Callable[[], float]]:
    """What is timed: a step with each number of lanes, a first token, two next turns."""
    decoding = (partial(_decoding, engine, lanes, sampling, notices) for lanes in plan.lanes)
    first = partial(_first_token, engine, _ids(engine.pair, history))
    return [*decoding, first, *(partial(_next_turn, engine, h) for h in (PROMPT, history))]


def _rounds(
    count: int, measures: Sequence[Callable[[], float]], report: Callable[[Loading], None]
) -> Iterator[list[float]]:
    """Run every measure in turn, `count` times after a warm-up round."""
    total = (count + 1) * len(measures)
    for n in range(count + 1):
        row = []
        for i, one in enumerate(measures):
            done = n * len(measures) + i
            report(Loading(stage="measure", detail=f"round {n}", done=done, total=total))
            row.append(one())
        if n:
            yield row


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


# --- what is timed ----------------------------------------------------------------


def _ids(pair: Pair, count: int, start: int = 0) -> tuple[int, ...]:
    """`count` usable token ids in no particular pattern."""
    valid = range(pair.size) if pair.valid is None else pair.valid.nonzero().flatten().tolist()
    return tuple(valid[(7919 * (start + n)) % len(valid)] for n in range(count))


def _decode(
    engine: LocalEngine, prompt: tuple[int, ...], lanes: int, sampling: Sampling
) -> Iterator[Event]:
    replies = [
        Reply(
            id=f"r{n}",
            parent=None,
            lane="",
            alpha=ALPHA,
            seed=0,
            turn=0,
            sampling=sampling,
            prompt=PromptIds(before=prompt, after=prompt),
            candidates=TOP,
        )
        for n in range(lanes)
    ]
    for batch in engine.decode(replies):
        for event in batch:
            if isinstance(event, Finish) and event.error is not None:
                raise LogitAmpError(
                    f"With --lanes {lanes} a reply broke off: {event.error}",
                    "Use other --lanes or fewer --tokens.",
                )
            yield event


def _decoding(engine: LocalEngine, lanes: int, sampling: Sampling, notices: list[str]) -> float:
    """Seconds per step of `lanes` lanes, after the first step."""
    times = []
    for event in _decode(engine, _ids(engine.pair, PROMPT), lanes, sampling):
        if isinstance(event, Step) and event.reply == "r0":
            times.append(time.perf_counter())
        elif isinstance(event, Noticed):
            notices.append(event.sentence)
    return (times[-1] - times[0]) / max(1, len(times) - 1)


def _first_token(engine: LocalEngine, prompt: tuple[int, ...]) -> float:
    """Seconds to the first token of a new conversation."""
    engine.apply(Forget())
    began = time.perf_counter()
    list(_decode(engine, prompt, 1, Sampling(max_new_tokens=1)))
    return time.perf_counter() - began


def _next_turn(engine: LocalEngine, history: int) -> float:
    """Seconds to the first token of a second turn of 16 tokens, after `history` tokens."""
    _first_token(engine, _ids(engine.pair, history))
    prompt = _ids(engine.pair, history) + _ids(engine.pair, 16, start=history)
    began = time.perf_counter()
    list(_decode(engine, prompt, 1, Sampling(max_new_tokens=1)))
    return time.perf_counter() - began


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
