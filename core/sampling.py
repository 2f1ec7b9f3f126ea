"""How a lane picks its next token."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Ends = Literal["mix", "after"]
Penalize = Literal["amplified", "all"]
Texts = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(strict=False)]
"""Texts, none of them empty; a list in JSON and YAML."""


class Sampling(BaseModel):
    """How a lane picks its next token.

    `top_k` 0, `top_p` 1, `min_p` 0 and `plausibility` 0 switch a filter off;
    `temperature` 0 is argmax. `plausibility` τ masks tokens with
    p_after < τ · max p_after, in lanes with α > 0 only. With `ends` "after"
    every lane, α = −1 too, gives end-of-turn tokens the probability that
    `after` gives them, whatever `before` makes of them; "mix" mixes them like
    any other token.

    A lane ends after the token that completes one of the texts `stop`.
    `repetition_penalty` multiplies log p of every token that stands before in
    prompt or reply; 1 is off. A token that would continue a repetition of
    n ≥ `dry_allowed_length` tokens loses `dry_multiplier` ·
    `dry_base`^(n − `dry_allowed_length`) nats (DRY); 0 is off. No repetition goes
    across a token that has one of `dry_breakers` in it. Both apply to lanes other
    than α = −1 and 0, unless `penalize` is "all".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    temperature: Annotated[float, Field(ge=0)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    top_k: Annotated[int, Field(ge=0)] = 0
    min_p: Annotated[float, Field(ge=0, lt=1)] = 0.0
    plausibility: Annotated[float, Field(ge=0, lt=1)] = 0.01
    ends: Ends = "mix"
    max_new_tokens: Annotated[int, Field(ge=1)] = 512
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    stop: Texts = ()
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    dry_multiplier: Annotated[float, Field(ge=0)] = 0.0
    dry_base: Annotated[float, Field(ge=1)] = 1.75
    dry_allowed_length: Annotated[int, Field(ge=1)] = 2
    dry_breakers: Texts = ("\n", ":", '"', "*")
    penalize: Penalize = "amplified"
