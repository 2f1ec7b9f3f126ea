"""The behaviours that `sweep` was asked to count."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import (
    Behaviour,
    Replies,
    Verdict,
    named,
    refuse_same_names,
)
from logit_amp_chat.core.experiments.sweep.judge import FLAG as JUDGE
from logit_amp_chat.core.experiments.sweep.judge import WORDING, Judge
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.programs import Program
from logit_amp_chat.core.experiments.sweep.verdict_file import Cached, VerdictFile
from logit_amp_chat.core.number_format import count
from logit_amp_chat.tui.commands.output import say
from logit_amp_chat.tui.commands.reading_progress import LiveLine

if TYPE_CHECKING:
    from logit_amp_chat.core.engine_interface import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Behaviours as they were typed, each NAME=…"""

    patterns: Sequence[str] = ()
    programs: Sequence[str] = ()
    questions: Sequence[str] = ()

    @property
    def need_engine(self) -> bool:
        """Whether the pair has to judge."""
        return bool(self.questions)

    @property
    def names(self) -> list[str]:
        """What they are called, unless `check` finds that they cannot be."""
        return [
            option.partition("=")[0] for option in (*self.patterns, *self.programs, *self.questions)
        ]

    def check(self) -> None:
        """Raise UsageError for what cannot be counted, before anything is loaded."""
        names = [Pattern.parse(option).name for option in self.patterns]
        for option in self.programs:
            with contextlib.closing(Program.parse(option)) as program:
                names.append(program.name)
        names += [named(option, JUDGE, "QUESTION")[0] for option in self.questions]
        refuse_same_names(names)


@contextlib.contextmanager
def behaviours(
    asked: Asked, folder: Path, engine: Engine | None, time: str, by: str = ""
) -> Iterator[list[Behaviour]]:
    """The behaviours, while they are counted; what programs and judges say is kept in `folder`.

    `by` names the stage of a chain that `engine` judges with.
    Raises UsageError for a folder that cannot be written.
    """
    with contextlib.ExitStack() as stack:
        found: list[Behaviour] = [*map(Pattern.parse, asked.patterns)]
        if asked.programs or asked.questions:
            file = VerdictFile(folder)
            stack.callback(file.close)
            slow: list[Behaviour] = [*map(Program.parse, asked.programs)]
            if asked.questions:
                if engine is None:
                    raise UsageError("A judge needs the models.", "Open the pair.")
                slow += [_judge(option, engine, time, by) for option in asked.questions]
            found += [Cached(one, file) for one in slow]
        for one in found:
            stack.callback(one.close)
        yield found


class _Watched:
    """A judge that says how far it is; replies that were judged before do not come here."""

    numeric = False

    def __init__(self, judge: Judge) -> None:
        self.name = judge.name
        self.kind = judge.kind
        self.definition = judge.definition
        self.close = judge.close
        self._judge = judge

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """Those of the judge."""
        line = LiveLine(live=True)
        for number, verdict in enumerate(self._judge.verdicts(replies), 1):
            if line.is_due:
                line.draw(f"{self.name}: {count(number, 'reply')} judged")
            yield verdict
        line.clear()


def _judge(option: str, engine: Engine, time: str, by: str) -> Behaviour:
    """A judge, once it was said what it is asked."""
    judge = Judge.parse(option, engine, time, by)
    asked = WORDING.format(conversation="…", reply="…", question=judge.question)
    say(f"{judge.name}: {by or 'after'} is asked, about every reply:\n{asked}")
    return _Watched(judge)
