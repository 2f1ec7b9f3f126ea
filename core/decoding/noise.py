"""Gumbel noise that all lanes, αs and devices share."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

MASK32 = 0xFFFFFFFF


# Ids times steps that are computed in one go.
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

    Every lane, every α and every device sees the same noise, so where two
    lanes differ, α did it; each lane on its own is an exact sample
    (Gumbel-max). Integer hashes are the same everywhere; the two logarithms
    are fp64, so that devices agree far below fp32 resolution.
    """

    def __init__(self, seed: int, turn: int, size: int, device: torch.device | str = "cpu") -> None:
        key = hashlib.blake2b(f"{seed} {turn}".encode(), digest_size=12).digest()
        first, second, third = (int.from_bytes(key[i : i + 4], "little") for i in (0, 4, 8))
        ids = torch.arange(size, dtype=torch.int64, device=device)
        self._hashed_ids = _mix32(ids ^ first)
        self._keys = torch.tensor([second, third], device=device)
        # Small vocabularies are dominated by the cost of a call: several steps at once.
        self._span = max(1, NOISE_BLOCK // size)
        self._begin = -1
        self._block = torch.empty(0)

    def take(self, other: Noise) -> None:
        """Become the noise of another reply, in the same tensors."""
        self._hashed_ids.copy_(other._hashed_ids)
        self._keys.copy_(other._keys)
        self._begin = -1

    def at(self, step: int | Tensor) -> Tensor:
        """(V,) standard Gumbel noise, fp32, for the token at index `step`."""
        if isinstance(step, Tensor):
            return self._of(step.reshape(1))[0]
        begin = step - step % self._span
        if begin != self._begin:
            self._begin, self._block = begin, self._steps(begin)
        return self._block[step - begin]

    def _steps(self, begin: int) -> Tensor:
        """(span, V) noise of the steps from `begin` on."""
        return self._of(torch.arange(begin, begin + self._span, device=self._hashed_ids.device))

    def _of(self, steps: Tensor) -> Tensor:
        """(n, V) noise of `steps` (n,)."""
        second, third = self._keys.unbind()
        salts = _mix32(_mix32(steps ^ second) ^ third).unsqueeze(-1)
        bits = _mix32(_mix32(self._hashed_ids ^ salts) ^ third)
        # −log(1 − u) keeps full relative precision near 0, where the winners are.
        exponential = -torch.log1p(-(bits.double() + 0.5) * 2.0**-32)
        return -exponential.log().float()
