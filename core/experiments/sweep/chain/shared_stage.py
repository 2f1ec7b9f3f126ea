"""Whether two neighbouring pairs of a chain sample the very same model, where they share a stage.

The stage is `after` of one, sampled at α = 0, and `before` of the other, sampled at α = −1. The
plausibility mask leaves both αs alone, and every other filter acts on the stage's own
distribution. What may differ is what it is prompted with, where its replies end, and how it was
loaded. With the ends of `after` α = −1 is no stage: it ends replies as the next stage does.
"""

from __future__ import annotations

from logit_amp_chat.core.experiments.sweep.folder import SweepFolder


def difference(earlier: SweepFolder, later: SweepFolder) -> str:
    """What differs, as the rest of a sentence; "" where both sample the same distribution."""
    one, other = earlier.contents.session, later.contents.session
    checks = (
        ("loaded otherwise", one.after, other.before),
        ("read over other usable ids", one.revisions, other.revisions),
        ("read over another vocabulary", one.vocabulary, other.vocabulary),
        ("ended by other tokens", one.end_of_turn, other.end_of_turn),
        ("ended before other texts", one.next_turn, other.next_turn),
        ("sampled otherwise", earlier.settings.sampling, later.settings.sampling),
        ("ended with the probabilities of another stage", True, not ends_as_next(later)),
        ("asked other prompts", _keys(earlier), _keys(later)),
        ("prompted with other tokens", *_prompts(earlier, later)),
    )
    return next((said for said, here, there in checks if here != there), "")


def ends_as_next(folder: SweepFolder) -> bool:
    """Whether replies at α = −1 end with the probabilities of the pair's `after`."""
    return folder.settings.sampling.ends == "after"


def _keys(folder: SweepFolder) -> list[str]:
    return [prompt.key for prompt in folder.prompts]


def _prompts(earlier: SweepFolder, later: SweepFolder) -> tuple[object, object]:
    """The ids of the stage's prompts in both, as far as both wrote them down."""
    known = earlier.contents.ids.keys() & later.contents.ids.keys()
    return (
        {name: earlier.contents.ids[name].after for name in known},
        {name: later.contents.ids[name].before for name in known},
    )
