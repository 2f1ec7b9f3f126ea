"""Gumbel noise shared between lanes, αs and devices."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.records import Reply

MASK32 = 0xFFFFFFFF

# Values computed per call.
NOISE_BLOCK = 1 << 15


def _mix32(x: Tensor) -> Tensor:
    """A bijective 32-bit finalizer (lowbias32, C. Wellons) on int64 values below 2³²."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & MASK32
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & MASK32
    return x ^ (x >> 16)


class Noise:
    """Gumbel noise as a stateless function of (seed, turn, step, token id).

    Lanes with the same seed share their noise at every α and on every device, so
    a divergence between them is due to α; each lane on its own is an exact
    sample (Gumbel-max). Integer hashes are the same everywhere; the two
    logarithms are fp64, so that devices agree far below fp32 resolution.
    """

    def __init__(
        self, keys: Sequence[tuple[int, int]], size: int, device: torch.device | str = "cpu"
    ) -> None:
        """One row of noise for each (seed, turn) in `keys`, over `size` token ids."""
        self._ids = torch.arange(size, dtype=torch.int64, device=device)
        self._hashed_ids, self._keys = self._hashed(keys)
        # With a small vocabulary call overhead dominates: compute several steps at once.
        self._span = max(1, NOISE_BLOCK // (size * len(keys)))
        self._begin = -1
        self._block = torch.empty(0)

    @classmethod
    def of(cls, replies: Sequence[Reply], size: int, device: torch.device) -> Noise:
        """The noise of these lanes: one shared row if seeds and turns agree, else a row each."""
        keys = [(reply.seed, reply.turn) for reply in replies]
        return cls(keys[:1] if len(set(keys)) == 1 else keys, size, device)

    @property
    def rows(self) -> int:
        """Rows of noise; 1 if all lanes share one."""
        return len(self._hashed_ids)

    def take(self, other: Noise) -> None:
        """Copy the keys of `other`, which has as many rows, into these tensors."""
        self._hashed_ids.copy_(other._hashed_ids)
        self._keys.copy_(other._keys)
        self._begin = -1

    def replace(self, rows: Sequence[int], keys: Sequence[tuple[int, int]]) -> None:
        """Give some rows the noise of other (seed, turn)."""
        places = torch.tensor(rows, device=self._ids.device)
        self._hashed_ids[places], self._keys[:, places] = self._hashed(keys)
        self._begin = -1

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""
        places = torch.tensor(rows, device=self._ids.device)
        self._hashed_ids, self._keys = self._hashed_ids[places], self._keys[:, places]
        self._begin = -1

    def at(self, step: int | Tensor) -> Tensor:
        """(rows, V) standard Gumbel noise, fp32, for the token at index `step`, or one a row."""
        if isinstance(step, Tensor):
            return self._of(step.reshape(-1, 1))
        begin = step - step % self._span
        if begin != self._begin:
            steps = torch.arange(begin, begin + self._span, device=self._hashed_ids.device)
            self._begin, self._block = begin, self._of(steps.view(-1, 1, 1))
        return self._block[step - begin]

    def _hashed(self, keys: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """The hashed ids (n, V) and the other two words (2, n, 1) of n keys."""
        words = torch.tensor([_words(seed, turn) for seed, turn in keys], device=self._ids.device)
        first, second, third = words.T.unsqueeze(-1).unbind()  # (n, 1) each
        return _mix32(self._ids ^ first), torch.stack((second, third))

    def _of(self, steps: Tensor) -> Tensor:
        """(…, rows, V) noise of `steps` (…, 1 or rows, 1)."""
        second, third = self._keys
        salts = _mix32(_mix32(steps ^ second) ^ third)
        bits = _mix32(_mix32(self._hashed_ids ^ salts) ^ third)
        # −log(1 − u) keeps full relative precision near 0, where the argmax is decided.
        exponential = -torch.log1p(-(bits.double() + 0.5) * 2.0**-32)
        return -exponential.log().float()


def _words(seed: int, turn: int) -> tuple[int, ...]:
    """Three 32-bit words of a hash of seed and turn."""
    key = hashlib.blake2b(f"{seed} {turn}".encode(), digest_size=12).digest()
    return tuple(int.from_bytes(key[i : i + 4], "little") for i in (0, 4, 8))
