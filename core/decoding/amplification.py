"""The mathematics of amplification: pure functions of log-probabilities.

Shapes: R lanes by V token ids. Everything is fp32 or wider; log-probabilities
are natural logs, divergences and entropies are in nats. `alpha` is (R, 1) or
anything that broadcasts against (R, V).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

NEVER = -math.inf
# A setting: a number, or a one-element tensor that a captured step reads on every launch.
Number = float | Tensor


def log(x: Number) -> Number:
    """The natural logarithm."""
    return x.log() if isinstance(x, Tensor) else math.log(x)


def log_probs(logits: Tensor, valid: Tensor | None = None) -> Tensor:
    """Log-softmax of (R, V) logits, fp32 or wider, over the ids that `valid` (V,) allows."""
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    if valid is not None:
        logits = logits.masked_fill(~valid, NEVER)
    return logits.log_softmax(dim=-1)


def mix(before: Tensor, after: Tensor, alpha: Tensor) -> Tensor:
    """after + α·(after − before), unnormalized, from log-probabilities (R, V).

    Exactly `before` at α = −1 and `after` at α = 0. A token that both
    sides rule out stays at −inf. A token that only one side rules out gets the
    other side's value plus the largest boost of any other token in the row,
    where α favours that other side (after: α ≥ 0, before: α ≤ −1), else −inf;
    never +inf, never NaN.
    """
    delta = after - before
    both = torch.lerp(before, after, 1 + alpha)
    # This check would stall a GPU; on a CPU it saves most of a small pair's mixing time.
    if delta.is_cpu and bool(delta.sum().isfinite()):
        return both
    finite = delta.isfinite()
    gain = delta.masked_fill(~finite, 0).amax(dim=-1, keepdim=True).clamp_min(0)
    loss = (-delta).masked_fill(~finite, 0).amax(dim=-1, keepdim=True).clamp_min(0)
    only_after = torch.where(alpha >= 0, after + alpha.clamp_min(0) * gain, NEVER)
    only_before = torch.where(alpha <= -1, before + (-1 - alpha).clamp_min(0) * loss, NEVER)
    one_sided = torch.where(before.isneginf(), only_after, only_before)
    return torch.where(finite, both, one_sided)


def with_after_ends(mixed: Tensor, after: Tensor, ends: Tensor) -> Tensor:
    """Log-probabilities (R, V) with `after`'s own at the ids `ends` (V,), at every α.

    The others share, as in `mixed` (R, V; unnormalized), the mass that `after` (R, V;
    log-probabilities) leaves them. With E the ends, m mixed and a after:

        log p(e) = a(e) for e ∈ E
        log p(i) = m(i) − log Σ_{j∉E} exp m(j) + log Σ_{j∉E} exp a(j) for i ∉ E

    Where m = a, as at α = 0, this is exactly a.
    """
    others = mixed.masked_fill(ends, NEVER)
    left = after.masked_fill(ends, NEVER).logsumexp(dim=-1, keepdim=True)
    return torch.where(ends, after, others + (left - others.logsumexp(dim=-1, keepdim=True)))


def amplify(before: Tensor, after: Tensor, alpha: Tensor, ends: Tensor | None = None) -> Tensor:
    """Log-probabilities (R, V) of the amplified model: p ∝ p_after^{1+α} · p_before^{−α}.

    If given, the ids `ends` (V,) keep `after`'s log-probability (see `with_after_ends`).
    """
    mixed = mix(before, after, alpha)
    return mixed.log_softmax(dim=-1) if ends is None else with_after_ends(mixed, after, ends)


def plausible(after: Tensor, threshold: Number | None) -> Tensor:
    """(R, V) True where p_after ≥ threshold · max p_after (Li et al. 2022, contrastive decoding).

    `after`'s argmax is always plausible. Without a threshold, so is
    every token that `after` does not rule out.
    """
    return ~after.isneginf() if threshold is None else after >= least_plausible(after, threshold)


def least_plausible(after: Tensor, threshold: Number) -> Tensor:
    """The least log-probability (R, 1) of a plausible token."""
    return after.amax(dim=-1, keepdim=True) + log(threshold)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p‖q) in nats of log-probabilities (…, V): (…). +inf where q rules out what p allows."""
    terms = p.exp() * (p - q)
    total = terms.sum(dim=-1)
    if total.is_cpu and bool(total.isfinite().all()):  # as in `mix`
        return total.clamp_min(0)
    return terms.masked_fill(p.isneginf(), 0).sum(dim=-1).clamp_min(0)


def entropy(p: Tensor) -> Tensor:
    """Entropy in nats of log-probabilities (…, V): (…)."""
    return -(p.exp() * p).masked_fill(p.isneginf(), 0).sum(dim=-1)


def rank(p: Tensor, token: Tensor) -> Tensor:
    """1 + how many ids of (…, V) are strictly more probable than `token` (…): (…)."""
    return (p > p.gather(-1, token.unsqueeze(-1))).sum(dim=-1) + 1
