"""The replies that a sweep wants, each with a seed of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Sequence

from logit_amp_chat.core.experiments.sweep.settings import SweepSettings
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.samples import Draw


def reply_id(prompt: str, alpha: float, n: int) -> str:
    """The id of sample `n` of a prompt at one α: `p1:+0.5:3`."""
    return f"{prompt}:{alpha:+}:{n}"


def seed_of(seed: int, key: str, alpha: float | None, n: int) -> int:
    """The seed of a reply, from the sweep's, the prompt's key, α (None: of all αs) and number."""
    words = f"{seed} {key} {'' if alpha is None else repr(alpha)} {n}"
    digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def draws(
    settings: SweepSettings, prompts: Sequence[SweepPrompt], there: Container[str]
) -> Iterator[Draw]:
    """What is not `there` yet, prompt after prompt; of a prompt sample after sample over all αs."""
    for number, prompt in enumerate(prompts):
        for n in range(max(map(settings.samples_at, settings.alphas))):
            for alpha in settings.alphas:
                name = reply_id(prompt.id, alpha, n)
                if name in there or n >= settings.samples_at(alpha):
                    continue
                own = None if settings.coupled else alpha
                seed = seed_of(settings.sampling.seed, prompt.key, own, n)
                yield Draw(reply=name, prompt=number, alpha=alpha, seed=seed)
