"""The models of a server: names for αs."""

from __future__ import annotations

import math
import re

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.number_format import MINUS, signed
from logit_amp_chat.core.server.errors import NotFoundError

BASE, TUNED, AMPLIFIED = "base", "tuned", "amplified"
_ALPHAS = {BASE: -1.0, TUNED: 0.0}
_AT = re.compile(rf"{AMPLIFIED}:([+-]?\d+(?:\.\d+)?)", re.ASCII)


def names(alpha: float) -> list[str]:
    """The models that are listed, where `alpha` is the profile's; any other α has a name, too."""
    alpha = 1.0 if alpha in _ALPHAS.values() else alpha
    return [BASE, TUNED, AMPLIFIED, f"{AMPLIFIED}:{signed(alpha).replace(MINUS, '-')}"]


def alpha_of(name: str, alpha: float | None, default: float) -> float:
    """The α of a model by its name and by what the request says besides.

    `default` is that of `amplified` alone. Raises UsageError where the two differ, and
    NotFoundError for a name that is none.
    """
    at = _AT.fullmatch(name)
    fixed = float(at[1]) if at else _ALPHAS.get(name)
    if fixed is None and name != AMPLIFIED:
        listed = ", ".join(names(default))
        raise NotFoundError(f"There is no model {name!r:.80}.", f"There are {listed}.")
    if alpha is not None and not math.isfinite(alpha):
        raise UsageError(f"alpha: expected a finite number, found {alpha}.")
    if fixed is not None and alpha is not None and alpha != fixed:
        raise UsageError(
            f"The model {name} is α {signed(fixed)}, but alpha is {signed(alpha)}.",
            f"Leave out alpha, or name the model {AMPLIFIED}.",
        )
    return next(value for value in (fixed, alpha, default) if value is not None)
