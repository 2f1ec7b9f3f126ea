"""From both sides' logits to every lane's next token and its statistics.

CPU and GPU share this code: with tensors as settings nothing in it waits for the
device, so a CUDA graph can capture it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.amplification import amplify, log_probs
from logit_amp_chat.core.decoding.gumbel_noise import Noise
from logit_amp_chat.core.decoding.repetition import Repeated
from logit_amp_chat.core.decoding.sampling import Filters, filtered, pick
from logit_amp_chat.core.decoding.token_stats import measure


def choose(
    logits: tuple[Tensor, Tensor],
    valid: Tensor | None,
    alpha: Tensor,
    filters: Filters,
    noise: Noise,
    index: int | Tensor,
    top: int,
    token: Tensor | None = None,
    ends: Tensor | None = None,
    repeated: Repeated | None = None,
) -> tuple[Tensor, Tensor]:
    """The token (R,) of each lane at position `index`, and its statistics from `measure`.

    `logits` are before's and after's (R, V), `alpha` is (R, 1); `ends` (V,) is True for
    ids that end a turn; `repeated` is needed where a penalty is on. If `token` is given, it is
    measured and nothing is chosen.
    """
    before, after = (log_probs(side, valid) for side in logits)
    amplified = amplify(before, after, alpha, ends if filters.after_ends else None)
    if token is None:
        token, _ = draw(amplified, after, alpha, filters, noise, index, repeated)
    stack = torch.stack((before, after, amplified))
    return token, measure(stack, token, top, filters.plausibility)


def draw(
    amplified: Tensor,
    after: Tensor,
    alpha: Tensor,
    filters: Filters,
    noise: Noise,
    index: int | Tensor,
    repeated: Repeated | None = None,
) -> tuple[Tensor, Tensor]:
    """The token (R,) of each lane at position `index`, and the scores (R, V) it was drawn from.

    `amplified` and `after` are log-probabilities (R, V), `alpha` is (R, 1); `index` is one
    position, or one a lane (R,).
    """
    scores = filtered(amplified, after, alpha, filters, repeated)
    if filters.temperature is None:
        return pick(scores, None), scores
    if isinstance(index, Tensor) and index.numel() > 1:
        return noise.pick(scores, index), scores
    return pick(scores, noise.at(index)), scores
