"""Answers of OpenAI's kind, whole or in pieces, made of what an engine reports."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.records import Finish, Reply, Step, new_id
from logit_amp_chat.core.server.choices import (
    ChatText,
    Choice,
    ContinuedText,
    Echoed,
    Said,
    chat_logprobs,
    text_logprobs,
)

Json = dict[str, Any]
BROKEN = ("error", "cancelled")
ENDED = "the server ended it, or its time was over."


class Answer:
    """The choices of one answer; `top` alternatives a token, None for no log-probabilities.

    `stops` are the stop strings of the session, None for a text that is continued.
    """

    def __init__(self, model: str, top: int | None, stops: Sequence[str] | None) -> None:
        self._is_chat = stops is not None
        self._stops = tuple(stops or ())
        self._top = top
        self._head: Json = {
            "id": new_id("chatcmpl" if self._is_chat else "cmpl"),
            "created": int(time.time()),
            "model": model,
        }
        self._choices: dict[str, Choice] = {}
        self._echoes: dict[str, Echoed] = {}
        self._prompt_tokens: list[int] = []

    def expect(self, reply: str, echoed: Echoed | None = None) -> None:
        """The next choice is this reply, after the prompt where that is echoed."""
        self._choices[reply] = Choice(len(self._choices), reply, echoed)

    def expect_echo(self, reply: str, echoed: Echoed) -> None:
        """The steps of this reply are those of an echoed prompt."""
        self._echoes[reply] = echoed

    def take(self, event: Event) -> tuple[Choice, Said] | None:
        """Add an event; returns what it adds to which choice, if to any."""
        if isinstance(event, Reply) and (choice := self._choices.get(event.id)):
            stops = self._stops
            choice.text = ChatText(event, stops) if self._is_chat else ContinuedText(event)
            choice.prompt_tokens = len(event.prompt.after)
        if not isinstance(event, Step | Finish):
            return None
        if isinstance(event, Step) and event.reply in self._echoes:
            self._echoes[event.reply].steps.append(event)
        choice = self._choices.get(event.reply)
        return None if choice is None else (choice, choice.take(event))

    @property
    def broken(self) -> str | None:
        """Why a reply broke off, if one did."""
        ended = [choice.finish for choice in self._choices.values() if choice.finish]
        broken = (end.error or ENDED for end in ended if end.reason in BROKEN)
        return next(broken, None)

    # --- whole -------------------------------------------------------------------

    def whole(self) -> Json:
        """The answer once everything has come."""
        kind = "chat.completion" if self._is_chat else "text_completion"
        choices = [self._whole(choice) for choice in self._choices.values()]
        return self._head | {"object": kind, "choices": choices, "usage": self.usage()}

    def usage(self) -> Json:
        """How many tokens were read and said; a prompt counts once for all its choices."""
        choices = [*self._choices.values()]
        prompts = {
            id(one.echoed) if one.echoed else one.index: len(one.echoed.tokens)
            if one.echoed
            else one.prompt_tokens
            for one in choices
        }
        read, said = sum(prompts.values()), sum(len(one.steps) for one in choices)
        return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}

    def _whole(self, choice: Choice) -> Json:
        found: Json = {"index": choice.index, "finish_reason": choice.reason}
        if self._is_chat:
            message: Json = {"role": "assistant", "content": choice.said, "refusal": None}
            if choice.thinking:
                message["reasoning_content"] = choice.thinking
            return found | {"message": message, "logprobs": self._logprobs(choice, choice.steps)}
        before = choice.echoed.text if choice.echoed else ""
        logprobs = self._logprobs(choice, choice.steps)
        return found | {"text": before + choice.said, "logprobs": logprobs}

    def _logprobs(self, choice: Choice, steps: list[Step], start: int = 0) -> Json | None:
        if self._top is None:
            return None
        if self._is_chat:
            return chat_logprobs(steps, self._top)
        return text_logprobs(steps, self._top, choice.echoed, start)

    # --- in pieces ---------------------------------------------------------------

    def pieces(self, event: Event) -> Iterator[Json]:
        """What an event adds, as chunks of a stream."""
        if isinstance(event, Reply) and self._is_chat and event.id in self._choices:
            begun = {"role": "assistant", "content": ""}
            yield self._piece(self._choices[event.id].index, {"delta": begun, "logprobs": None})
        taken = self.take(event)
        if taken is None:
            return
        choice, new = taken
        steps = [event] if isinstance(event, Step) else []
        if new.text or new.thinking or (steps and self._top is not None):
            start = len(choice.said) - len(new.text)
            logprobs = self._logprobs(choice, steps, start) if steps else None
            yield self._piece(choice.index, {**self._delta(new), "logprobs": logprobs})
        if isinstance(event, Finish) and event.reason not in BROKEN:
            end: Json = {"delta": {}} if self._is_chat else {"text": ""}
            yield self._piece(choice.index, {**end, "logprobs": None}, choice.reason)

    def last_piece(self) -> Json:
        """The chunk with the usage, which has no choice."""
        return self._chunk([]) | {"usage": self.usage()}

    def _delta(self, new: Said) -> Json:
        if not self._is_chat:
            return {"text": new.text}
        thinking = {"reasoning_content": new.thinking} if new.thinking else {}
        said = {"content": new.text} if new.text or not thinking else {}
        return {"delta": {**thinking, **said}}

    def _piece(self, index: int, content: Json, reason: str | None = None) -> Json:
        return self._chunk([{"index": index, "finish_reason": reason, **content}])

    def _chunk(self, choices: list[Json]) -> Json:
        kind = "chat.completion.chunk" if self._is_chat else "text_completion"
        return self._head | {"object": kind, "choices": choices}
