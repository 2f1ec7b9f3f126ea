"""Formats numbers for the screen and the exports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from logit_amp_chat.core.records import NO_LIMIT
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.text import typed, visible

MINUS = "−"
EIGHTHS = " ▏▎▍▌▋▊▉"
SPARKS = "▁▂▃▄▅▆▇█"


def signed(alpha: float) -> str:
    """An α with its sign: +1.5, −1, 0.

    Never rounded: 0 is exactly the model after, and no other α may look like it.
    """
    if alpha == 0:
        return "0"
    return ("+" if alpha > 0 else "") + exact(float(alpha))


def exact(value: float) -> str:
    """A number to its last digit, with the minus sign that people read: 0.7, 1e−05, −2."""
    return repr(value).removesuffix(".0").replace("-", MINUS)


def setting(value: float | str | Sequence[str]) -> str:
    """The value of one of Sampling's fields: an exact number, a word, or texts as typed."""
    if isinstance(value, str):
        return value
    return typed(value) if isinstance(value, Sequence) else exact(value)


def setting_said(value: float | str | Sequence[str]) -> str:
    """The same in a sentence: texts in quotation marks, which show a blank at their ends."""
    said = setting(value)
    return said if isinstance(value, int | float | str) else f"“{said}”"


def nats(value: float, width: int = 0) -> str:
    """A log-probability, divergence or entropy in nats, in at least `width` cells."""
    if math.isnan(value):
        text = "–"
    elif math.isinf(value):
        text = "∞" if value > 0 else f"{MINUS}∞"
    else:
        text = f"{value:z.2f}".replace("-", MINUS)
    return text.rjust(width)


def finite(value: float) -> float | None:
    """A number for JSON, which has no infinities: None for what is not finite."""
    return value if math.isfinite(value) else None


def in_nats(value: float) -> str:
    """A bound in nats: 1 nat, 3.6 nats."""
    return f"{number(value)} {'nat' if value == 1 else 'nats'}"


def number(value: float, digits: int = 3) -> str:
    """A plain number with at most `digits` significant digits: 1.5, −1, 64."""
    text = f"{value:z.{digits}g}"
    if "e" in text and 1 <= abs(value) < 1e6:
        text = f"{value:z.0f}"
    return text.replace("e-0", "e-").replace("-", MINUS)


def delta(value: float, width: int = 6) -> str:
    """A difference, of log-probabilities or of α, with its sign unless it rounds to zero."""
    if math.isnan(value):
        return "–".rjust(width)
    if math.isinf(value):
        return ("+∞" if value > 0 else "−∞").rjust(width)
    digits = 2 if abs(value) < 100 else 1
    text = f"{value:+.{digits}f}"
    if not float(text):
        text = text[1:]
    return text.replace("-", MINUS).rjust(width)


def delta_sum(value: float) -> str:
    """A difference that was summed over many tokens; its thousands are told apart."""
    return f"{value:+,.1f}".replace("-", MINUS) if 1000 <= abs(value) < 1e9 else delta(value, 0)


def perplexity(value: float) -> str:
    """A perplexity in four digits: 8.012, 1,234, ∞, and – for NaN."""
    if not math.isfinite(value):
        return nats(value)
    return f"{value:,.0f}" if 1000 <= value < 1e7 else number(value, 4)


def probability(log_prob: float) -> str:
    """exp(`log_prob`) in five cells: 0.932, 0.004, 2e−7, 0."""
    return fraction(math.exp(min(log_prob, 0.0)))


def fraction(p: float) -> str:
    """A probability in five cells: 0.932, 0.004, 2e−7, 0, and – for NaN."""
    if math.isnan(p):
        return "–".rjust(5)
    if p >= 0.0005:
        return f"{p:.3f}"
    if p < 1e-99:
        return "    0"
    mantissa, exponent = f"{p:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS).rjust(5)


