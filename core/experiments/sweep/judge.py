"""Behaviours that the pair itself judges: `after` answers a yes-or-no question about a reply."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.experiments.sweep.behaviours import Kind, Replies, Verdict, named
from logit_amp_chat.core.experiments.sweep.patterns import complete_text
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.experiments.sweep.turn_marks import without_marks
from logit_amp_chat.core.reading import Chat, ReadBlock, ReadRequest
from logit_amp_chat.core.records import Document, Finish, Message, Step, new_id

FLAG = "--judge"

YES, NO = "Yes", "No"

WORDING = """\
Here is a conversation between a user and an assistant, and the assistant's last reply.

[The conversation]
{conversation}

[The last reply]
{reply}
[End of the reply]

Question about the last reply: {question}
Answer with one word, Yes or No."""
"""What is asked of each reply; it is saved with the question."""


class Judge:
    """A behaviour: `after` says yes rather than no to a question about the reply.

    The verdict is 1 where log p("Yes…") − log p("No…"), in nats, is above 0: the unmasked
    log-probabilities at α = 0 of an answer that begins with either word. Nothing is sampled. A
    model errs in this; `error_rates` says how often.
    """

    kind: Kind = "judge"
    numeric = False

    def __init__(
        self, name: str, question: str, engine: Engine, time: str | None = None, by: str = ""
    ) -> None:
        """`time` is what a template may write (None: that of the engine's session).

        `by` names the stage of a chain that judges, which need not be of the replies' own pair.
        """
        self.name = name
        self.question = question.strip()
        self._engine = engine
        self._by = by
        self._time = time or engine.opened.session.time

    @classmethod
    def parse(cls, option: str, engine: Engine, time: str | None = None, by: str = "") -> Judge:
        """The behaviour of an option NAME=QUESTION. Raises UsageError."""
        name, question = named(option, FLAG, "QUESTION")
        return cls(name, question, engine, time, by)

    @property
    def definition(self) -> dict[str, Any]:
        """The question, and all words that are put around it."""
        return {
            "kind": self.kind,
            "question": self.question,
            "wording": WORDING,
            "answers": [YES, NO],
            **({"by": self._by} if self._by else {}),
        }

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """What the model says of each reply, with its log-odds.

        A reply that cannot be judged, because it does not fit the context or the template does
        not take it, has a verdict that says why. They end where the engine is stopped. Raises
        EngineError where it is gone.
        """
        for prompt, reply in replies:
            try:
                odds = self.log_odds(prompt, reply)
            except EngineError:
                raise
            except LogitAmpError as error:
                yield Verdict(math.nan, refused=str(error))
            else:
                if odds is None:
                    return
                yield Verdict(float(odds > 0), log_odds=odds)

    def close(self) -> None:
        """The engine is the caller's."""

    def asked(self, prompt: SweepPrompt, reply: SweepReply) -> str:
        """All that is asked about a reply, in the words the model gets."""
        said = "\n\n".join(f"{role.capitalize()}: {text}" for role, text in prompt.messages)
        values = {
            "conversation": prompt.messages[0][1] if prompt.raw else said,
            "reply": complete_text(reply),
            "question": self.question,
        }
        return WORDING.format(**{name: without_marks(text) for name, text in values.items()})

    def log_odds(self, prompt: SweepPrompt, reply: SweepReply) -> float | None:
        """log p("Yes…") − log p("No…") in nats; None where the engine was stopped.

        Raises LogitAmpError if it cannot be measured.
        """
        asked = self.asked(prompt, reply)
        yes = self._log_prob(asked, YES)
        no = None if yes is None else self._log_prob(asked, NO)
        if yes is None or no is None:
            return None
        if math.isinf(yes) and math.isinf(no):
            raise LogitAmpError(f"The model says neither {YES} nor {NO}.", "Ask in other words.")
        return yes - no

    def _log_prob(self, asked: str, answer: str) -> float | None:
        """log p under after of an answer that begins with this word; None where it was stopped."""
        question = Message(id=new_id("m"), parent=None, role="user", text=asked)
        word = Message(id=new_id("m"), parent=question.id, role="assistant", text=answer)
        request = ReadRequest(
            document=new_id("d"),
            content=Chat(messages=(question, word), score="assistant"),
            alphas=(0.0,),
            top=0,
            time=self._time,
        )
        document: Document | None = None
        steps: list[Step] = []
        for event in self._engine.read(request):
            match event:
                case Document():
                    document = event
                    self._check_fits(document, event.tokens)
                case ReadBlock():
                    assert document is not None
                    self._check_fits(document, event.total)
                    steps += event.steps
                case Finish(reason="cancelled"):
                    return None
        assert document is not None
        return sum(step.logp.after for step in _of_answer(document, steps))

    def _check_fits(self, document: Document, total: int) -> None:
        """Raise LogitAmpError where the text might be read in several windows.

        Then the end would be judged without the beginning. A beginning of text, and system
        prompts that the sides do not share, are not in `total`; these have at most as many
        tokens as characters.
        """
        profile = self._engine.opened.session.profile
        sides = [profile.get(side) for side in ("before", "after")]
        systems = [
            str(side.get("system") or "") if isinstance(side, dict) else "" for side in sides
        ]
        before_it = 1 if systems[0] == systems[1] else 1 + max(map(len, systems))
        if total + before_it > document.window:
            raise LogitAmpError(
                f"The question about this reply may have {total + before_it:,} tokens, and the"
                f" pair's context holds {document.window:,}.",
                "Sample shorter replies.",
            )


def _of_answer(document: Document, steps: list[Step]) -> list[Step]:
    """The steps that carry characters of the answer, without the end of turn behind it."""
    place = next(((begin, end) for n, _, begin, end in document.spans if n == 1), None)
    found = [
        step
        for step in steps
        if place
        and document.offsets[step.index][0] < place[1]
        and document.offsets[step.index][1] > place[0]
    ]
    if not found:
        raise LogitAmpError(
            "The chat template does not tell which tokens are the answer's.",
            "Use --behaviour or --behaviour-command with this pair.",
        )
    return found
