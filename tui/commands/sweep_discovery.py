"""`sweep --discover`: phrases that amplification brings out, each counted like a behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour
from logit_amp_chat.core.experiments.sweep.confirming import ConfirmedPhrase
from logit_amp_chat.core.experiments.sweep.discovery import Count, FoundPhrase, discover
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.export.describe_reading import quoted
from logit_amp_chat.core.number_format import percent, signed
from logit_amp_chat.tui.commands.styles import Styles

MOST = 10
"""Phrases that are counted as behaviours."""

PHRASE = 38


def discovered(folder: SweepFolder, taken: Sequence[str]) -> list[FoundPhrase]:
    """The phrases of a sweep's replies. Raises UsageError where there are too few replies."""
    coupled = folder.settings.coupled
    return discover(folder.prompts, list(folder.replies()), taken, coupled=coupled)


def as_behaviours(found: Sequence[FoundPhrase]) -> Sequence[Behaviour]:
    """The confirmed ones, to be counted where they were not looked for."""
    return [ConfirmedPhrase(one.phrase) for one in found if one.is_confirmed][:MOST]


def as_text(found: Sequence[FoundPhrase], styles: Styles) -> str:
    """The confirmed phrases, the first ones the clearest; safe to show."""
    return "\n".join(_lines(found, styles)) + "\n\n"


def _lines(found: Sequence[FoundPhrase], styles: Styles) -> Iterator[str]:
    confirmed = [one for one in found if one.is_confirmed]
    yield (f"{len(found):,} phrases are commoner at high |α| than at 0 in one half of the replies;")
    yield f"{len(confirmed):,} are so in the other half too, which is counted here:"
    if not confirmed:
        return
    yield styles.quiet(f"{'phrase':<{PHRASE}}  {'α':<10}  {'there':>14}  {'at 0':>10}  prompts")
    for one in confirmed[:MOST]:
        begins = "^" if one.phrase.begins else ""
        text = quoted(begins + one.phrase.text)
        alphas = ", ".join(map(signed, one.alphas))
        yield (
            f"{text if len(text) <= PHRASE else text[: PHRASE - 1] + '…':<{PHRASE}}"
            f"  {alphas:<10}  {_count(one.amplified):>14}  {_count(one.zero):>10}"
            f"  {one.prompts} of {one.all_prompts}"
        )
    if len(confirmed) > MOST:
        yield f"and {len(confirmed) - MOST:,} more"


def _count(found: Count) -> str:
    return f"{found.hits:,}/{found.replies:,} {percent(found.rate)}"