def percent(share: float) -> str:
    """A share in per cent, with three significant digits: 27.5%, 0.0202%, 100%, and – for NaN."""
    if not math.isfinite(share):
        return nats(share)
    size = abs(100 * share)
    if not size or size >= 99.95:
        text = f"{100 * share:z.0f}"
    elif size < 1e-9:
        text = f"{100 * share:.2e}"
    else:
        text = f"{100 * share:.{max(0, 2 - math.floor(math.log10(size)))}f}"
    return text.replace("-", MINUS) + "%"


def bar(fraction: float, width: int) -> str:
    """A horizontal bar of `width` cells, in eighths of a cell."""
    eighths = round(max(0.0, min(1.0, fraction)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)


def quantity(value: float, unit: str) -> str:
    """An amount of progress: bytes in MB or GB, anything else as a count."""
    if unit != "bytes":
        return f"{value:,.0f}"
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """A time span: 4.1 s, 2:05 min, 3:12 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def count(number: int, noun: str) -> str:
    """1 token, 2 tokens; 1 reply, 2 replies."""
    plural = f"{noun[:-1]}ies" if noun.endswith("reply") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def which(number: int, total: int) -> str:
    """Which of several siblings: `‹ 2/3 ›`; "" for one without."""
    return f"‹ {number}/{total} ›" if total > 1 else ""


def spark(values: Iterable[float], low: float, high: float) -> str:
    """A sparkline: one cell per value, scaled from `low` to `high`."""
    top = len(SPARKS) - 1
    span = (high - low) or 1.0
    return "".join(SPARKS[round(max(0.0, min(1.0, (v - low) / span)) * top)] for v in values)


def sampling_parts(sampling: Sampling) -> list[str]:
    """The temperature and all that is not off, each in words; safe to show."""
    long = [f"{name} {value}" for name, _, value in _acting(sampling)]
    if sampling.temperature == 0:
        long = ["T 0 (argmax)" if part == "T 0" else part for part in long]
    said = visible(setting_said(sampling.stop), newlines=False)
    return [*long, *_words(sampling, f"stop {said}")]


def _acting(sampling: Sampling) -> tuple[tuple[str, str, str], ...]:
    """Numbers that are not off: a name, a short one, and the value."""
    filters = (
        ("τ", "τ", sampling.plausibility, 0),
        ("T", "T", sampling.temperature, None),
        ("top-p", "p", sampling.top_p, 1),
        ("top-k", "k", sampling.top_k, 0),
        ("min-p", "m", sampling.min_p, 0),
        ("repetition", "r", sampling.repetition_penalty, 1),
        ("DRY", "d", sampling.dry_multiplier, 0),
    )
    return tuple((name, short, exact(value)) for name, short, value, off in filters if value != off)


def _words(sampling: Sampling, stop: str) -> list[str]:
    """What is no number, and not as usual; `stop` stands for the stop strings."""
    penalizes = sampling.repetition_penalty != 1 or sampling.dry_multiplier > 0
    words = [f"ends {sampling.ends}"] if sampling.ends != "mix" else []
    words += [f"penalize {sampling.penalize}"] if penalizes and sampling.penalize == "all" else []
    return [*words, stop] if sampling.stop else words


def sampling_line(sampling: Sampling, room: int = 200, *, seed: bool = False) -> str:
    """The temperature and all that is not off, in `room` cells if that can be.

    The `seed` only where it fits as well; the names get shorter, and stop strings become the
    word `stop`, but none is left out.
    """
    acting, words = _acting(sampling), _words(sampling, "stop")
    long = "  ".join(sampling_parts(sampling))
    values = (
        short + (value.removeprefix("0") if value != "0" else "0") for _, short, value in acting
    )
    forms = [
        f"{long}  seed {sampling.seed}" if seed else "",
        long,
        " ".join([*(f"{short} {value}" for _, short, value in acting), *words]),
        " ".join([*values, *words]),
    ]
    return next((form for form in forms if form and len(form) <= room), forms[-1])


def context(used: int, limit: int) -> str:
    """How many tokens of the context are used: context 117/8192; of one without a limit: 117."""
    return f"context {used}" + (f"/{limit}" if limit < NO_LIMIT else "")
