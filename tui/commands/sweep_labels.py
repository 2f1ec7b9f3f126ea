"""`sweep --label`: replies are shown to be marked by hand, and a judge's errors are measured."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Behaviour, definition_key
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.labels import Judged, LabelFile, sample_to_label
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import put_safe, say

KEYS = "y yes, n no, s skip, u undo the last, q quit"


def check_terminal() -> None:
    """Raise UsageError where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--label asks about replies on a terminal, and there is none.")


def label(folder: SweepFolder, behaviour: Behaviour, number: int) -> None:
    """Show those of a sample of `number` replies that are not marked yet, and write down what is
    said of them.

    What the behaviour says of them is not shown; one that gives numbers is left out. Raises
    LogitAmpError.
    """
    key, file = definition_key(behaviour.definition), LabelFile(folder.path)
    try:
        marked = file.of(key)
        judged = _judged(folder, behaviour)
        if behaviour.numeric:
            say(f"note: {behaviour.name} is a number: there is no yes or no to mark.")
            return
        waiting = sample_to_label(judged, number)
        waiting = [one for one in waiting if one[1].id not in marked]
        say(f"{behaviour.name}: {count(len(marked), 'reply')} marked before; {KEYS}.")
        done: list[str] = []
        place = 0
        while place < len(waiting):
            prompt, reply, _ = waiting[place]
            said = [text for role, text in prompt.messages if role == "user"]
            put_safe(f"\n{place + 1} of {len(waiting)}  {visible(said[-1])}\n")
            put_safe(f"{visible(reply.text)}\n")
            answer = _asked(f"{behaviour.name}? ")
            if answer == "q":
                return
            if answer == "u" and done:
                file.add(key, done.pop(), None)
                place -= 1
                continue
            if answer in ("y", "n"):
                file.add(key, reply.id, answer == "y")
                done.append(reply.id)
            place += answer != "u"
    finally:
        file.close()


def _asked(question: str) -> str:
    """One of the keys; the end of input quits."""
    while True:
        try:
            answer = input(question).strip().casefold()[:1]
        except EOFError:
            return "q"
        if answer in ("y", "n", "s", "u", "q"):
            return answer
        say(f"Answer with {KEYS}.")


def _judged(folder: SweepFolder, behaviour: Behaviour) -> Sequence[Judged]:
    prompts = {prompt.id: prompt for prompt in folder.prompts}
    pairs = [(prompts[reply.prompt], reply) for reply in folder.replies()]
    verdicts = behaviour.verdicts(pairs)
    return [(*pair, verdict) for pair, verdict in zip(pairs, verdicts, strict=True)]
