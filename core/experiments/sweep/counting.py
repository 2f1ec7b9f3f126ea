"""Reads the replies of a sweep and counts behaviours in them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour, Verdict
from logit_amp_chat.core.experiments.sweep.counts import Counts
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.experiments.sweep.verdict_file import Cached

CHUNK = 256
"""Replies that are held at once."""

Seen = Callable[[SweepReply, Sequence[Verdict]], None]


def count(
    folder: SweepFolder, behaviours: Sequence[Behaviour], seen: Seen = lambda *_: None
) -> Counts:
    """The behaviours in all replies of a folder; `seen` is given each with its verdicts.

    Raises LogitAmpError where a behaviour cannot say what a reply is.
    """
    prompts = {prompt.id: prompt for prompt in folder.prompts}
    for one in behaviours:
        if isinstance(one, Cached) and one.kind == "program":
            # Its verdicts are kept: asked now for all replies, it is started once.
            pairs = ((prompts[reply.prompt], reply) for reply in folder.replies())
            deque(one.verdicts(pairs), maxlen=0)
    counts = new_counts(folder, behaviours)
    add(counts, folder.prompts, folder.replies(), behaviours, seen)
    return counts


def new_counts(folder: SweepFolder, behaviours: Sequence[Behaviour]) -> Counts:
    """Counts of no reply yet."""
    return Counts(folder.prompts, folder.settings.grid, [one.name for one in behaviours])


def add(
    counts: Counts,
    prompts: Sequence[SweepPrompt],
    replies: Iterable[SweepReply],
    behaviours: Sequence[Behaviour],
    seen: Seen = lambda *_: None,
) -> None:
    """Add replies to what was counted. Raises as `count` does."""
    by_id = {prompt.id: prompt for prompt in prompts}
    waiting = iter(replies)
    while chunk := list(itertools.islice(waiting, CHUNK)):
        pairs = [(by_id[reply.prompt], reply) for reply in chunk]
        columns = [_verdicts(behaviour, pairs) for behaviour in behaviours]
        for place, reply in enumerate(chunk):
            verdicts = [column[place] for column in columns]
            counts.add(reply, verdicts)
            seen(reply, verdicts)


def _verdicts(
    behaviour: Behaviour, pairs: Sequence[tuple[SweepPrompt, SweepReply]]
) -> list[Verdict]:
    """One for each reply; a judge that is stopped gives fewer."""
    found = list(behaviour.verdicts(pairs))
    if len(found) < len(pairs):
        raise LogitAmpError(
            f"The counting of {behaviour.name} was stopped, so there are no rates.",
            "Count again: what was judged is kept.",
        )
    return found
