"""Compares the way replies are computed with whole forward passes, before anybody relies on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.decoding.ragged_pass import RaggedPass
from logit_amp_chat.core.models.layers.kv_cache import KVCache
from logit_amp_chat.core.models.side import ForwardPass, LoadedSide

Ids = tuple[int, ...]
Computed = tuple[Ids, Tensor]
"""A text, and the logits (sides, V) of the token after it."""

LANES = 2
GIVEN = 1
DECODED = 2
# Enough for two chunks, the width of a convolution and a few recurrent states.
SHORT = 14
# Texts on which rounding is measured, each in one pass.
PERTURBED = 4


@dataclass(frozen=True)
class Deviation:
    """How far replies are from whole forward passes.

    `kl` is the mean KL(whole‖computed) in nats, `largest` the largest difference of a
    log-probability.
    """

    kl: float
    largest: float


class Texts:
    """Random prompts and continuations, the same ones for the same seed."""

    def __init__(self, usable: Sequence[int], seed: int) -> None:
        self._usable = usable
        self._random = random.Random(seed)

    def take(self, count: int) -> Ids:
        """The next `count` ids."""
        return tuple(self._random.choices(self._usable, k=count))


def as_replies(caches: PrefixCache, texts: Texts, length: int, chunk: int) -> Iterator[Computed]:
    """What a chat computes: two turns, an edited message, and lanes that part from each other.

    The first prompt has `length` tokens; GIVEN + DECODED more follow it.
    """
    prompt = texts.take(length)
    lanes = yield from _reply(caches, prompt, texts.take(GIVEN), LANES, texts, chunk)
    second = lanes[-1] + texts.take(min(chunk, SHORT) // 2)
    yield from _reply(caches, second, (), 1, texts, chunk)
    edited = prompt[: -length // 4] + texts.take(length // 4 + 2)
    yield from _reply(caches, edited, (), 1, texts, chunk)


def _reply(
    caches: PrefixCache, prompt: Ids, given: Ids, lanes: int, texts: Texts, chunk: int
) -> Generator[Computed, None, list[Ids]]:
    """A prompt, given tokens, and decoded ones in each of `lanes` lanes; returns their texts."""
    wanted = len(given) + 1
    caches.open(prompt + given, wanted)
    read = torch.cat([logits for _, logits in caches.prefill(chunk)], dim=1)[:, -wanted:]
    for n, logits in enumerate(read.unbind(1)):
        yield prompt + given[:n], logits
    caches.expand(lanes)
    rows = [prompt + given] * lanes
    for _ in range(DECODED):
        tokens = texts.take(lanes)
        decoded = caches.decode(torch.tensor(tokens))
        caches.append_tokens(tokens)
        rows = [(*row, token) for row, token in zip(rows, tokens, strict=True)]
        for lane, row in enumerate(rows):
            yield row, decoded[lane::lanes]
    caches.keep()
    return rows


Computation = Callable[[PrefixCache, Texts, int, int], Iterator[Computed]]


def as_rows(caches: PrefixCache, texts: Texts, length: int, chunk: int) -> Iterator[Computed]:
    """What many replies compute: rows of different lengths, two of which are replaced.

    The longest text has `length` + 2 tokens, and DECODED more follow it.
    """
    prompts = [texts.take(n) for n in (length, length // 2 + 1, 1)]
    read = [_read(caches, prompt, chunk) for prompt in prompts]
    ragged = RaggedPass(caches.side, [cache for cache, _ in read], [*map(len, prompts)])
    yield from zip(prompts, [logits for _, logits in read], strict=True)
    rows = prompts
    for row, prompt in ((1, None), (0, texts.take(length // 3 + 1)), (2, texts.take(length + 2))):
        if prompt is not None:
            ragged.replace(row, _read(caches, prompt, chunk)[0], len(prompt))
            rows[row] = prompt
        for _ in range(DECODED):
            tokens = texts.take(len(rows))
            decoded = ragged.decode(torch.tensor(tokens).unsqueeze(-1))
            rows = [(*text, token) for text, token in zip(rows, tokens, strict=True)]
            for n, text in enumerate(rows):
                yield text, decoded[n :: len(rows)]


def _read(caches: PrefixCache, prompt: Ids, chunk: int) -> tuple[KVCache, Tensor]:
    """The cache of a prompt, and the logits (sides, V) after it."""
    caches.clear()
    caches.open(prompt, 1)
    logits = torch.cat([part for _, part in caches.prefill(chunk)], dim=1)[:, -1]
    assert caches.live is not None
    return caches.live.cache, logits


class WholePasses:
    """The log-probabilities (V,) of the token after a text, from forward passes without a cache."""

    def __init__(self, side: LoadedSide) -> None:
        self._side = side
        self._found: dict[Ids, Tensor] = {}

    def read(self, texts: Sequence[Ids]) -> list[Tensor]:
        """Those of every text, each read once.

        A text is read as the beginning of a longer one, unless a switch of the model's
        positions lies between them.
        """
        longest: dict[Ids, list[Ids]] = {}
        for text in sorted(set(texts) - self._found.keys(), key=len, reverse=True):
            begun = (long for long in longest if self._begins(long, text))
            longest.setdefault(next(begun, text), []).append(text)
        for long, parts in longest.items():
            last = len(long) - len(parts[-1]) + 1
            logits = self._side.logits(torch.tensor([long]), None, last)[0].cpu()
            log_probs = logits.log_softmax(-1)
            self._found |= {part: log_probs[len(part) - len(long) - 1] for part in parts}
        return [self._found[text] for text in texts]

    def _begins(self, long: Ids, text: Ids) -> bool:
        switch = self._side.rope_switch
        together = switch is None or (len(long) > switch) == (len(text) > switch)
        return together and long[: len(text)] == text


def deviation(
    forward: ForwardPass,
    use: CacheUse,
    references: Sequence[WholePasses],
    usable: Sequence[int],
    length: int,
    chunk: int,
    seed: int = 0,
    computed: Computation = as_replies,
) -> Deviation:
    """How far replies are off at this level; `references` are the sides of `forward`."""
    replies = computed(PrefixCache(forward, use), Texts(usable, seed), length, chunk)
    return compare([*replies], references)


def keeps_states(side: LoadedSide, usable: Sequence[int]) -> bool:
    """Whether modules of the model hold tensors that depend on the text, outside of any cache.

    Whoever reads another text in between changes them; in low precision that may look like
    rounding.
    """
    texts, held = Texts(usable, seed=0), []
    for _ in range(2):
        side.logits(torch.tensor([texts.take(SHORT)]), side.new_cache(), 1)
        held.append({
            (name, key): tensor.clone()
            for name, module in side.model.named_modules()
            for key, tensor in (vars(module) | module._buffers).items()
            if isinstance(tensor, Tensor)
        })  # fmt: skip
    first, second = held
    return any(not torch.equal(first[place], second[place]) for place in first.keys() & second)


def sensitivity(
    side: LoadedSide, whole: WholePasses, usable: Sequence[int], seed: int = 0
) -> float:
    """Mean KL in nats by which one more rounding of the embeddings changes whole passes.

    What a cache does has no part in it, so that it measures rounding alone; `whole` is of `side`.
    """
    texts = Texts(usable, seed)
    asked = [texts.take(SHORT) for _ in range(PERTURBED)]

    def rounded(module: torch.nn.Module, arguments: tuple[Tensor, ...], rows: Tensor) -> Tensor:
        noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
        noise *= torch.finfo(rows.dtype).eps
        return (rows * (1.0 + noise.to(rows.device))).to(rows.dtype)

    hook = side.model.get_input_embeddings().register_forward_hook(rounded)
    try:
        changed = WholePasses(side).read(asked)
    finally:
        hook.remove()
    return compare(
        [(text, row[None]) for text, row in zip(asked, changed, strict=True)], [whole]
    ).kl


def compare(replies: Sequence[Computed], references: Sequence[WholePasses]) -> Deviation:
    """How far logits are from those of whole passes; `references` are their sides."""
    texts, logits = zip(*replies, strict=True)
    sides = torch.stack([one.cpu() for one in logits], dim=1)
    kls, largest = [], 0.0
    for computed, reference in zip(sides, references, strict=True):
        whole = torch.stack(reference.read(texts))[:, : computed.shape[-1]].log_softmax(-1)
        apart = whole - computed.log_softmax(-1)
        apart = torch.where(apart.isnan(), 0.0, apart)  # −∞ on both sides
        kls.append((whole.exp() * apart).nan_to_num(0.0).sum(-1).mean())
        largest = max(largest, float(apart[whole.isfinite()].abs().max()))
    return Deviation(max(0.0, float(torch.stack(kls).max())), largest)
