"""Gumbel noise shared between lanes, αs and devices."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.records import Reply

MASK32 = 0xFFFFFFFF

# At most this far off is a uniform number in fp32, and by less than this factor what is
# computed of it.
ROUNDING, MARGIN = 2.0**-23, 1.001

# Values computed per call.
NOISE_BLOCK = 1 << 15


def _mix32(x: Tensor) -> Tensor:
    """A bijective 32-bit finalizer (lowbias32, C. Wellons) on int32 values, in place.

    Products wrap around, and shifts are those of unsigned numbers.
    """
    x ^= (x >> 16).bitwise_and_(0xFFFF)
    x *= 0x7FEB352D
    x ^= (x >> 15).bitwise_and_(0x1FFFF)
    x *= 0x846CA68B - 2**32
    x ^= (x >> 16).bitwise_and_(0xFFFF)
    return x


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
        self._ids = torch.arange(size, dtype=torch.int32, device=device)
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

    def part(self, rows: slice) -> Noise:
        """The noise of some rows."""
        part = copy.copy(self)
        part._hashed_ids, part._keys = self._hashed_ids[rows], self._keys[:, rows]
        part._begin = -1
        return part

    def at(self, step: int | Tensor) -> Tensor:
        """(rows, V) standard Gumbel noise, fp32, for the token at index `step`, or one a row."""
        if isinstance(step, Tensor):
            return self._of(step.reshape(-1, 1))
        begin = step - step % self._span
        if begin != self._begin:
            steps = torch.arange(begin, begin + self._span, device=self._hashed_ids.device)
            self._begin, self._block = begin, self._of(steps.view(-1, 1, 1))
        return self._block[step - begin]

    def pick(self, scores: Tensor, steps: Tensor) -> Tensor:
        """argmax(scores + noise) (R,) of scores (R, V) at `steps` (R,), exactly as with `at`.

        On a CPU the noise of few tokens is computed. With u uniform, E = −log(1 − u) and
        w = exp(max − score) ≥ 1, noise is −log E, and the least E·w wins. Where M = min u·w,
        some token has E·w ≤ −log(1 − M); no token with u·w above that can win, as E ≥ u.
        """
        if not scores.is_cpu:
            return (scores + self.at(steps)).argmax(dim=-1)
        bits = self._bits(steps.view(-1, 1))
        above = (bits ^ -(2**31)).float().mul_(2.0**-32).add_(0.5 + ROUNDING)
        weight = (scores - scores.amax(dim=-1, keepdim=True)).exp_()  # 1/w
        least = (above / weight).amin(dim=-1, keepdim=True).double()
        most = -torch.log1p(-least.clamp_max(1 - 2.0**-33)) * MARGIN
        rows, ids = (weight * most.float() >= above - 2 * ROUNDING).nonzero().unbind(1)
        noisy = scores[rows, ids] + _gumbel(bits[rows, ids])
        best = noisy.new_full((len(scores),), -math.inf).scatter_reduce(0, rows, noisy, "amax")
        won = noisy == best[rows]
        token = ids.new_zeros(len(scores))
        return token.scatter_reduce(0, rows[won], ids[won], "amin", include_self=False)

    def _hashed(self, keys: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """The hashed ids (n, V) and the other two words (2, n, 1) of n keys."""
        words = torch.tensor([_words(seed, turn) for seed, turn in keys], dtype=torch.int32)
        first, second, third = words.T.unsqueeze(-1).to(self._ids.device).unbind()  # (n, 1) each
        return _mix32(self._ids ^ first), torch.stack((second, third))

    def _bits(self, steps: Tensor) -> Tensor:
        """(…, rows, V) hashes of `steps` (…, 1 or rows, 1), int32."""
        second, third = self._keys
        salts = _mix32(_mix32(steps.int() ^ second) ^ third)
        return _mix32(_mix32(self._hashed_ids ^ salts).bitwise_xor_(third))

    def _of(self, steps: Tensor) -> Tensor:
        """(…, rows, V) noise of `steps` (…, 1 or rows, 1)."""
        return _gumbel(self._bits(steps))


def _gumbel(bits: Tensor) -> Tensor:
    """Standard Gumbel noise of uniform 32 bits, fp32.

    −log(1 − u) keeps full relative precision near 0, where the argmax is decided.
    """
    uniform = (bits.long() & MASK32).double().add_(0.5).mul_(2.0**-32)
    return uniform.neg_().log1p_().neg_().log_().neg_().float()


def _words(seed: int, turn: int) -> tuple[int, ...]:
    """Three signed 32-bit words of a hash of seed and turn."""
    key = hashlib.blake2b(f"{seed} {turn}".encode(), digest_size=12).digest()
    return tuple(int.from_bytes(key[i : i + 4], "little", signed=True) for i in (0, 4, 8))
