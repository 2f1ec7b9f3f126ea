"""What a sweep is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.sampling import Sampling

GRID = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""The usual αs: what α > 0 suppresses, α < 0 raises."""

SAMPLES = 40
FREE = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
FREE |= {"repetition_penalty": 1.0, "dry_multiplier": 0.0}
"""The usual sampling: no filter but the plausibility mask, which leaves α ≤ 0 alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings:
    """`samples` replies to every prompt at every one of `alphas`, which always have 0.

    At α = 0 there are `plain` replies if that is more: only they show what no α raises.

    `sampling` holds for all replies; its seed is the sweep's. With `coupled`, sample n has the
    same noise at every α. `amplify_first` is as in a `SampleRequest`, `top` too. The estimate
    speaks about the model at α = `target`. `further` αs are measured and not sampled: the
    curve has them too.
    """

    alphas: tuple[float, ...] = GRID
    samples: int = SAMPLES
    sampling: Sampling = field(default_factory=lambda: Sampling(**FREE))  # type: ignore[arg-type]
    coupled: bool = False
    amplify_first: int | None = None
    target: float = 0.0
    further: tuple[float, ...] = ()
    top: int = 0
    plain: int = 0

    @property
    def grid(self) -> tuple[float, ...]:
        """Every α whose log-probabilities are wanted, in their order."""
        return tuple(sorted({*self.alphas, self.target, *self.further}))

    def replies_to(self, prompts: int) -> int:
        """How many replies to so many prompts that makes."""
        return prompts * sum(map(self.samples_at, self.alphas))

    def samples_at(self, alpha: float) -> int:
        """How many replies to each prompt there are to be at an α."""
        return max(self.samples, self.plain) if alpha == 0 else self.samples

    @property
    def fixed(self) -> dict[str, Any]:
        """What replies depend on besides prompt, α and number: the same for a sweep's life."""
        return {
            "sampling": self.sampling.model_dump(),
            "coupled": self.coupled,
            "amplify_first": self.amplify_first,
            "top": self.top,
        }


def checked(settings: SweepSettings) -> SweepSettings:
    """The settings with their αs in order, and 0 among them. Raises UsageError."""
    alphas = tuple(sorted({0.0, *(alpha + 0.0 for alpha in settings.alphas)}))
    for alpha in (*alphas, settings.target, *settings.further):
        if not math.isfinite(alpha):
            raise UsageError(f"α cannot be {alpha}.", "Give a finite number.")
    if settings.samples < 1:
        raise UsageError(
            f"{settings.samples} samples are nothing to count.", "Give 1 or more with --samples."
        )
    if settings.sampling.temperature == 0:
        raise UsageError(
            "At temperature 0 every reply to a prompt is the same: there is no rate.",
            "Choose a temperature above 0; 1 is the model's own distribution.",
        )
    if settings.amplify_first is not None and settings.amplify_first < 1:
        raise UsageError(
            "Nothing is amplified in the first 0 tokens.", "Give 1 or more with --amplify-first."
        )
    if settings.amplify_first is not None and settings.target:
        raise UsageError(
            f"With --amplify-first every reply goes on as after: there is no model at α"
            f" {signed(settings.target)} whose replies these are.",
            "Leave out --target; 0 is the usual one.",
        )
    settings = replace(settings, alphas=alphas)
    _check_off_grid(settings)
    return settings


def _check_off_grid(settings: SweepSettings) -> None:
    """Raises UsageError for αs that are not sampled where filters hide what they would say."""
    others = sorted({settings.target, *settings.further} - set(settings.alphas))
    if not others:
        return
    sampling = settings.sampling
    if sampling.top_k or sampling.top_p < 1 or sampling.min_p:
        raise UsageError(
            f"No reply is sampled at α {signed(others[0])}, and with top-k, top-p or min-p the"
            " others cannot stand for it: what they leave out differs from α to α.",
            "Give it with --alpha, or sample without these filters.",
        )
