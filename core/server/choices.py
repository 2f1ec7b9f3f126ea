"""One reply as a choice of OpenAI's answers: its text, its log-probabilities, why it ended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from logit_amp_chat.core.prompts import PromptToken
from logit_amp_chat.core.records import Candidate, Finish, Reply, Step
from logit_amp_chat.core.transcripts.lane_text import LaneText
from logit_amp_chat.core.transcripts.reply_text import ReplyText, step_bytes
from logit_amp_chat.core.transcripts.stop_strings import HeldText

LOG_ZERO = -9999.0
"""What OpenAI writes for log 0, which JSON has no number for."""


class Said(NamedTuple):
    """What a token adds to a choice: text of the answer, and thinking."""

    text: str = ""
    thinking: str = ""


class ContinuedText:
    """The text of a reply that continues a text: all of it, marks of thinking too."""

    def __init__(self, reply: Reply) -> None:
        self._text = ReplyText()
        self._held = HeldText(reply.sampling.stop)
        self._all = ""
        self._done = 0

    def add(self, step: Step) -> Said:
        """Add a token; what may still become a stop string is held back."""
        self._all += self._text.add(step)
        self._held.add(step_bytes(step))
        return self._new(max(self._done, len(self._all) - self._held.size))

    def finish(self, finish: Finish) -> Said:
        """The rest, up to the stop string that ended it."""
        self._all += self._text.finish()
        end = self._all.rfind(finish.stop) if finish.stop else -1
        return self._new(len(self._all) if end < 0 else end)

    def _new(self, end: int) -> Said:
        start, self._done = self._done, max(self._done, end)
        return Said(self._all[start : self._done])


class ChatText:
    """The text of an answer, thinking apart: what `reply` prints."""

    def __init__(self, reply: Reply, stops: tuple[str, ...]) -> None:
        self._text = LaneText(reply, stops)

    def add(self, step: Step) -> Said:
        """Add a token."""
        self._text.add(step)
        return self._new()

    def finish(self, finish: Finish) -> Said:
        """The rest."""
        self._text.finish(finish.stop)
        return self._new()

    def _new(self) -> Said:
        pieces = [*self._text.new()]
        said = "".join(text for text, is_thought in pieces if not is_thought)
        return Said(said, "".join(text for text, is_thought in pieces if is_thought))


@dataclass
class Echoed:
    """A prompt that is repeated before its reply: its tokens, and the steps of those but the first.

    `text` is the prompt as it was given.
    """

    text: str
    tokens: tuple[PromptToken, ...]
    steps: list[Step] = field(default_factory=list)


@dataclass
class Choice:
    """A reply as it comes; `echoed` stands before it where that was asked for."""

    index: int
    reply: str
    echoed: Echoed | None = None
    text: ContinuedText | ChatText | None = None
    said: str = ""
    thinking: str = ""
    steps: list[Step] = field(default_factory=list)
    finish: Finish | None = None
    prompt_tokens: int = 0

    def take(self, event: Step | Finish) -> Said:
        """Add an event; returns what it adds to the text."""
        if self.text is None:
            return Said()
        if isinstance(event, Step):
            self.steps.append(event)
            new = self.text.add(event)
        else:
            self.finish = event
            new = self.text.finish(event)
        self.said += new.text
        self.thinking += new.thinking
        return new

    @property
    def reason(self) -> str:
        """OpenAI's word for why it ended."""
        return "stop" if self.finish is not None and self.finish.reason == "stop" else "length"


def chat_logprobs(steps: list[Step], top: int) -> dict[str, Any]:
    """The log-probabilities of tokens under the lane's own α, as chat completions have them."""
    content = [
        {
            "token": step.text,
            "logprob": finite(step.logp.amplified),
            "bytes": list(step_bytes(step)),
            "top_logprobs": [
                {"token": one.text, "logprob": finite(one.amplified), "bytes": _bytes(one.text)}
                for one in likeliest(step, top)
            ],
        }
        for step in steps
    ]
    return {"content": content, "refusal": None}


def text_logprobs(
    steps: list[Step], top: int, echoed: Echoed | None = None, start: int = 0
) -> dict[str, Any]:
    """The same as completions have them, those of an echoed prompt first.

    Its first token has no log-probability: nothing is before it. `start` is the place of the
    first token in the text.
    """
    tokens = echoed.tokens if echoed else ()
    first = [token.text for token in tokens[:1]]
    nothing = [None for _ in first]
    measured = [*(echoed.steps if echoed else ()), *steps]
    return {
        "tokens": [*first, *(step.text for step in measured)],
        "token_logprobs": [*nothing, *(finite(step.logp.amplified) for step in measured)],
        "top_logprobs": [*nothing, *(_tops(step, top) for step in measured)] if top else None,
        "text_offset": [*_offsets(tokens, steps, start)],
    }


def likeliest(step: Step, top: int) -> list[Candidate]:
    """The `top` likeliest tokens under the lane's own α."""
    return sorted(step.top, key=lambda one: -one.amplified)[:top]


def finite(logp: float) -> float:
    """A log-probability as JSON has it."""
    return logp if math.isfinite(logp) else LOG_ZERO


def _tops(step: Step, top: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in likeliest(step, top):  # two ids may be written alike: the likelier one counts
        found.setdefault(one.text, finite(one.amplified))
    return found


def _bytes(text: str) -> list[int] | None:
    return None if "\ufffd" in text else list(text.encode("utf-8", "replace"))


def _offsets(tokens: tuple[PromptToken, ...], steps: list[Step], start: int) -> Iterator[int]:
    for token in tokens:
        yield start
        start += len(token.text)
    text = ReplyText()
    for step in steps:
        yield start
        start += len(text.add(step))
